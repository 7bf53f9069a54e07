"""What no schema can say of a study file: its names must fit the other names of the same file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.materials.sources import RESOURCES
from persona_collapse.study.defaults import ANALYSIS

if TYPE_CHECKING:
    from persona_collapse.study.load import Study, Unit

PRIOR_MODELS = RESOURCES / "benchmarks" / "prior_models.csv"


def check_names(study: Study) -> None:
    """Raise ``UserError`` with the key's path where names of a study do not fit together."""
    _check_probes(study)
    _check_roles(study)
    _check_band(study)
    _check_stacks(study)
    _check_steps(study)
    for unit in study.units():
        if study.variant(unit).endpoint.kind == "recorded":
            _check_file(study, unit)
    for key, model in study.models.items():
        for name, variant in model.variants.items():
            place = f"{study.path}: models.{key}.variants.{name}"
            _check_files(variant.settings.get("files", {}), study, place)
            planted = variant.settings.get("planted", {})
            if {"S", "R"} & planted.keys() and {"label", "variant"} & planted.keys():
                raise UserError(
                    f"{place}.planted: give S and R, or label and variant of a table, not both"
                )


def _check_probes(study: Study) -> None:
    where, named = study.path, study.variant_names
    for probe in study.probes.values():
        for place, variant in enumerate(probe.variants or ()):
            if variant not in named:
                raise UserError(
                    f"{where}: probes.{probe.name}.variants[{place}]: no model has a variant "
                    f"{variant!r}{nearest(variant, named)}"
                )
        if probe.persona_count and not probe.personas:
            raise UserError(f"{where}: probes.{probe.name}.persona_count: needs the key 'personas'")


def _check_roles(study: Study) -> None:
    """Check the names that ``analysis`` gives; a default may be absent, a name of one's own not."""
    where, analysis = f"{study.path}: analysis", study.analysis
    main = analysis["roleplay_probe"]
    with_personas = [probe.name for probe in study.probes.values() if probe.personas]
    if main not in with_personas:
        raise UserError(
            f"{where}.roleplay_probe: S and R come from a probe with personas, and none "
            f"is called {main!r}{nearest(main, with_personas)}"
        )
    variants = ("baseline", "control", "target")
    roles = [analysis[role] for role in variants]
    if len(set(roles)) < len(roles):
        raise UserError(
            f"{where}: baseline, control and target must be three different names, "
            f"found {', '.join(roles)}"
        )
    for role in (*variants, "unconditioned_probe", "toxic_probe"):
        names = study.variant_names if role in variants else list(study.probes)
        if analysis[role] != ANALYSIS[role] and analysis[role] not in names:
            kind = "model has a variant" if role in variants else "probe is called"
            raise UserError(
                f"{where}.{role}: no {kind} {analysis[role]!r}{nearest(analysis[role], names)}; "
                f"known: {', '.join(names)}"
            )


def _check_band(study: Study) -> None:
    band = study.analysis["band"] or ()
    if not band:
        return
    with PRIOR_MODELS.open(encoding="utf-8", newline="") as file:
        known = [row["model"] for row in csv.DictReader(file)]
    for place, name in enumerate(band):
        if name not in known:
            raise UserError(
                f"{study.path}: analysis.band[{place}]: {name!r} is not among the earlier models"
                f"{nearest(name, known)}; they are: {', '.join(known)}"
            )


def _check_stacks(study: Study) -> None:
    for model in study.models.values():
        if model.mixed_stacks and not study.mixed_stacks:
            raise UserError(
                f"{study.path}: models.{model.key}: its variants are answered by different "
                "servers, so a contrast would compare servers as well as fine-tunes; ask one "
                "server for all, or say allow_mixed_stacks: true, and every table and figure will "
                "say so"
            )


def _check_steps(study: Study) -> None:
    taken: dict[tuple[str, int], str] = {}
    for key, variant, step in study.steps():
        if (key, step) in taken:
            raise UserError(
                f"{study.path}: models.{key}.variants.{variant}.step: {taken[key, step]!r} has the "
                f"step {step} already; the steps of a model belong to one training run: list "
                "another run as another model (answers that both need are paid once)"
            )
        taken[key, step] = variant


def _check_file(study: Study, unit: Unit) -> None:
    files = study.variant(unit).settings["files"]
    if unit.probe not in files:
        strays = [name for name in files if name not in study.probes]
        raise UserError(
            f"{study.path}: models.{unit.model}.variants.{unit.variant}.files: no file is named "
            f"for the probe {unit.probe!r}{nearest(unit.probe, strays)}; add it, or leave the "
            f"variant out with probes.{unit.probe}.variants"
        )


def _check_files(files: dict[str, str], study: Study, place: str) -> None:
    for probe in files:
        if probe not in study.probes:
            raise UserError(
                f"{place}.files.{probe}: no probe is called {probe!r}"
                f"{nearest(probe, study.probes)}; known: {', '.join(study.probes)}"
            )


def narrowed(study: Study, models: str | Sequence[str] | None) -> Study:
    """Return a study of these models alone (a list, or one text with commas); None: of all."""
    if not models:
        return study
    keys = [key.strip() for key in (models.split(",") if isinstance(models, str) else models)]
    for key in keys:
        if key not in study.models:
            hint = nearest(key, study.models)
            raise UserError(
                f"models={key}: the study {study.name!r} has no such model{hint}; "
                f"it has: {', '.join(study.models)}"
            )
    kept = {key: model for key, model in study.models.items() if key in keys}
    return replace(study, models=kept)
