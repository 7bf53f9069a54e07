"""Diagnostics of one unit, and the toxic comparison: rows of ``diagnostics`` and ``toxic.csv``."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from persona_collapse.common.errors import UserError, missing_column
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Cells, cells_from_moments, labelled
from persona_collapse.measures.diagnostics.fidelity import fidelity
from persona_collapse.measures.diagnostics.identification import identification
from persona_collapse.measures.diagnostics.noise import noise_measures
from persona_collapse.measures.diagnostics.reliability import reliability
from persona_collapse.measures.diagnostics.rows import frame_of
from persona_collapse.measures.diagnostics.saturation import saturation, toxic_comparison
from persona_collapse.measures.diagnostics.scale_use import scale_use
from persona_collapse.measures.diagnostics.variance_components import variance_components


def diagnostics_of(
    moments: pl.DataFrame,
    instrument: Instrument,
    seed: int,
    draws: int = 1000,
    base: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the rows of ``diagnostics.csv`` of one model x variant x probe.

    ``base`` holds the moments of the baseline, None for the baseline itself. With personas: noise,
    scale use, variance components, identification, reliability and, against base, fidelity.
    Without: scale use and saturation. Undefined values are null.
    """
    probe = moments["probe"][0]
    frames = [moments] if base is None else [moments, base]
    cells, *others = _laid_out(frames, instrument)
    reference = others[0] if others else None
    if not cells.mean.size:
        parts = [frame_of([])]
    elif _unconditioned(moments):
        parts = [
            scale_use(cells, seed, probe, reference, draws),
            saturation(cells, seed, probe, draws),
        ]
    else:
        parts = [
            noise_measures(cells, seed, probe, draws),
            scale_use(cells, seed, probe, reference, draws),
            variance_components(cells),
            identification(cells, seed, probe, reference, draws=draws),
            reliability(cells, seed, probe, draws),
        ]
        if reference is not None:
            parts.append(fidelity(reference, cells, seed, probe, draws))
    return labelled(pl.concat(parts), moments)


def toxic_rows(
    moments: pl.DataFrame,
    base: pl.DataFrame,
    toxic: pl.DataFrame | None,
    instrument: Instrument,
    seed: int,
    draws: int = 1000,
    printed: Mapping[str, Mapping[str, float]] | None = None,
) -> pl.DataFrame:
    """Return the rows of ``toxic.csv`` of one unconditioned variant.

    ``base`` are the baseline's unconditioned moments (the same frame for the baseline itself),
    ``toxic`` the moments of the toxic personas played by the baseline, ``printed`` profiles of them
    from a publication (``printed_profiles``).
    """
    frames = [moments, base] if toxic is None else [moments, base, toxic]
    cells, reference, *players = _laid_out(frames, instrument)
    reference = cells if moments["variant"][0] == base["variant"][0] else reference
    personas = players[0] if players else None
    probe = moments["probe"][0]
    rows = toxic_comparison(cells, reference, personas, seed, probe, draws, printed=printed)
    return labelled(rows, moments)


def printed_profiles(path: Path, label: str, instrument: Instrument) -> dict[str, dict[str, float]]:
    """Read a model's toxic personas from a CSV: model, toxic_persona and a column per domain.

    Returns reference -> domain -> mean, empty for a model that the file lacks. Raises
    ``UserError`` where a column is missing, also that of a domain of the instrument.
    """
    table, domains = pl.read_csv(path), instrument.domains
    for name in ("model", "toxic_persona"):
        if name not in table.columns:
            known = ("model", "toxic_persona", *domains)
            raise UserError(f"{path}: {missing_column(name, table.columns, known)}")
    for name in domains:
        if name not in table.columns:
            raise UserError(
                f"{path}: no column {name!r}; analysis.toxic_printed needs the domains of the "
                f"instrument {instrument.name!r}, or leave it out"
            )
    return {
        f"printed toxic {row['toxic_persona']}": {name: row[name] for name in domains}
        for row in table.filter(model=label).to_dicts()
    }


def _unconditioned(moments: pl.DataFrame) -> bool:
    return bool(moments["persona_id"].is_null().all())


def _laid_out(frames: list[pl.DataFrame], instrument: Instrument) -> list[Cells]:
    """Lay out moments for comparison.

    Items that an unconditioned model did not answer are left out of all frames, unless none would
    be left: one missing item must not drop the whole profile (as in ``profiles_of``).
    """
    answered = [
        set(frame.filter(pl.col("n") > 0)["item_id"]) for frame in frames if _unconditioned(frame)
    ]
    kept = set.intersection(*answered) if answered else set()
    if kept:
        frames = [frame.filter(pl.col("item_id").is_in(sorted(kept))) for frame in frames]
    return [cells_from_moments(frame, instrument) for frame in frames]
