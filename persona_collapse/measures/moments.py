"""Moments: the answers of one model x variant x probe reduced to one row per persona x item."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.answers import NAMES, SIMULATED, SLOT, STATUSES
from persona_collapse.common.errors import UserError
from persona_collapse.materials.instruments import Instrument

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "variant": pl.String(),
    "probe": pl.String(),
    "persona_id": pl.Int32(),  # null when unconditioned
    "item_id": pl.Int32(),
    "foundation": pl.String(),
    "n": pl.Int32(),  # valid repetitions
    "exact": pl.Boolean(),  # from log-probabilities: no repetition noise
    "mean": pl.Float64(),  # null when n = 0
    "sd": pl.Float64(),  # ddof = 1, 0 when n = 1, null when n = 0
    "counts": pl.List(pl.Float64()),  # answers per rating, from the scale's minimum up
    "simulated": pl.Boolean(),
}


def moments_of(answers: pl.DataFrame, instrument: Instrument, personas: int | None) -> pl.DataFrame:
    """Return one row per designed cell (columns of ``SCHEMA``), sorted by persona and item.

    ``answers`` has the columns of ``persona_collapse.answers.SCHEMA`` for one model x variant x
    probe; ``personas`` is the number of designed personas, None for an unconditioned probe. A cell
    without a valid rating has n = 0. Repetitions beyond the design are used. Raises ``UserError``
    on answers that lie outside the design or hold a slot twice.
    """
    names = names_of(answers)
    check_design(answers, instrument, personas)
    items = sorted(instrument.items, key=lambda item: item.id)
    shape = (1 if personas is None else personas, len(items), len(instrument.scale.ratings))
    valid = answers.filter(pl.col("rating").is_not_null())
    item_ids = np.array([item.id for item in items], dtype=np.int64)
    places = np.searchsorted(item_ids, _integers(valid["item_id"]))
    places += _integers(valid["persona_id"].fill_null(0)) * shape[1]
    places = places * shape[2] + _integers(valid["rating"]) - instrument.scale.minimum
    counts = np.bincount(places, minlength=int(np.prod(shape))).reshape(-1, shape[2])
    n, mean, sd = moments_of_counts(counts, instrument.scale.minimum)
    simulated = bool((answers["served_model"] == SIMULATED).any())
    persona_ids = [None] if personas is None else range(personas)
    return pl.DataFrame(
        {
            **{name: [value] * n.size for name, value in names.items()},
            "persona_id": [persona for persona in persona_ids for _ in items],
            "item_id": np.tile(item_ids, shape[0]),
            "foundation": [item.foundation for item in items] * shape[0],
            "n": n,
            "exact": [False] * n.size,
            "mean": mean,
            "sd": sd,
            "counts": counts.astype(np.float64),
            "simulated": [simulated] * n.size,
        },
        schema_overrides={"persona_id": pl.Int32()},
        nan_to_null=True,
    ).cast(dict(SCHEMA))  # type: ignore[arg-type]


def moments_of_counts(
    counts: NDArray[np.int64], minimum: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return n, mean and SD (ddof = 1) of cells from their answers per rating, (cells, K).

    The sums are integers, so a constant cell has an SD of exactly 0 and nothing cancels. An empty
    cell has a mean and SD of NaN; a cell with one answer has an SD of 0.
    """
    steps = np.arange(counts.shape[1])
    n = counts.sum(axis=1)
    total, squares = counts @ steps, counts @ steps**2
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = minimum + total / n
        sd = np.sqrt((n * squares - total**2) / (n * np.maximum(n - 1, 1)))
    return n, mean, sd


def names_of(answers: pl.DataFrame) -> dict[str, str]:
    """Return the one model, variant and probe of a frame of answers."""
    found = answers.select(NAMES).unique()
    if found.height != 1:
        raise UserError(
            f"answers of {found.height} model x variant x probe combinations, expected exactly one;"
            " collect the shards of one combination into one file"
        )
    return found.row(0, named=True)


def check_design(answers: pl.DataFrame, instrument: Instrument, personas: int | None) -> None:
    """Raise ``UserError`` that names the first answer outside the design and the rule it breaks."""
    persona = pl.col("persona_id")
    scale = instrument.scale
    if personas is None:
        outside, rule = persona.is_not_null(), "an unconditioned probe has no personas"
    else:
        outside = persona.is_null() | (persona < 0) | (persona >= personas)
        rule = f"the design has personas 0 to {personas - 1}"
    rating = pl.col("rating")
    rules = {
        rule: outside,
        f"instrument {instrument.name!r} has no such item": ~pl.col("item_id").is_in(
            [item.id for item in instrument.items]
        ),
        "repetitions count from 1": pl.col("repetition").is_null() | (pl.col("repetition") < 1),
        f"ratings run from {scale.minimum} to {scale.maximum}": ~rating.is_between(
            scale.minimum, scale.maximum
        ),
        f"a status is one of {', '.join(STATUSES)}": pl.col("status").is_null()
        | ~pl.col("status").is_in(STATUSES),
        "the status is 'ok' where there is a rating (or its probabilities) and only there": (
            pl.col("status") == "ok"
        )
        != (rating.is_not_null() | pl.col("probabilities").is_not_null()),
        "the slot is there twice; one repetition is one answer": pl.struct(SLOT).is_duplicated(),
    }
    broken = answers.select(
        fault.fill_null(False).any().alias(rule) for rule, fault in rules.items()
    ).row(0, named=True)
    for rule, found in broken.items():
        if found:
            row = answers.filter(rules[rule].fill_null(False)).row(0, named=True)
            raise UserError(
                f"answers of {row['model']} / {row['variant']} / {row['probe']}: persona_id "
                f"{row['persona_id']}, item_id {row['item_id']}, repetition {row['repetition']}, "
                f"rating {row['rating']}: {rule}; correct the source of this answer, or the study"
            )


def _integers(column: pl.Series) -> NDArray[np.int64]:
    return column.cast(pl.Int64).to_numpy()
