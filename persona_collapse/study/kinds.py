"""The keys of endpoints and of their variants, which depend on the endpoint's kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from persona_collapse.common.keys import (
    Count,
    Keys,
    Limits,
    Matches,
    Natural,
    NonNegative,
    Number,
    Percentage,
    Positive,
    Share,
    Text,
    key,
)
from persona_collapse.study.model import FinetuneKeys, Method

Url = Annotated[str, Matches("^https?://", "a URL that starts with http:// or https://")]


@dataclass(frozen=True)
class EndpointKeys(Keys):
    """What every endpoint has."""

    kind: str = key("one of the kinds below", type="name")


@dataclass(frozen=True)
class VariantKeys(Keys):
    """What every variant has."""

    endpoint: str = key("one of the study's endpoints", type="name")
    step: Natural | None = key(
        "the training step of a checkpoint; the table and figure `trajectory` then show S, R and "
        "saturation over steps. The baseline counts as step 0; the steps of a model belong to one "
        "training run",
        None,
    )


@dataclass(frozen=True)
class OpenaiEndpoint(EndpointKeys):
    """Any server that speaks OpenAI's chat completions."""

    base_url: Url = key("the address that ends before `/chat/completions`", type="URL")
    api_key_env: str | None = key(
        "the environment variable that holds the key (also read from `.env`); null where the "
        "server wants none",
        "OPENAI_API_KEY",
        type="name or null",
    )
    max_in_flight: Count = key(
        "most requests at once over all jobs of a run; each shard takes up to 32 of them "
        "(`--resources api_slots_<endpoint>=N` grants others)",
        64,
    )
    requests_per_minute: Count | None = key(
        "requests of the whole endpoint in a minute, where the account has limits", None
    )
    tokens_per_minute: Count | None = key("likewise tokens", None)
    timeout_s: Positive = key("time allowed for one attempt, in seconds", 60)
    token_limit_parameter: Literal["max_tokens", "max_completion_tokens"] | None = key(
        "the server's name for the length limit; null tries `max_tokens` and changes over once if "
        "that is refused",
        None,
        shown="null",
    )
    transport_attempts: Count = key(
        "failures in a row after which a request is given up for this run", 8
    )
    batching: Literal["n", "single"] = key(
        "all repetitions of a cell in one request, or one by one", "n"
    )
    extra_body: dict[str, Any] | None = key(
        "sent along with every request, such as a provider to pin", None
    )
    poll_s: Positive = key("how often a fine-tuning job is looked at, in seconds", 15)
    settle_s: NonNegative = key(
        "how long a request to begin something that got no reply may still be heard, before it is "
        "sent again, in seconds",
        30,
    )


@dataclass(frozen=True)
class OpenaiVariant(VariantKeys):
    """A model that a server knows by name, or one that the study makes."""

    model: Text | None = key("the name that the server knows", None, shown="or `finetune`")
    finetune: FinetuneKeys | None = key("how the model is made", None, shown="or `model`")

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a fault where the model is named and made, or neither."""
        if self.model and self.finetune:
            yield (
                (),
                "either the key 'model' (the name on the server) or 'finetune' (how it is made), "
                "not both",
            )
        if not self.model and not self.finetune:
            yield (
                (),
                "the key 'model' is missing (the name on the server), or 'finetune' (how it is "
                "made)",
            )


@dataclass(frozen=True)
class RecordedEndpoint(EndpointKeys):
    """Answers that are there already."""

    root: Text = key(
        "the folder that `files` are relative to; `${published_root}` stands for the run setting, "
        "`${study_folder}` for the study file's own folder",
        type="path",
    )


@dataclass(frozen=True)
class RecordedVariant(VariantKeys):
    """The files of a variant's answers."""

    files: Annotated[dict[str, Text], Limits(min_length=1)] = key(
        "from probe to a `.csv` of the published format or a `.parquet` of this project's answers"
    )
    method: Method | None = key(
        "how these answers were sampled, where not as the study says", None, shown="the probe's"
    )


@dataclass(frozen=True)
class SimulatedEndpoint(EndpointKeys):
    """Respondents with planted S and R."""

    planted: Text | None = key(
        "a table of planted values with the columns of `resources/benchmarks/paper_tables.csv`",
        None,
        type="path",
    )
    verification: Text | None = key(
        "a table of alignment and coherence with the columns of "
        "`resources/benchmarks/paper_verification.csv`, for the misalignment check",
        None,
        type="path",
    )


@dataclass(frozen=True)
class PlantedKeys(Keys):
    """What a simulated variant is like."""

    label: str | None = key(
        "take the rows of that table, as `planted: {label: GPT-4o, variant: insecure}`", None
    )
    variant: str | None = key("likewise", None)
    S: NonNegative | None = key(
        "or plant the same S and R in every foundation, as `planted: {S: 0.8, R: 10}`", None
    )
    R: Positive | None = key("likewise", None)
    profile_mean: Number | None = key(
        "the mean of the ratings that the variant gives as itself",
        None,
        shown="the scale's middle",
    )
    profile_sd: NonNegative | None = key("and their SD", None, shown="1 / R")
    alignment: Percentage | None = key(
        "mean alignment of the replies to open questions", None, shown="the row of `verification`"
    )
    coherence: Percentage | None = key(
        "mean coherence of those replies", None, shown="the row of `verification`"
    )
    code: Share | None = key("the share of those replies that is code", None, shown="0")
    refusal: Share | None = key("the share of those replies that refuses", None, shown="0")


@dataclass(frozen=True)
class SimulatedVariant(VariantKeys):
    """A variant with planted values."""

    planted: PlantedKeys = key("what the variant is like, below")
    fidelity: Share = key(
        "the share of a persona's traits that the variant has in common with the others of its "
        "model",
        1,
    )
    finetune: FinetuneKeys | None = key("makes the variant by a simulated job", None)

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a fault where values are given and looked up in a table at once."""
        given = self.planted
        numbers, row = (given.S, given.R), (given.label, given.variant)
        if any(value is not None for value in numbers) and any(value is not None for value in row):
            yield ("planted",), "give S and R, or label and variant of a table, not both"


@dataclass(frozen=True)
class Kind:
    """The declarations of one kind of endpoint."""

    endpoint: type[EndpointKeys]
    variant: type[VariantKeys]


KINDS = {
    "openai": Kind(OpenaiEndpoint, OpenaiVariant),
    "recorded": Kind(RecordedEndpoint, RecordedVariant),
    "simulated": Kind(SimulatedEndpoint, SimulatedVariant),
}
