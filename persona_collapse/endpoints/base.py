"""What an endpoint is, and the registry of all kinds.

An endpoint is a class in a module of its own. It is registered by one line of ``KINDS``, or by a
package that has an entry point in the group ``persona_collapse.endpoints``: the entry point's name
is the kind, its value is ``module:Class``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.keys import Count, Keys, Limits, Natural, Text, key

if TYPE_CHECKING:
    import polars as pl

    from persona_collapse.tasks import Task

GROUP = "persona_collapse.endpoints"
# Named as text: a shard's code digest covers its own endpoint and no other.
KINDS = {
    "openai": "persona_collapse.endpoints.openai:OpenAI",
    "recorded": "persona_collapse.endpoints.recorded:Recorded",
    "simulated": "persona_collapse.endpoints.simulated:Simulated",
}
REQUIRED = ("identity", "answer")

Method = Literal["repeats", "logprobs"]


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
class FinetuneKeys(Keys):
    """How a variant is made: from which variant of its model, on which data, by which recipe."""

    base: Text = key(
        "the variant of the same model, on the same endpoint, that is trained further",
        name="from",
        type="name",
    )
    dataset: Text = key(
        "a dataset of `resources/datasets.yaml`, or of the study's own `datasets`", type="name"
    )
    recipe: Text = key(
        "a recipe of `resources/recipes.yaml` that the endpoint can follow", type="name"
    )
    n_seeds: Annotated[int, Limits(ge=1, le=100)] = key(
        "replicate fine-tunes, which differ in their seed alone: `insecure`, `insecure-r2`, ...; "
        "a probe that lists the first covers all",
        1,
    )
    seed: Annotated[int, Limits(ge=0, le=2147483000)] = key(
        "the first replicate's seed; each has the next one", 1
    )
    attempt: Count | dict[str, Count] = key(
        "order it once more after a job that failed: `attempt: {insecure-r2: 2}`",
        1,
        type="integer, or mapping from variant to integer",
    )


@dataclass(frozen=True)
class UnitSettings:
    """What a study says about one model x variant x probe.

    ``where`` is the variant's place in the study file, for messages. ``endpoint`` and ``variant``
    hold their keys of the file, ``name`` is the endpoint's. ``names`` are the unit's: ``model``,
    ``variant`` and ``probe``. ``sampling`` is the study's, with the unit's own ``method``. ``role``
    is the probe's: ``roleplay``, ``unconditioned`` or ``toxic``.
    ``domains`` returns those of the instrument, ``scale`` its lowest and highest rating.
    ``results`` is the study's folder. ``budget`` and ``scope`` (the study's name) say what may be
    spent.
    """

    where: str
    name: str
    endpoint: Mapping[str, Any]
    variant: Mapping[str, Any]
    names: Mapping[str, str]
    role: str
    repetitions: int
    sampling: Mapping[str, Any]
    domains: Callable[[], Sequence[str]]
    scale: Callable[[], tuple[int, int]]
    results: str
    budget: Mapping[str, Any] | None
    scope: str


class Endpoint:
    """A kind of endpoint: its keys, what its answers depend on, and how it answers a task.

    ``Settings`` and ``VariantSettings`` declare the keys of the study file, as subclasses of
    ``EndpointKeys`` and ``VariantKeys``. ``replies`` names the module that answers open questions
    and judges replies, as text: an endpoint never imports it, so that editing it reruns no answer.
    """

    Settings: ClassVar[type[EndpointKeys]] = EndpointKeys
    VariantSettings: ClassVar[type[VariantKeys]] = VariantKeys
    # How answers can be sampled.
    methods: ClassVar[tuple[Method, ...]] = ("repeats",)
    # Whether it sends requests: they are counted, priced, limited, and kept in the answer store.
    sends_requests: ClassVar[bool] = False
    # Whether its answers are drawn from planted values: its texts mean nothing to a judge.
    simulated: ClassVar[bool] = False
    # Whether answers are drawn from the study's seed (``task.seed``).
    uses_seed: ClassVar[bool] = False
    # Whether the last block of repetitions takes answers beyond the design (``task.shard.last``).
    keeps_extra: ClassVar[bool] = False
    # What ``inputs`` are called, and what to do where they do not exist.
    inputs_called: ClassVar[str] = "input files"
    inputs_advice: ClassVar[str] = "create them"
    replies: ClassVar[str | None] = None
    # The module that fills the store by batches, as text like ``replies``.
    batches: ClassVar[str | None] = None

    def identity(self, unit: UnitSettings) -> dict[str, Any]:
        """Return the settings that change answers, as plain values: a change of one asks again."""
        raise NotImplementedError

    def run_settings(self, unit: UnitSettings) -> dict[str, Any]:
        """Return the settings that change no answer, such as time-outs; they rerun nothing."""
        return {}

    def store_key(self, unit: UnitSettings) -> str | None:
        """Return what the answer store knows an answer by, besides its prompt; None without one.

        Units with equal keys share the answers to equal prompts, and are not asked at once.
        """
        return None

    def inputs(self, unit: UnitSettings) -> list[str]:
        """Return the files that answers are read from, besides instrument and persona set."""
        return []

    def by_batch(self, unit: UnitSettings) -> bool:
        """Return whether the store is filled by batches before shards are answered from it."""
        return False

    def gives_means(self, unit: UnitSettings) -> bool:
        """Return whether answers are means of several ones, so that R cannot be computed."""
        return False

    def outcome(self, task: Task, settings: dict[str, Any]) -> dict[str, Any] | None:
        """Return what became of the rows of a unit's files, by name; None where there are none.

        ``snakemake plan`` shows it. ``task`` is any shard of the unit; raises ``UserError`` for
        files that cannot be used.
        """
        return None

    def answer(self, task: Task, settings: dict[str, Any]) -> pl.DataFrame:
        """Return the answers of a shard, one row per slot, columns of ``answers.SCHEMA``.

        ``settings`` are identity and run settings together, with the paths of ``inputs`` under
        that name. ``answers.conform`` fills the columns that an endpoint does not know.
        """
        raise NotImplementedError


@cache
def kinds() -> dict[str, str]:
    """Return where every registered kind is defined, as ``module:Class``."""
    others = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    return {**others, **KINDS}


def find(kind: Any) -> Endpoint:
    """Return the endpoint of a kind.

    Raises ``UserError`` for an unknown kind, and for a registered class that is no endpoint or
    lacks a required method.
    """
    known = kinds()
    if not isinstance(kind, str) or kind not in known:
        raise UserError(f"{kind!r} is not one of: {', '.join(known)}{nearest(str(kind), known)}")
    return _load(known[kind], f"the endpoint kind {kind!r}")


@cache
def _load(place: str, what: str) -> Endpoint:
    module, _, name = place.partition(":")
    try:
        declared = getattr(import_module(module), name)
    except (ImportError, AttributeError) as fault:
        raise UserError(f"{what} cannot be loaded from {place}: {fault}") from None
    if not (isinstance(declared, type) and issubclass(declared, Endpoint)):
        raise UserError(
            f"{what}: {place} is no subclass of persona_collapse.endpoints.base.Endpoint"
        )
    for method in REQUIRED:
        if getattr(declared, method) is getattr(Endpoint, method):
            raise UserError(f"{what}: {place} has no method {method!r}")
    for attribute, base in (("Settings", EndpointKeys), ("VariantSettings", VariantKeys)):
        if not issubclass(getattr(declared, attribute), base):
            raise UserError(f"{what}: {place}.{attribute} is no subclass of {base.__name__}")
    return declared()


def module_of(kind: str) -> str:
    """Return the name of a kind's module, which belongs to the code behind its answers."""
    return kinds()[kind].partition(":")[0]
