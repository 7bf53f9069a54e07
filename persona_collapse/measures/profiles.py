"""Profiles: mean ratings per domain, of one model x variant x probe and of its personas."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import OVERALL, cells_from_moments, unit_of
from persona_collapse.measures.statistics.bootstrap import averages
from persona_collapse.tables.contracts.profiles import TABLE


def profiles_of(moments: pl.DataFrame, instrument: Instrument) -> pl.DataFrame:
    """Return the rows of ``profiles.csv`` of one model x variant x probe.

    An unconditioned profile leaves out items without a valid rating; with personas, a persona
    without a valid rating of some item is dropped, as for S and R. Undefined values are null.
    """
    unconditioned = moments["persona_id"].is_null().all()
    kept = moments.filter(pl.col("n") > 0) if unconditioned else moments
    rows: dict[str, dict[str, float]] = {
        name: {"n_items": 0, "n_answers": 0} for name in (OVERALL, *instrument.domains)
    }
    if kept.height:
        cells = cells_from_moments(kept, instrument)
        groups = cells.groups()
        by_group = averages(groups, cells.item_ids.size)
        by_persona = cells.mean @ by_group
        personas = by_persona.shape[0]
        for column, (name, items) in enumerate(groups.items()):
            rows[name]["n_items"] = items.size
            rows[name]["n_answers"] = int(cells.n[:, items].sum())
            if personas:
                rows[name]["mean"] = float(by_persona[:, column].mean())
                rows[name]["sd_within"] = float((cells.sd @ by_group)[:, column].mean())
            if personas > 1:
                rows[name]["sd_across_personas"] = float(np.std(by_persona[:, column], ddof=1))
    names = unit_of(moments)
    return TABLE.frame([{**names, "domain": name, **row} for name, row in rows.items()])


def persona_means_of(moments: pl.DataFrame, descriptions: Sequence[str] | None) -> pl.DataFrame:
    """Return the rows of ``personas.csv`` of one model x variant x probe.

    ``descriptions[i]`` describes persona ``i``, None for an unconditioned probe. A persona
    without a valid rating of some item is left out, as for S and R.
    """
    people = pl.DataFrame(
        {"persona_id": range(len(descriptions or ())), "description": list(descriptions or ())},
        schema={"persona_id": pl.Int32, "description": pl.String},
    )
    names = ["model", "variant", "probe", "persona_id", "domain"]
    complete = (pl.col("n") > 0).all().over("persona_id")
    return (
        moments.filter(complete)
        .group_by(names, maintain_order=True)
        .agg(pl.col("mean").mean(), pl.col("simulated").first())
        .join(people, on="persona_id", how="left", maintain_order="left")
        .select(*names, "mean", "description", "simulated")
        .cast({"persona_id": pl.Int64})
    )
