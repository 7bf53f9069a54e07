"""Load a study file: check its keys, fill in defaults, resolve names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.faults import check
from persona_collapse.common.keys import given, plain
from persona_collapse.common.yaml import read_yaml
from persona_collapse.endpoints.base import FinetuneKeys, find
from persona_collapse.study.checks import check_misalignment, check_names, check_path, check_secrets
from persona_collapse.study.model import Misalignment, ModelKeys, StudyKeys
from persona_collapse.study.resolved import Endpoint, Finetune, Model, Probe, Study, Variant
from persona_collapse.study.roles import with_roles, with_roles_left

STUDIES = Path("config/studies")


def find_study(study: str | int) -> Path:
    """Return the file of a shipped study, or the given path; refuse an unknown one.

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

    ``settings`` are run settings that an endpoint's ``root`` may use, as ``${published_root}``;
    ``${study_folder}`` is the folder of the study file. ``models`` narrows the study to these keys
    (a list, or one text with commas). Raises ``UserError`` with the path of the key.
    """
    check_path(path)
    document = read_yaml(path)
    keys: StudyKeys = check(document, StudyKeys, str(path))
    known = {**(settings or {}), "study_folder": str(path.parent)}
    endpoints = {name: _endpoint(path, name, e, known) for name, e in keys.endpoints.items()}
    check_secrets(path, document, endpoints)
    study = Study(
        name=path.stem,
        path=path,
        title=keys.title,
        seed=keys.seed,
        endpoints=endpoints,
        models={key: _model(path, key, entry, endpoints) for key, entry in keys.models.items()},
        probes={name: Probe(name=name, **vars(probe)) for name, probe in keys.probes.items()},
        # A temperature of null is the server's own, and no default.
        sampling={"temperature": keys.sampling.temperature, **given(keys.sampling)},
        blocks=plain(keys.shards),
        analysis=plain(keys.analysis),
        budget=given(keys.budget),
        mixed_backends=keys.allow_mixed_backends,
        datasets=document.get("datasets") or {},
        misalignment=_placed(keys.misalignment, path),
    )
    study = with_roles(study)
    check_names(study)
    check_misalignment(study, document.get("misalignment") or {})
    return _narrowed(study, models)


def _endpoint(
    path: Path, name: str, entry: dict[str, Any], run_settings: Mapping[str, str | None]
) -> Endpoint:
    kind: Any = entry.get("kind")
    try:
        declared = find(kind).Settings
    except UserError as fault:
        raise UserError(f"{path}: endpoints.{name}.kind: {fault}") from None
    check(entry, declared, str(path), ("endpoints", name))
    settings = {key: value for key, value in entry.items() if key != "kind"}
    if "root" in settings:
        settings["root"] = _filled(settings["root"], run_settings, f"{path}: endpoints.{name}.root")
    return Endpoint(name, kind, settings)


def _filled(text: str, settings: Mapping[str, str | None], where: str) -> str:
    """Return a text with ``${name}`` replaced by run settings."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in settings:
            raise UserError(
                f"{where}: there is no run setting {name!r}{nearest(name, settings)}; "
                "see config/README.md"
            )
        if not settings[name]:
            raise UserError(f"{where}: the run setting is empty; give --config {name}=PATH")
        return str(settings[name])

    return re.sub(r"\$\{(\w+)\}", value, text)


def _placed(keys: Misalignment | None, path: Path) -> Misalignment | None:
    """Return the misalignment key with ``${study_folder}`` replaced in its paths."""
    if keys is None:
        return None
    named = {"printed": keys.printed, "recorded": keys.recorded}
    folder = str(path.parent)
    paths = {k: p and Path(str(p).replace("${study_folder}", folder)) for k, p in named.items()}
    return replace(keys, printed=paths["printed"], recorded=paths["recorded"])


def _model(path: Path, key: str, entry: ModelKeys, endpoints: dict[str, Endpoint]) -> Model:
    variants = {}
    for name, settings in entry.variants.items():
        where = f"{path}: models.{key}.variants.{name}"
        named = settings.get("endpoint")
        if named not in endpoints:
            problem = f"no endpoint is called {named!r}" if named else "the key is missing"
            hint = nearest(str(named), endpoints)
            raise UserError(f"{where}.endpoint: {problem}{hint}; known: {', '.join(endpoints)}")
        endpoint = endpoints[named]
        place = ("models", key, "variants", name)
        keys = check(settings, find(endpoint.kind).VariantSettings, str(path), place)
        apart = ("endpoint", "step", "finetune")
        own = {k: value for k, value in settings.items() if k not in apart}
        made: FinetuneKeys | None = getattr(keys, "finetune", None)
        if made is None:
            variants[name] = Variant(name, endpoint, own, keys.step)
            continue
        first = name if made.n_seeds > 1 else None
        replicates = _replicates(name, made, where, entry.variants)
        for number, (replicate, finetune) in enumerate(replicates, start=1):
            variants[replicate] = Variant(
                replicate, endpoint, own, keys.step, finetune, first, number
            )
    addresses = {v.endpoint.settings.get("base_url") for v in variants.values()} - {None}
    label = entry.label or key
    mixed = entry.mixed_backends or len(addresses) > 1
    return Model(key, label, entry.family or label, variants, mixed)


def _replicates(
    name: str, made: FinetuneKeys, where: str, taken: Mapping[str, Any]
) -> Iterator[tuple[str, Finetune]]:
    """Yield name and fine-tune of each replicate of a variant.

    ``n_seeds: 3`` makes three: the first keeps the name, the others are called ``<name>-r2``,
    ``<name>-r3``; each has the next seed. Raises ``UserError`` where such a name is taken.
    """
    names = [name, *(f"{name}-r{number}" for number in range(2, made.n_seeds + 1))]
    attempts = (
        made.attempt if isinstance(made.attempt, dict) else dict.fromkeys(names, made.attempt)
    )
    for other in attempts:
        if other not in names:
            raise UserError(
                f"{where}.finetune.attempt: {other!r} is no replicate of this variant"
                f"{nearest(other, names)}; it has: {', '.join(names)}"
            )
    for number, replicate in enumerate(names):
        if number > 0 and replicate in taken:
            raise UserError(
                f"{where}.finetune.n_seeds: the name of replicate {number + 1}, {replicate!r}, is "
                "that of another variant; rename that one"
            )
        seed, attempt = made.seed + number, attempts.get(replicate, 1)
        yield replicate, Finetune(made.base, made.dataset, made.recipe, seed, attempt)


def _narrowed(study: Study, models: str | Sequence[str] | None) -> Study:
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
    return with_roles_left(replace(study, models=kept))
