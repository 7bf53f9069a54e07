"""The band of a study: earlier base models that were asked the same items as the same personas.

They come from ``resources/benchmarks/prior_models.csv``, or from finished studies that the study
names. What a model was asked is known by digests of the texts, so a band is never used elsewhere.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_collapse.common.csv import read_csv
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.plan.answers import Layout
from persona_collapse.tables.contracts.band_models import TABLE

PUBLISHED = Path("resources/benchmarks/prior_models.csv")
ASKED = ("instrument", "personas", "temperature")
WORDS = {"instrument": "other items or prompts", "personas": "other personas"}
NUMBERS = ("S", "S_se", "R", "R_se")
Row = dict[str, Any]


@dataclass(frozen=True)
class Band:
    """The rows of ``band_models.csv``, the files that they are from, and the probes that fit.

    All are empty where no earlier model was asked what the study asks.
    """

    rows: Sequence[Row]
    files: Sequence[str]
    probes: Sequence[str]


def band_of_study(layout: Layout) -> Band:
    """Return a study's band.

    Raises ``UserError`` for a named study that is not finished or asked something else, for an
    unknown model, and for a band of fewer than two models.
    """
    study = layout.study
    analysis, where = study.analysis, f"{study.path}: analysis"
    asked = asked_by(layout)
    wanted = asked[analysis["roleplay_probe"]]
    probes = [name for name, found in asked.items() if found == wanted]
    if analysis["band"] is None:
        read = _read_table(PUBLISHED)
        rows = [row for row in read if _asked(row) == wanted]
        files = [str(PUBLISHED)] if rows else []
    else:
        rows, files = _named(study.path, analysis["band"], wanted)
    if analysis["band_models"] is not None:
        rows = _chosen(rows, analysis["band_models"], f"{where}.band_models")
    if not rows:
        return Band([], [], [])
    for row in rows:
        if row["S"] is None or row["S_se"] is None:
            raise UserError(f"{where}.band: {row['model']!r} has no S with a standard error")
    if sum(row["in_band"] for row in rows) < 2:
        raise UserError(f"{where}.band: a band needs two or more models")
    made_up = [row["model"] for row in rows if row["simulated"]]
    real = any(not variant.endpoint.behaviour.simulated for _, variant in study.variants())
    if made_up and real:
        raise UserError(
            f"{where}.band: {made_up[0]!r} is simulated, so its S and R are no reference for models"
        )
    return Band(rows, files, probes)


def asked_by(layout: Layout) -> dict[str, Row]:
    """Return what each probe asks: digests of its items and personas, and the temperature."""
    return {
        name: {
            "instrument": layout.instruments[name].identity(),
            "personas": layout.personas[name].identity(layout.persona_count(name))
            if name in layout.personas
            else None,
            "temperature": layout.study.sampling["temperature"],
        }
        for name in layout.study.probes
    }


def _asked(row: Row) -> Row:
    return {name: row[name] for name in ASKED}


def _named(study: Path, names: Sequence[str], wanted: Row) -> tuple[list[Row], list[str]]:
    """Return the models of the tables and studies that ``analysis.band`` names, and their files."""
    rows: dict[str, Row] = {}
    origins: dict[str, str] = {}
    files = []
    for place, name in enumerate(names):
        where = f"{study}: analysis.band[{place}]"
        path = Path(name.replace("${study_folder}", str(study.parent)))
        folder = path.parents[1] if path.match("tables/metrics.csv") else path
        if not path.exists():
            raise UserError(
                f"{where}: there is no {name}; give the results folder of a finished study, or a "
                "table of models (which models count is said by band_models)"
            )
        found = _read_study(folder, where) if folder.is_dir() else _read_table(path, f"{where}: ")
        own = ["tables/metrics.csv", "provenance.json"] if folder.is_dir() else [""]
        files += [str(folder / part) for part in own]
        for row in found:
            for key in ASKED:
                if row[key] != wanted[key]:
                    other = WORDS.get(key, f"another temperature, {row[key]}")
                    raise UserError(
                        f"{where}: {name}: {row['model']} was asked {other}"
                        f"{_digests(row[key], wanted[key])}; a band is for studies that ask the "
                        "same items, personas and temperature"
                    )
            if row["model"] in rows:
                raise UserError(
                    f"{where}: {name} has a model {row['model']!r}, as {origins[row['model']]} "
                    "does; it would count twice"
                )
            rows[row["model"]], origins[row["model"]] = row, name
    return list(rows.values()), files


def _digests(found: Any, wanted: Any) -> str:
    return f" (digest {found}, not {wanted})" if isinstance(found, str) else f", not {wanted}"


def _read_study(folder: Path, where: str) -> list[Row]:
    """Return the baselines of a finished study: S and R of its role-play probe."""
    provenance, metrics = folder / "provenance.json", folder / "tables" / "metrics.csv"
    for file in (provenance, metrics):
        if not file.is_file():
            raise UserError(f"{where}: {folder} is no finished study: it has no {file.name}")
    try:
        facts = json.loads(provenance.read_text(encoding="utf-8"))
        study, asked = facts["study"], facts["asked"]
        baseline, probe = study["analysis"]["baseline"], study["analysis"]["roleplay_probe"]
        models = study["models"]
        known = asked[probe]
    except (ValueError, KeyError) as fault:
        raise UserError(
            f"{where}: {provenance} does not say what was asked (no {fault}); run the study again "
            "with this version, which asks nothing anew"
        ) from None
    chosen = {"variant": baseline, "probe": probe, "domain": "overall"}
    found = [
        {
            "model": models[row["model"]]["label"],
            "family": models[row["model"]]["family"],
            "temperature": known["temperature"],
            **{name: _number(row[name], f"{metrics}, {row['model']}: {name}") for name in NUMBERS},
            "in_band": True,
            "instrument": known["instrument"],
            "personas": known["personas"],
            "source": study["name"],
            "simulated": row["simulated"] == "true",
        }
        for row in read_csv(metrics, ["model", *chosen, *NUMBERS, "simulated"])
        if all(row[name] == value for name, value in chosen.items())
    ]
    if not found:
        raise UserError(f"{where}: {folder} has no S and R of its baseline {baseline!r}")
    return found


def _read_table(path: Path, named_by: str = "") -> list[Row]:
    """Return the models of a table like ``prior_models.csv``; errors begin with ``named_by``."""
    flags = {"true": True, "false": False}
    rows = []
    for row in read_csv(path, list(TABLE.columns)):
        at = f"{named_by}{path}, line {row['line']}"
        for name in ("in_band", "simulated"):
            if row[name] not in flags:
                raise UserError(f"{at}: {name} is {row[name]!r}, expected true or false")
        rows.append(
            {
                **{name: row[name] or None for name in TABLE.columns},
                **{name: _number(row[name], f"{at}: {name}") for name in (*NUMBERS, "temperature")},
                **{name: flags[row[name]] for name in ("in_band", "simulated")},
            }
        )
    return rows


def _number(text: str, where: str) -> float | None:
    """Return a finite number; None where there is none, as R of a model that never varied."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        raise UserError(f"{where} is {text!r}, expected a number") from None
    return value if math.isfinite(value) else None


def _chosen(rows: Sequence[Row], names: Sequence[str], where: str) -> list[Row]:
    """Return the models with ``in_band`` set for the named ones alone."""
    known = [row["model"] for row in rows]
    if not known:
        raise UserError(
            f"{where}: no earlier model was asked these items as these personas at this "
            "temperature; name finished studies that were with analysis.band"
        )
    for place, name in enumerate(names):
        if name not in known:
            raise UserError(
                f"{where}[{place}]: {name!r} is not among the earlier models"
                f"{nearest(name, known)}; they are: {', '.join(known)}"
            )
    return [{**row, "in_band": row["model"] in names} for row in rows]
