"""Moments: answers of one model x variant x probe reduced to one row per cell (persona x item)."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.answers import NAMES, SIMULATED, SLOT, STATUSES
from persona_collapse.common.errors import UserError
from persona_collapse.materials.instruments import Instrument, Item

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "variant": pl.String(),
    "probe": pl.String(),
    "persona_id": pl.Int32(),  # null when unconditioned
    "item_id": pl.Int32(),
    "domain": pl.String(),
    "n": pl.Int32(),  # valid repetitions
    "exact": pl.Boolean(),  # from log-probabilities: no repetition noise
    "mean": pl.Float64(),  # null when n = 0
    "sd": pl.Float64(),  # ddof = 1, null when n < 2 (from log-probabilities: when n = 0)
    "counts": pl.List(pl.Float64()),  # answers per rating, from the scale's minimum up
    "simulated": pl.Boolean(),
    "rating_mass": pl.Float64(),  # of the first token's probability; null for repetitions
}


def moments_of(answers: pl.DataFrame, instrument: Instrument, personas: int | None) -> pl.DataFrame:
    """Return one row per designed cell (columns of ``SCHEMA``), sorted by persona and item.

    ``answers`` (columns of ``answers.SCHEMA``) are of one model x variant x probe; ``personas`` is
    the number of designed personas, None for an unconditioned probe. A cell without a valid rating
    has n = 0. Repetitions beyond the design are used. A cell of ``mean_rating`` counts as one
    answer without an SD: its mean is exact, in ``counts`` it is the nearest rating. Raises
    ``UserError`` for answers outside the design and for duplicate slots.
    """
    names = names_of(answers)
    check_design(answers, instrument, personas)
    items = sorted(instrument.items, key=lambda item: item.id)
    minimum, width = instrument.scale.minimum, len(instrument.scale.ratings)
    shape = (1 if personas is None else personas, len(items))
    value = pl.coalesce("mean_rating", "rating")
    valid = answers.filter(value.is_not_null()).select("item_id", "persona_id", value=value)
    item_ids = np.array([item.id for item in items], dtype=np.int64)
    places = np.searchsorted(item_ids, _integers(valid["item_id"]))
    places += _integers(valid["persona_id"].fill_null(0)) * shape[1]
    if answers["mean_rating"].is_not_null().any():
        answered = np.bincount(places, minlength=math.prod(shape))
        total = np.bincount(places, valid["value"].to_numpy(), math.prod(shape))
        mean = np.divide(total, answered, out=np.full(total.size, math.nan), where=answered > 0)
        n, sd = (answered > 0).astype(np.int64), np.full(total.size, math.nan)
        nearest = np.nan_to_num(np.rint(mean)).astype(np.int64) - minimum
        counts = (nearest[:, None] == np.arange(width)) * n[:, None]
    else:
        places = places * width + _integers(valid["value"]) - minimum
        counts = np.bincount(places, minlength=math.prod(shape) * width).reshape(-1, width)
        n, mean, sd = moments_of_counts(counts, minimum)
    simulated = bool((answers["served_model"] == SIMULATED).any())
    return _frame(names, items, personas, n, mean, sd, counts, simulated=simulated)


def moments_of_probabilities(
    answers: pl.DataFrame, instrument: Instrument, personas: int | None, temperature: float
) -> pl.DataFrame:
    """Return the moments of first-token log-probabilities, exact at any temperature.

    ``answers`` holds ``probabilities`` at T = 1, one row per cell; where a cell was read more than
    once, the first reading counts. ``counts`` are the ratings' probabilities at ``temperature`` and
    ``sd`` is the SD of that distribution: what infinitely many repetitions would show. A cell
    without probabilities has n = 0. ``rating_mass`` is that of the same reading. Columns and
    errors as in ``moments_of``.
    """
    names = names_of(answers)
    check_design(answers, instrument, personas)
    items = sorted(instrument.items, key=lambda item: item.id)
    unread = pl.col("probabilities").is_null()
    first = {
        (persona, item): (probabilities, mass)
        for persona, item, probabilities, mass in answers.sort(
            unread, "repetition", descending=True
        )
        .select("persona_id", "item_id", "probabilities", "rating_mass")
        .iter_rows()
    }
    ratings = np.array(instrument.scale.ratings, dtype=np.float64)
    absent = [math.nan] * ratings.size
    places = [(p, item.id) for p in _persona_ids(personas) for item in items]
    cells = [first.get(place, (None, None)) for place in places]
    counts = np.array([temper(held, temperature) if held else absent for held, _ in cells])
    mass = np.array([mass for _, mass in cells], dtype=np.float64)
    known = ~np.isnan(counts[:, 0])
    mean = counts @ ratings
    sd = np.sqrt((counts * (ratings - mean[:, None]) ** 2).sum(axis=1))
    counts = np.nan_to_num(counts)
    return _frame(names, items, personas, known, mean, sd, counts, mass, exact=True)


def temper(probabilities: Sequence[float], temperature: float) -> list[float]:
    """Return the probabilities that sampling at ``temperature`` gives, from those at T = 1.

    p_k(T) is p_k ** (1 / T), normalised. At T = 0 the most probable rating takes all; equals share.
    """
    if temperature < 0 or not any(p > 0 for p in probabilities):
        raise ValueError("a temperature is at least 0 and some probability is positive")
    top = max(probabilities)
    if temperature == 0:
        weights = [float(p == top) for p in probabilities]
    else:  # relative to the top, so that a small T underflows to 0 and never to 0 / 0
        logs = [math.log(p / top) if p > 0 else -math.inf for p in probabilities]
        weights = [math.exp(value / temperature) for value in logs]
    total = sum(weights)
    return [weight / total for weight in weights]


def _persona_ids(personas: int | None) -> Sequence[int | None]:
    return [None] if personas is None else range(personas)


def _frame(
    names: dict[str, str],
    items: Sequence[Item],
    personas: int | None,
    n: NDArray[np.generic],
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
    counts: NDArray[np.generic],
    mass: NDArray[np.float64] | None = None,
    *,
    exact: bool = False,
    simulated: bool = False,
) -> pl.DataFrame:
    """Return flattened cells (personas x items), columns of ``SCHEMA``; NaN becomes null."""
    persona_ids = _persona_ids(personas)
    return pl.DataFrame(
        {
            **{name: [value] * n.size for name, value in names.items()},
            "persona_id": [persona for persona in persona_ids for _ in items],
            "item_id": [item.id for item in items] * len(persona_ids),
            "domain": [item.domain for item in items] * len(persona_ids),
            "n": n.astype(np.int32),
            "exact": [exact] * n.size,
            "mean": mean,
            "sd": sd,
            "counts": counts.astype(np.float64),
            "simulated": [simulated] * n.size,
            "rating_mass": np.full(n.size, math.nan) if mass is None else mass,
        },
        schema_overrides={"persona_id": pl.Int32()},
        nan_to_null=True,
    ).cast(dict(SCHEMA))  # type: ignore[arg-type]


def moments_of_counts(
    counts: NDArray[np.int64], minimum: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return n, mean and SD (ddof = 1) of cells from their answers per rating, (cells, K).

    Sums are integers, so a constant cell has an SD of exactly 0. An empty cell has mean NaN, a
    cell with fewer than two answers has SD NaN.
    """
    steps = np.arange(counts.shape[1])
    n = counts.sum(axis=1)
    total, squares = counts @ steps, counts @ steps**2
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = minimum + total / n
        sd = np.sqrt((n * squares - total**2) / (n * (n - 1)))
    return n, mean, sd


def names_of(answers: pl.DataFrame) -> dict[str, str]:
    """Return the one model, variant and probe of a frame of answers."""
    units = answers.select(NAMES).unique()
    if units.height != 1:
        raise UserError(
            f"answers of {units.height} model x variant x probe combinations, expected exactly one;"
            " collect the shards of one combination into one file"
        )
    return units.row(0, named=True)


def check_design(answers: pl.DataFrame, instrument: Instrument, personas: int | None) -> None:
    """Raise ``UserError`` for the first answer outside the design, with the rule it breaks."""
    persona = pl.col("persona_id")
    scale = instrument.scale
    if personas is None:
        outside, rule = persona.is_not_null(), "an unconditioned probe has no personas"
    else:
        outside = persona.is_null() | (persona < 0) | (persona >= personas)
        rule = f"the design has personas 0 to {personas - 1}"
    rating = pl.coalesce("mean_rating", "rating")
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
    for rule, is_broken in broken.items():
        if is_broken:
            row = answers.filter(rules[rule].fill_null(False)).row(0, named=True)
            raise UserError(
                f"answers of {row['model']} / {row['variant']} / {row['probe']}: persona_id "
                f"{row['persona_id']}, item_id {row['item_id']}, repetition {row['repetition']}, "
                f"rating {row['rating']}: {rule}; correct the source of this answer, or the study"
            )


def _integers(column: pl.Series) -> NDArray[np.int64]:
    return column.cast(pl.Int64).to_numpy()
