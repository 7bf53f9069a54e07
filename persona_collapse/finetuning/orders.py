"""One fine-tune as it is ordered from a server, and the keys that identify it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from persona_collapse.common.hashing import digest

SUFFIX_LENGTH = 40
SIMULATED = "simulated"  # the backend of every simulated endpoint: it costs nothing
# The parts of an order that change the resulting model, known before its data are read; the rest
# are names. ``Order.key`` has the data's sha256 in place of their git blob id.
IDENTITY = ("base_url", "base", "git_blob", "hyperparameters", "seed", "attempt")


def identity(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an order that answers of the fine-tuned variant depend on."""
    return {name: params[name] for name in IDENTITY}


@dataclass(frozen=True)
class Order:
    """One fine-tune: who trains which base on which data, and how.

    ``sha256`` and ``git_blob`` identify the data, ``hyperparameters`` are those of the recipe as
    they are sent. ``attempt`` above 1 orders it once more, after one that failed. ``backend`` names
    the module that trains. The other fields are the study's names and change nothing.

    A rule's params hold all of it but ``sha256``, which is known once the data are read:
    ``Order(sha256=..., **params)``.
    """

    base_url: str
    base: str
    sha256: str
    hyperparameters: dict[str, Any]
    seed: int
    attempt: int = 1
    model: str = ""
    variant: str = ""
    dataset: str = ""
    recipe: str = ""
    git_blob: str = ""
    backend: str = "openai"

    @cached_property
    def key(self) -> str:
        """The sha256 of everything that could change the resulting model."""
        parts: dict[str, Any] = {
            "base_url": self.base_url,
            "base": self.base,
            "dataset": self.sha256,
            "hyperparameters": self.hyperparameters,
            "seed": self.seed,
        }
        if self.attempt > 1:  # a first attempt keeps its key
            parts["attempt"] = self.attempt
        return digest(parts)

    @property
    def label(self) -> str:
        """The variant, for messages."""
        return f"{self.model} {self.variant}"

    @property
    def suffix(self) -> str:
        """The suffix of the model's name at the server, by which the job can be found again."""
        return f"{self.dataset[: SUFFIX_LENGTH - 13]}-{self.key[:12]}".strip("-")

    @property
    def epochs(self) -> int:
        """How often each example is trained on, and paid for."""
        return int(self.hyperparameters["n_epochs"])

    @property
    def simulated(self) -> bool:
        """Whether the training is simulated and costs nothing."""
        return self.backend == SIMULATED


def file_key(base_url: str, sha256: str) -> str:
    """Return the key of an upload: each content is uploaded to a server once."""
    return digest({"base_url": base_url, "file": sha256})


def file_name(sha256: str) -> str:
    """Return the name of an uploaded file, by which its content is found again."""
    return f"persona-collapse-{sha256}.jsonl"
