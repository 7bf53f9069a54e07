"""Every single answer for the page: one packed array per unit (model x variant x probe).

``templates/answers.js`` unpacks it. An array holds personas x items x entries, persona by persona:

- ``dots``: an entry per repetition. 0: there is no answer; the last codes of the type: an answer
  without rating, by status; otherwise the rating is ``minimum + (code - 1) * step``.
- ``counts`` and ``shares``: an entry per rating of the scale, then one per outcome without a
  rating, ``missing`` and the statuses. Counts are answers, shares are thousandths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.answers import STATUSES
from persona_collapse.materials.instruments import Instrument
from persona_collapse.report.packed import compressed, encoded

MOST_DOTS = 30  # answers to one item; more are packed, and drawn, as a distribution
MOST_CHARACTERS = 1_000_000  # of all packed arrays
NO_RATING = STATUSES[1:]
MEAN_STEP = 0.01  # of means that a recorded file holds in place of ratings
SHARES = 1000
SAMPLE = 50  # personas that tell how much all take

Array = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True)
class Unit:
    """The answers of one model x variant x probe: ``array`` (personas, items, entries)."""

    model: str
    variant: str
    probe: str
    kind: str
    array: Array
    step: float = 1.0

    def data(self, personas: int) -> dict[str, Any]:
        """Return the unit of the first ``personas``, packed."""
        kept = np.ascontiguousarray(self.array[:personas])
        return {
            "model": self.model,
            "variant": self.variant,
            "probe": self.probe,
            "kind": self.kind,
            "bytes": kept.itemsize,
            "shape": list(kept.shape),
            "step": self.step,
            "data": encoded(compressed(kept.astype(kept.dtype.newbyteorder("<")).tobytes())),
        }


def unit_of(
    answers: pl.DataFrame,
    moments: pl.DataFrame | None,
    instrument: Instrument,
    personas: int | None,
) -> Unit:
    """Return a unit's answers.

    ``answers`` have the columns of ``answers.SCHEMA``. ``moments`` are given for answers by
    log-probabilities, whose distributions at the study's temperature they hold in ``counts``.
    ``personas`` is the number of designed personas, None for an unconditioned probe.
    """
    names = answers.select("model", "variant", "probe").row(0, named=True)
    places = {item.id: place for place, item in enumerate(instrument.items)}
    shape = (personas or 1, len(places))
    found = answers.select(
        persona=pl.col("persona_id").fill_null(0).cast(pl.Int64),
        item=pl.col("item_id").replace_strict(places, return_dtype=pl.Int64),
        run=pl.col("repetition").cast(pl.Int64) - 1,
        place=pl.coalesce("mean_rating", "rating").cast(pl.Float64) - instrument.scale.minimum,
        outcome=pl.col("status").replace_strict(
            {status: place for place, status in enumerate(STATUSES)}, return_dtype=pl.Int64
        ),
    )
    width = len(instrument.scale.ratings)
    if moments is not None:
        ranks = np.argsort(np.argsort([item.id for item in instrument.items]))
        counts = np.array(moments.sort("persona_id", "item_id")["counts"].to_list())
        shares = counts.reshape(*shape, width)[:, ranks]
        return Unit(**names, kind="shares", array=_shares(found, shares))
    if answers["mean_rating"].is_not_null().any():
        return Unit(**names, kind="dots", array=_dots(found, shape, MEAN_STEP), step=MEAN_STEP)
    if _runs(found) > MOST_DOTS:
        return Unit(**names, kind="counts", array=_counts(found, shape, width))
    return Unit(**names, kind="dots", array=_dots(found, shape))


def _dots(found: pl.DataFrame, shape: tuple[int, int], step: float = 1.0) -> Array:
    """Return a code per answer; steps finer than one rating take two bytes."""
    kind = np.uint8 if step == 1 else np.uint16
    first = np.iinfo(kind).max + 1 - len(NO_RATING)
    code = pl.coalesce(
        1 + (pl.col("place") / step).round(),
        pl.when(pl.col("outcome") > 0).then(first - 1 + pl.col("outcome")).otherwise(0),
    )
    array = np.zeros((*shape, _runs(found)), dtype=kind)
    array[_indices(found, "persona", "item", "run")] = found.select(code).to_series().to_numpy()
    return array


def _counts(found: pl.DataFrame, shape: tuple[int, int], width: int) -> Array:
    """Return the number of answers per rating and outcome."""
    array = np.zeros((*shape, width + len(STATUSES)), dtype=np.uint16)
    entry = pl.coalesce("place", width + pl.col("outcome")).cast(pl.Int64)
    entries = found.with_columns(entry=entry)
    np.add.at(array, _indices(entries, "persona", "item", "entry"), 1)
    array[:, :, width] += (_runs(found) - array.sum(axis=2)).astype(np.uint16)
    return array


def _shares(found: pl.DataFrame, shares: NDArray[np.float64]) -> Array:
    """Return each rating's probability in thousandths, and 1 for the outcome of an empty cell."""
    width = shares.shape[2]
    array = np.zeros((*shares.shape[:2], width + len(STATUSES)), dtype=np.uint16)
    array[:, :, :width] = np.rint(SHARES * shares)
    outcome = np.zeros(shares.shape[:2], dtype=np.int64)
    outcome[_indices(found, "persona", "item")] = found["outcome"].to_numpy()
    persona, item = np.nonzero(array.sum(axis=2) == 0)
    array[persona, item, width + outcome[persona, item]] = 1
    return array


def _runs(found: pl.DataFrame) -> int:
    return int(found["run"].to_numpy().max()) + 1


def _indices(found: pl.DataFrame, *names: str) -> tuple[NDArray[np.int64], ...]:
    return tuple(found[name].to_numpy() for name in names)


def probe_of(
    name: str, instrument: Instrument, descriptions: Sequence[str] | None
) -> dict[str, Any]:
    """Return what a probe asks and whom; ``descriptions`` is None for an unconditioned probe."""
    domains = list(instrument.domains)
    return {
        "name": name,
        "scale": [instrument.scale.minimum, instrument.scale.maximum],
        "domains": domains,
        "items": [
            {
                "id": item.id,
                "text": item.text,
                "domain": domains.index(item.domain),
                "section": item.section,
            }
            for item in instrument.items
        ],
        "sections": dict(instrument.prompts.sections),
        "prompt": instrument.prompts.persona,
        "personas": None if descriptions is None else list(descriptions),
        "count": 1 if descriptions is None else len(descriptions),
    }


def packed_answers(
    probes: Sequence[Mapping[str, Any]],
    units: Sequence[Unit],
    characters: int = MOST_CHARACTERS,
) -> dict[str, Any]:
    """Return the page's answers: ``probes``, packed ``units``, and the number of all answers.

    Where all units together are longer than ``characters``, only the first personas are kept, of
    every unit as many, and at least one; ``count`` of a probe remains the number of all.
    """
    kept = max((unit.array.shape[0] for unit in units), default=0)
    # Packing takes seconds where there are millions of answers: begin near the number that fits.
    size = sum(len(unit.data(SAMPLE)["data"]) for unit in units)
    if kept > SAMPLE and size * kept > 2 * SAMPLE * characters:
        kept = int(characters * SAMPLE / size)
    while True:
        data = [unit.data(kept) for unit in units]
        size = sum(len(unit["data"]) for unit in data)
        if size <= characters or kept <= 1:
            break
        kept = max(1, min(kept - 1, int(0.97 * kept * characters / size)))
    shown = [
        {**probe, "personas": probe["personas"][:kept] if probe["personas"] else None}
        for probe in probes
    ]
    return {"probes": shown, "units": data}
