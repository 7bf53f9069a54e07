"""The study file as data: models, variants, endpoints and probes, checked and with its defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.yaml import check, read_document
from persona_collapse.study.defaults import ANALYSIS, BLOCKS, POWER, SAMPLING
from persona_collapse.study.made_variants import Finetune, check_one_way, replicates
from persona_collapse.study.misalignment import Check, check_of
from persona_collapse.study.names import check_names, narrowed

STUDIES = Path("config/studies")
KINDS = ("openai", "recorded", "simulated")


@dataclass(frozen=True)
class Endpoint:
    """Where answers come from; ``settings`` are the endpoint's keys of the study file."""

    name: str
    kind: str
    settings: dict[str, Any]


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


@dataclass(frozen=True)
class Model:
    """A model family of the study with its variants, in the study's order.

    ``mixed_stacks``: different servers answered for its variants, which confounds its contrasts.
    """

    key: str
    label: str
    family: str
    variants: dict[str, Variant]
    mixed_stacks: bool


@dataclass(frozen=True)
class Probe:
    """An instrument asked of variants, with a persona set (or None) and a number of repetitions.

    ``persona_count`` takes the first personas of a set; None takes all. ``variants`` None: all.
    ``method`` overrides the study's way of sampling.
    """

    name: str
    instrument: str
    personas: str | None
    persona_count: int | None
    repetitions: int
    variants: tuple[str, ...] | None
    method: str | None


@dataclass(frozen=True)
class Unit:
    """One model x variant x probe, the thing that has a collected file of answers."""

    model: str
    variant: str
    probe: str


@dataclass(frozen=True)
class Study:
    """A checked study; ``blocks`` are shard sizes, ``analysis`` holds roles and draws.

    ``misalignment`` is the emergent-misalignment check, where the study has one.
    ``budget`` limits what the study may spend in all; ``mixed_stacks`` allows a contrast of
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
    mixed_stacks: bool
    datasets: dict[str, dict[str, Any]]
    misalignment: Check | None = None

    @property
    def variant_names(self) -> list[str]:
        """All variant names: baseline, control and target first, then in order of appearance."""
        roles = [self.analysis[role] for role in ("baseline", "control", "target")]
        named = [name for model in self.models.values() for name in model.variants]
        return [name for name in dict.fromkeys([*roles, *named]) if name in named]

    def units(self) -> list[Unit]:
        """Every model x variant x probe that the study asks for, in the file's order."""
        return [
            Unit(model.key, variant, probe.name)
            for model in self.models.values()
            for variant, made in model.variants.items()
            for probe in self.probes.values()
            if probe.variants is None or {variant, made.replicate_of} & {*probe.variants}
        ]

    def variant(self, unit: Unit) -> Variant:
        """Return the variant of a unit."""
        return self.models[unit.model].variants[unit.variant]

    def steps(self) -> list[tuple[str, str, int]]:
        """Return model, variant and training step of every checkpoint, per model in rising order.

        A baseline without a step counts as step 0 where other variants of its model have one.
        """
        baseline = self.analysis["baseline"]
        found = []
        for model in self.models.values():
            known = {v.name: v.step for v in model.variants.values() if v.step is not None}
            if known and baseline in model.variants:
                known = {baseline: 0, **known}
            found += [
                (model.key, name, known[name]) for name in sorted(known, key=known.__getitem__)
            ]
        return found

    def has_personas(self, probe: str) -> bool:
        """Tell whether a probe is asked under personas."""
        return self.probes[probe].personas is not None


def find_study(study: str | int) -> Path:
    """Return the file of a shipped study's name, or a path as it is; refuse an unknown one.

    A path may also lead to a bundle, packed or unpacked: see ``bundle.study_file``.
    """
    text = str(study)
    if text.endswith((".yaml", ".yml", ".zip")) or "/" in text:
        if not Path(text).exists():
            raise UserError(f"study={text}: there is no such file")
        return Path(text)
    path = STUDIES / f"{text}.yaml"
    if not path.is_file():
        shipped = sorted(entry.stem for entry in STUDIES.glob("*.yaml"))
        hint = nearest(text, shipped)
        raise UserError(
            f"study={text}: no such study{hint}; shipped: {', '.join(shipped)}; "
            "or give a path that ends in .yaml"
        )
    return path


def load_study(
    path: Path,
    settings: Mapping[str, str | None] | None = None,
    models: str | Sequence[str] | None = None,
) -> Study:
    """Read, check and resolve a study file.

    ``settings`` are the run settings that an endpoint's ``root`` may name as ``${published_root}``
    (``${study_folder}``, where the study file lies, needs none);
    ``models`` narrows the study to these keys (a list, or one text with commas).
    """
    document = read_document(path, "study")
    known = {**(settings or {}), "study_folder": str(path.parent)}
    endpoints = {
        name: _endpoint(path, name, entry, known) for name, entry in document["endpoints"].items()
    }
    analysis = {**ANALYSIS, **document.get("analysis", {})}
    analysis["power"] = {**POWER, **analysis.get("power", {})}
    study = Study(
        name=path.stem,
        path=path,
        title=document["title"],
        seed=document["seed"],
        endpoints=endpoints,
        models={
            key: _model(path, key, entry, endpoints) for key, entry in document["models"].items()
        },
        probes={name: _probe(name, entry) for name, entry in document["probes"].items()},
        sampling={**SAMPLING, **document.get("sampling", {})},
        blocks={**BLOCKS, **document.get("shards", {})},
        analysis=analysis,
        budget=document.get("budget", {}),
        mixed_stacks=document.get("allow_mixed_stacks", False),
        datasets=document.get("datasets", {}),
    )
    check_names(study)
    check = check_of(path, document.get("misalignment"), endpoints, study.models)
    study = replace(study, misalignment=check)
    return narrowed(study, models)


def _endpoint(
    path: Path, name: str, entry: dict[str, Any], run_settings: Mapping[str, str | None]
) -> Endpoint:
    at = ("endpoints", name)
    kind = entry.get("kind")
    if kind not in KINDS:
        hint = nearest(str(kind), KINDS)
        raise UserError(
            f"{path}: endpoints.{name}.kind: {kind!r} is not one of: {', '.join(KINDS)}{hint}"
        )
    check(entry, f"study#/$defs/endpoint_{kind}", str(path), at)
    settings = {key: value for key, value in entry.items() if key != "kind"}
    if "root" in settings:
        settings["root"] = _filled(settings["root"], run_settings, f"{path}: endpoints.{name}.root")
    return Endpoint(name, kind, settings)


def _filled(text: str, settings: Mapping[str, str | None], where: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in settings:
            raise UserError(
                f"{where}: there is no run setting {name!r}{nearest(name, settings)}; "
                "see config/README.md"
            )
        found = settings[name]
        if not found:
            raise UserError(f"{where}: the run setting is empty; give --config {name}=PATH")
        return found

    return re.sub(r"\$\{(\w+)\}", value, text)


def _model(path: Path, key: str, entry: dict[str, Any], endpoints: dict[str, Endpoint]) -> Model:
    variants = {}
    for name, settings in entry["variants"].items():
        where = f"{path}: models.{key}.variants.{name}"
        endpoint = settings.get("endpoint")
        if endpoint not in endpoints:
            found = f"no endpoint is called {endpoint!r}" if endpoint else "the key is missing"
            hint = nearest(str(endpoint), endpoints)
            raise UserError(f"{where}.endpoint: {found}{hint}; known: {', '.join(endpoints)}")
        kind = endpoints[endpoint].kind
        check(
            settings, f"study#/$defs/variant_{kind}", str(path), ("models", key, "variants", name)
        )
        check_one_way(settings, kind, where)
        apart = ("endpoint", "step", "finetune")
        rest = {k: value for k, value in settings.items() if k not in apart}
        several = settings.get("finetune", {}).get("n_seeds", 1) > 1
        for own, finetune, number in replicates(name, settings, where, entry["variants"]):
            variants[own] = Variant(
                own,
                endpoints[endpoint],
                rest,
                settings.get("step"),
                finetune,
                name if several else None,
                number,
            )
    label = entry.get("label", key)
    asked = {
        variant.endpoint.settings["base_url"]
        for variant in variants.values()
        if variant.endpoint.kind == "openai"
    }
    mixed = entry.get("mixed_stacks", False) or len(asked) > 1
    return Model(key, label, entry.get("family", label), variants, mixed)


def _probe(name: str, entry: dict[str, Any]) -> Probe:
    variants = entry.get("variants")
    return Probe(
        name=name,
        instrument=entry["instrument"],
        personas=entry.get("personas"),
        persona_count=entry.get("persona_count"),
        repetitions=entry["repetitions"],
        variants=tuple(variants) if variants else None,
        method=entry.get("method"),
    )
