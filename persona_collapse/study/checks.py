"""Checks across keys of a study: names that must exist, keys that exclude each other."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from persona_collapse.asking.keys import PREFIX, SHORTEST, known_key, redacted
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.faults import key_path
from persona_collapse.common.keys import keys_of
from persona_collapse.common.secrets import masked
from persona_collapse.study.model import ASKING, READING, Analysis, Misalignment
from persona_collapse.study.resolved import Endpoint, Study

LONGEST_STEM = 100  # of a study file, which names a folder


def check_path(path: Path) -> None:
    """Refuse the name of a study file that cannot be that of its results."""
    shown = masked(str(path)) if str(path).isprintable() else repr(str(path))
    if not str(path).isprintable() or "{" in str(path) or "}" in str(path):
        raise UserError(
            f"{shown}: the path of a study may hold no braces and no control characters, which "
            "have a meaning in the paths of results; rename it"
        )
    if len(path.stem.encode()) > LONGEST_STEM:
        raise UserError(
            f"{shown}: the name of a study file is that of its results, and may have at most "
            f"{LONGEST_STEM} characters; rename it"
        )


def check_names(study: Study) -> None:
    """Check that names in a study refer to something; raise ``UserError`` with the key's path."""
    _check_cases(study)
    _check_probes(study)
    _check_probe_roles(study)
    _check_stacks(study)
    _check_steps(study)
    _check_files(study)


def check_secrets(path: Path, document: Any, endpoints: Mapping[str, Endpoint]) -> None:
    """Refuse a study file that holds one of the keys which its endpoints name.

    Raises ``UserError`` with the place, and without the key; also for a key that cannot be sent.
    """
    for endpoint in endpoints.values():
        declared = keys_of(endpoint.behaviour.Settings).get("api_key_env")
        if declared is None:
            continue
        name = endpoint.settings.get("api_key_env", declared.default)
        key = name and known_key(name)
        if not key or len(key) < SHORTEST:
            continue
        place: tuple[str | int, ...] = ()
        searched = document
        if len(key) < PREFIX:  # a placeholder, such as the word ollama, is a name elsewhere
            place = ("endpoints", endpoint.name, "extra_body")
            searched = endpoint.settings.get("extra_body")
        for found in _places(searched, key, place):
            raise UserError(
                f"{path}: {key_path(found)}: holds the key of the environment variable {name}, "
                "which would be written into results and the store; remove it: requests carry the "
                "key by themselves"
            )


def _places(value: Any, key: str, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, str) and redacted(value, key) != value:
        yield place
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for name, part in parts:
        yield from _places(name, key, place)
        yield from _places(part, key, (*place, name))


def _check_cases(study: Study) -> None:
    """Refuse names that differ only in case: on many disks their files would be the same."""
    named: dict[str, Iterable[str]] = {
        "endpoints": study.endpoints,
        "models": study.models,
        "probes": study.probes,
        "datasets": study.datasets,
        **{f"models.{key}.variants": model.variants for key, model in study.models.items()},
    }
    for where, names in named.items():
        taken: dict[str, str] = {}
        for name in names:
            other = taken.setdefault(name.casefold(), name)
            if other != name:
                raise UserError(
                    f"{study.path}: {where}: {other!r} and {name!r} differ only in case, and on "
                    "many disks their files would be the same; rename one"
                )


def _check_probes(study: Study) -> None:
    for name, probe in study.probes.items():
        where = f"{study.path}: probes.{name}"
        _check_variants(f"{where}.variants", probe.variants or (), study.variant_names)
        if probe.persona_count and not probe.personas:
            raise UserError(f"{where}.persona_count: needs the key 'personas'")


def _check_variants(where: str, names: Collection[str], known: Collection[str]) -> None:
    for place, name in enumerate(names):
        if name not in known:
            raise UserError(
                f"{where}[{place}]: no model has a variant {name!r}{nearest(name, known)}"
            )


def _check_probe_roles(study: Study) -> None:
    """Check the probes named under ``analysis``; only a default may refer to nothing."""
    where, analysis = f"{study.path}: analysis", study.analysis
    main = analysis["roleplay_probe"]
    with_personas = [name for name in study.probes if study.has_personas(name)]
    if main not in with_personas:
        known = ", ".join(with_personas)
        advice = f"name it here, one of: {known}" if known else "give a probe a set of `personas`"
        raise UserError(
            f"{where}.roleplay_probe: S and R come from a probe with personas, and none "
            f"is called {main!r}{nearest(main, with_personas)}; {advice}"
        )
    defaults = {part.name: part.default for part in fields(Analysis)}
    for role in ("unconditioned_probe", "toxic_probe"):
        if analysis[role] != defaults[role] and analysis[role] not in study.probes:
            raise UserError(
                f"{where}.{role}: no probe is called {analysis[role]!r}"
                f"{nearest(analysis[role], study.probes)}; known: {', '.join(study.probes)}"
            )


def _check_stacks(study: Study) -> None:
    for model in study.models.values():
        if model.mixed_backends and not study.mixed_backends:
            raise UserError(
                f"{study.path}: models.{model.key}: its variants are answered by different "
                "servers, so a contrast would compare servers as well as fine-tunes; ask one "
                "server for all, or say allow_mixed_backends: true, and every table and figure "
                "will say so"
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


def _check_files(study: Study) -> None:
    """Check that recorded variants have one file, or pattern, for each of their probes."""
    for unit in study.units():
        variant = study.variant(unit)
        if "files" not in keys_of(variant.endpoint.behaviour.VariantSettings):
            continue
        own, shared = variant.settings.get("files"), variant.endpoint.settings.get("files")
        files = {**(shared or {}), **(own or {})}
        if unit.probe not in files:
            strays = [name for name in files if name not in study.probes]
            raise UserError(
                f"{study.path}: models.{unit.model}.variants.{unit.variant}.files: no file is "
                f"named for the probe {unit.probe!r}{nearest(unit.probe, strays)}; add it, or "
                f"leave the variant out with probes.{unit.probe}.variants"
            )
    places = {f"endpoints.{name}": entry.settings for name, entry in study.endpoints.items()}
    places |= {f"models.{key}.variants.{v.name}": v.settings for key, v in study.variants()}
    for place, settings in places.items():
        for probe in settings.get("files") or {}:
            if probe not in study.probes:
                raise UserError(
                    f"{study.path}: {place}.files.{probe}: no probe is called {probe!r}"
                    f"{nearest(probe, study.probes)}; known: {', '.join(study.probes)}"
                )


def check_misalignment(study: Study, given: Mapping[str, Any]) -> None:
    """Check the key ``misalignment``; raise ``UserError`` for keys that exclude each other.

    ``given`` are the keys as the file has them.
    """
    keys, where = study.misalignment, f"{study.path}: misalignment"
    if keys is None:
        return
    _check_variants(f"{where}.variants", keys.variants or (), study.variant_names)
    for name in ("columns", "where"):
        if name in given and "recorded" not in given:
            raise UserError(f"{where}.{name}: needs 'recorded', the files that it is about")
    reading = [name for name in READING if name in given]
    if reading:
        others = [name for name in (*reading[1:], *ASKING) if name in given]
        if others:
            raise UserError(
                f"{where}.{others[0]}: does not go with {reading[0]!r}, which asks nothing; "
                "remove one of the two"
            )
        return
    for name in ("questions", "judge"):
        if name not in given:
            raise UserError(
                f"{where}: the key {name!r} is missing; name questions and a judge, or say "
                "printed (a table of printed numbers)"
            )
    _check_judge(study, keys, where)


def _check_judge(study: Study, keys: Misalignment, where: str) -> None:
    """Refuse endpoints that cannot judge, and simulated replies with a real judge."""
    judge, endpoints = keys.judge, study.endpoints
    assert judge is not None
    name = judge.endpoint
    if name not in endpoints:
        raise UserError(
            f"{where}.judge.endpoint: no endpoint is called {name!r}{nearest(name, endpoints)}; "
            f"known: {', '.join(endpoints)}"
        )
    judging = endpoints[name].behaviour
    if judging.replies is None:
        raise UserError(
            f"{where}.judge.endpoint: {name!r} is of the kind {endpoints[name].kind} and judges "
            "nothing; judged replies of another run are read with misalignment.recorded"
        )
    if not judging.simulated and judge.model is None:
        raise UserError(f"{where}.judge: the key 'model' is missing: the model that judges")
    if judging.simulated and judge.model is not None:
        raise UserError(f"{where}.judge.model: a simulated judge has no model; remove the key")
    for key, variant in study.checked():
        judged = study.models[key].variants[variant].endpoint.behaviour
        at = f"models.{key}.variants.{variant}"
        if judged.replies is None:
            raise UserError(
                f"{where}: {at} has recorded answers and cannot be asked open questions; "
                "leave it out with misalignment.variants, or read numbers with printed or recorded"
            )
        if judging.simulated and not judged.simulated:
            raise UserError(
                f"{where}.judge: a simulated judge can read simulated replies alone, and {at} is "
                "asked for real ones; name a model that judges"
            )
        if judged.simulated and not judging.simulated:
            raise UserError(
                f"{where}.judge: {at} is simulated, so a model would be paid to judge sentences "
                "that mean nothing; name a simulated endpoint as the judge"
            )
