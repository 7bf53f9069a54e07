"""The study that its keys resolve to: names looked up, defaults filled in, fine-tunes counted."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from persona_collapse.common.keys import plain
from persona_collapse.endpoints import base
from persona_collapse.study.model import Misalignment, ProbeKeys


@dataclass(frozen=True)
class Endpoint:
    """Where answers come from; ``settings`` are the endpoint's keys of the study file."""

    name: str
    kind: str
    settings: dict[str, Any]

    @property
    def behaviour(self) -> base.Endpoint:
        """The implementation of the endpoint's kind."""
        return base.find(self.kind)


@dataclass(frozen=True)
class Finetune:
    """How one variant is made; ``attempt`` above 1 orders it again, after a job that failed."""

    base: str
    dataset: str
    recipe: str
    seed: int
    attempt: int


@dataclass(frozen=True)
class Variant:
    """One fine-tune (or the base) of a model and the settings that its endpoint needs.

    ``step`` is the training step of a checkpoint, None where the study names none. ``finetune``
    says how it is made, where the study does not name the model itself; replicate fine-tunes share
    ``replicate_of``, the name of the first, and count from 1.
    """

    name: str
    endpoint: Endpoint
    settings: dict[str, Any]
    step: int | None
    finetune: Finetune | None = None
    replicate_of: str | None = None
    replicate: int = 1

    def is_among(self, names: Collection[str] | None) -> bool:
        """Return whether a list of variants means this one; None means all.

        The name of the first replicate means all of them.
        """
        return names is None or self.name in names or self.replicate_of in names


@dataclass(frozen=True)
class Model:
    """A model family of the study with its variants, in the study's order.

    ``mixed_backends``: different servers answered for its variants, which confounds its contrasts.
    """

    key: str
    label: str
    family: str
    variants: dict[str, Variant]
    mixed_backends: bool


@dataclass(frozen=True)
class Probe(ProbeKeys):
    """A probe with its name."""

    name: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Unit:
    """One model x variant x probe, which has one file of answers."""

    model: str
    variant: str
    probe: str


@dataclass(frozen=True)
class Study:
    """A checked study; ``blocks`` are shard sizes, ``analysis`` holds roles (``roles``) and draws.

    ``budget`` limits what the study may spend in all; ``mixed_backends`` allows a contrast of
    variants that different servers answer. ``datasets`` are the file's own entries.
    """

    name: str
    path: Path
    title: str
    seed: int
    endpoints: dict[str, Endpoint]
    models: dict[str, Model]
    probes: dict[str, Probe]
    sampling: dict[str, Any]
    blocks: dict[str, int]
    analysis: dict[str, Any]
    budget: dict[str, Any]
    mixed_backends: bool
    datasets: dict[str, dict[str, Any]]
    misalignment: Misalignment | None = None

    def variants(self) -> list[tuple[str, Variant]]:
        """Return every variant after its model's key, in the study's order."""
        return [(key, v) for key, model in self.models.items() for v in model.variants.values()]

    @property
    def variant_names(self) -> list[str]:
        """All variant names: baseline, each control and target, then in order of appearance."""
        pairs = [(control, target) for target, control in self.analysis["targets"].items()]
        roles = [self.analysis["baseline"], *(name for pair in pairs for name in pair)]
        named = [variant.name for _, variant in self.variants()]
        return [name for name in dict.fromkeys([*roles, *named]) if name in named]

    def units(self) -> list[Unit]:
        """Return every model x variant x probe that the study asks for, in the file's order."""
        return [
            Unit(model, variant.name, probe.name)
            for model, variant in self.variants()
            for probe in self.probes.values()
            if variant.is_among(probe.variants)
        ]

    def checked(self) -> list[tuple[str, str]]:
        """Return every model x variant of the misalignment check, in the study's order."""
        keys = self.misalignment
        return [
            (model, variant.name)
            for model, variant in self.variants()
            if keys is not None and variant.is_among(keys.variants)
        ]

    def variant(self, unit: Unit) -> Variant:
        """Return the variant of a unit."""
        return self.models[unit.model].variants[unit.variant]

    def steps(self) -> list[tuple[str, str, int]]:
        """Return model, variant and training step of every checkpoint, per model in rising order.

        A baseline without a step counts as step 0 where other variants of its model have one.
        """
        baseline = self.analysis["baseline"]
        rows = []
        for model in self.models.values():
            steps = {v.name: v.step for v in model.variants.values() if v.step is not None}
            if steps and baseline in model.variants:
                steps = {baseline: 0, **steps}
            ordered = sorted(steps.items(), key=lambda entry: entry[1])
            rows += [(model.key, name, step) for name, step in ordered]
        return rows

    def has_personas(self, probe: str) -> bool:
        """Return whether a probe is asked under personas."""
        return self.probes[probe].personas is not None

    def resolved(self) -> dict[str, Any]:
        """Return the study with its defaults filled in, as plain values in the file's order."""
        return {
            "name": self.name,
            "title": self.title,
            "seed": self.seed,
            "endpoints": {
                endpoint.name: {"kind": endpoint.kind, **endpoint.settings}
                for endpoint in self.endpoints.values()
            },
            "models": {
                model.key: {
                    "label": model.label,
                    "family": model.family,
                    "mixed_backends": model.mixed_backends,
                    "variants": {
                        variant.name: {
                            "endpoint": variant.endpoint.name,
                            **variant.settings,
                            **({} if variant.step is None else {"step": variant.step}),
                            **({"finetune": asdict(variant.finetune)} if variant.finetune else {}),
                        }
                        for variant in model.variants.values()
                    },
                }
                for model in self.models.values()
            },
            "probes": {
                name: {part: value for part, value in plain(probe).items() if part != "name"}
                for name, probe in self.probes.items()
            },
            "sampling": self.sampling,
            "shards": self.blocks,
            "analysis": self.analysis,
            "budget": self.budget,
            **({"misalignment": self.misalignment.resolved()} if self.misalignment else {}),
            "allow_mixed_backends": self.mixed_backends,
            "datasets": self.datasets,
        }
