"""What is ordered of a server: one fine-tune, and the key that tells it from every other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from persona_collapse.common.hashing import digest

SUFFIX_LENGTH = 40


@dataclass(frozen=True)
class Order:
    """One fine-tune: who trains which base on which data, and how.

    ``sha256`` identifies the data, ``hyperparameters`` are those of the recipe as they are sent.
    ``attempt`` above 1 orders it once more, after one that failed. The other fields are the study's
    names for it all and change nothing.
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
        """What the server puts into the model's name: for people, and to find the job again."""
        return f"{self.dataset[: SUFFIX_LENGTH - 13]}-{self.key[:12]}".strip("-")

    @property
    def epochs(self) -> int:
        """How often every example is trained on, and paid."""
        return int(self.hyperparameters["n_epochs"])


def order_of(params: Mapping[str, Any], sha256: str) -> Order:
    """Build an order from a rule's params (an entry of ``Layout.made``) and the data's sha256."""
    return Order(
        base_url=params["base_url"],
        base=params["base"],
        sha256=sha256,
        hyperparameters=params["hyperparameters"],
        seed=params["seed"],
        attempt=params["attempt"],
        model=params["model"],
        variant=params["variant"],
        dataset=params["dataset"],
        recipe=params["recipe"],
    )


def file_key(base_url: str, sha256: str) -> str:
    """Return the key of an upload: the same content goes to a server once."""
    return digest({"base_url": base_url, "file": sha256})


def file_name(sha256: str) -> str:
    """Return what an uploaded file is called, so that it is found again by its content."""
    return f"persona-collapse-{sha256}.jsonl"
