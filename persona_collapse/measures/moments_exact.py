"""Moments from first-token log-probabilities: exact at any temperature, without sampling noise."""

from __future__ import annotations

import numpy as np
import polars as pl

from persona_collapse.asking.ratings import temper
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array
from persona_collapse.measures.moments import SCHEMA, check_design, names_of


def moments_of_probabilities(
    answers: pl.DataFrame, instrument: Instrument, personas: int | None, temperature: float
) -> pl.DataFrame:
    """Return one row per designed cell (columns of ``moments.SCHEMA``) at one temperature.

    ``answers`` holds ``probabilities`` at T = 1, one row per cell. ``counts`` are the six
    probabilities tempered to ``temperature``, ``sd`` is the SD of that distribution: what
    infinitely many repetitions would show. A cell without probabilities has n = 0. Where a cell was
    read more than once, the first reading counts.
    """
    names = names_of(answers)
    check_design(answers, instrument, personas)
    items = sorted(instrument.items, key=lambda item: item.id)
    persona_ids = [None] if personas is None else list(range(personas))
    read = {
        (persona, item): probabilities
        for persona, item, probabilities in answers.sort("repetition", descending=True)
        .filter(pl.col("probabilities").is_not_null())
        .select("persona_id", "item_id", "probabilities")
        .iter_rows()
    }
    ratings = np.array(instrument.scale.ratings, dtype=np.float64)
    absent = np.full(ratings.size, np.nan)
    counts: Array = np.array(
        [
            temper(read[persona, item.id], temperature) if (persona, item.id) in read else absent
            for persona in persona_ids
            for item in items
        ]
    )
    there = ~np.isnan(counts[:, 0])
    mean = counts @ ratings
    spread = (counts * (ratings - mean[:, None]) ** 2).sum(axis=1)
    return pl.DataFrame(
        {
            **{name: [value] * there.size for name, value in names.items()},
            "persona_id": [persona for persona in persona_ids for _ in items],
            "item_id": [item.id for item in items] * len(persona_ids),
            "foundation": [item.foundation for item in items] * len(persona_ids),
            "n": there.astype(np.int32),
            "exact": [True] * there.size,
            "mean": mean,
            "sd": np.sqrt(spread),
            "counts": np.nan_to_num(counts),
            "simulated": [False] * there.size,
        },
        schema_overrides={"persona_id": pl.Int32()},
        nan_to_null=True,
    ).cast(dict(SCHEMA))  # type: ignore[arg-type]
