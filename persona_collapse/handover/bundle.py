"""Plan and read bundles: a finished study in one archive, with a study file for its reanalysis.

A bundle holds the collected answers, from which every table can be recomputed, and the results.
``archive`` writes bundles, ``unpack`` checks and unpacks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_collapse.common.errors import UserError
from persona_collapse.handover.unpack import unpacked
from persona_collapse.materials.sources import Source

if TYPE_CHECKING:
    from persona_collapse.plan.answers import Layout
    from persona_collapse.study.model import Misalignment
    from persona_collapse.study.resolved import Unit

AGAIN = "-reanalysis"  # suffix of the study file in a bundle
JUDGED = "${study_folder}/judged"  # a bundle's verdicts on open replies
BAND = "${study_folder}/tables/band_models.csv"  # the band that finished studies made


def study_file(path: Path, folder: Path) -> Path:
    """Return the study file of a bundle; a path of another file is returned as it is.

    A packed bundle is verified and unpacked once, below ``folder``.

    Raises:
        UserError: a folder or archive is no bundle, or is damaged.
    """
    if path.suffix == ".zip":
        path = unpacked(path, folder)
    if path.is_dir():
        studies = sorted(path.glob(f"*{AGAIN}.yaml"))
        if len(studies) != 1:
            raise UserError(
                f"{path}: is no bundle: it has {len(studies) or 'no'} files *{AGAIN}.yaml; "
                "give a study's YAML file, or an archive written by snakemake bundle"
            )
        return studies[0]
    return path


def bundle_of(layout: Layout) -> dict[str, Any]:
    """Return the plan of a study's bundle, as plain values for a rule's params.

    ``reanalysis`` is the bundle's study file; ``resources`` are the instruments and persona sets
    with kind, name, path and ``fetched``: the digest of one that is fetched, else None.
    """
    sources = {"instrument": layout.instruments, "personas": layout.personas}
    names = {kind: _names(by_probe.values()) for kind, by_probe in sources.items()}
    return {
        "name": layout.study.name,
        "reanalysis": _reanalysis(layout, names),
        "resources": [
            {
                "kind": kind,
                "name": names[kind][source.path],
                "path": str(source.path),
                "fetched": source.fingerprint,
            }
            for kind, by_probe in sources.items()
            for source in {source.path: source for source in by_probe.values()}.values()
        ],
    }


def _names(sources: Iterable[Source]) -> dict[Path, str]:
    """Return a unique name for each file, with a number where stems repeat."""
    names: dict[Path, str] = {}
    for source in sources:
        stem, count = source.path.stem, 1
        while source.path not in names:
            name = stem if count == 1 else f"{stem}-{count}"
            if name not in names.values():
                names[source.path] = name
            count += 1
    return names


def _reanalysis(layout: Layout, names: Mapping[str, Mapping[Path, str]]) -> dict[str, Any]:
    """Return the study file that reads the collected answers and computes the same numbers."""
    study = layout.study
    document = study.resolved()
    for key in ("name", "budget", "datasets"):
        del document[key]
    document["endpoints"] = {"bundle": {"kind": "recorded", "root": "${study_folder}/answers"}}
    if document["analysis"]["band"]:
        document["analysis"] = {**document["analysis"], "band": [BAND], "band_models": None}
    document["misalignment"] = _check_again(study.misalignment)
    for key, model in document["models"].items():
        units = [unit for unit in layout.shards if unit.model == key]
        model["variants"] = {
            name: _recorded(layout, [unit for unit in units if unit.variant == name])
            for name in dict.fromkeys(unit.variant for unit in units)
        }
    for key, probe in document["probes"].items():
        asked = dict.fromkeys(unit.variant for unit in layout.shards if unit.probe == key)
        probe["variants"] = list(asked) if probe["variants"] else None
        probe["instrument"] = names["instrument"][layout.instruments[key].path]
        if key in layout.personas:
            probe["personas"] = names["personas"][layout.personas[key].path]
    models, probes = document["models"], document["probes"]
    document["models"] = {key: model for key, model in models.items() if model["variants"]}
    document["probes"] = {key: probe for key, probe in probes.items() if probe["variants"] != []}
    complete: dict[str, Any] = _without_none(document)
    complete["analysis"]["targets"] = study.analysis["targets"]  # where null is "no control"
    return complete


def _recorded(layout: Layout, units: Sequence[Unit]) -> dict[str, Any]:
    """Return the study file's entry of a variant that reads its collected answers."""
    study = layout.study
    entry = {
        "endpoint": "bundle",
        "step": study.variant(units[0]).step,
        "files": {u.probe: f"{u.model}/{u.variant}/{u.probe}.parquet" for u in units},
    }
    methods = {layout.method(unit) for unit in units}
    if methods != {study.probes[u.probe].method or study.sampling["method"] for u in units}:
        (entry["method"],) = methods  # simulated variants have a method of their own
    return entry


def _check_again(check: Misalignment | None) -> dict[str, Any] | None:
    """Return the study file's key that reads a check's numbers; None if the bundle lacks them.

    A bundle holds the verdicts that its own study asked for. Printed numbers keep their path.
    """
    if check is None or check.recorded is not None:
        return None
    read = {"printed": str(check.printed)} if check.printed else {"recorded": JUDGED}
    return {**read, "variants": list(check.variants) if check.variants else None}


def _without_none(value: Any) -> Any:
    """Return a value without the keys that are None, which a study file leaves out."""
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
