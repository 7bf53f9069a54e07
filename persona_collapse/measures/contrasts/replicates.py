"""Replicate fine-tunes side by side, and the prediction for one more seed."""

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells, cells_from_moments
from persona_collapse.measures.collapse import collapse_of
from persona_collapse.measures.statistics.bootstrap import averages
from persona_collapse.tables.contracts.replicates import TABLE

METRICS = ("S", "R", "sigma_bar")
LEVEL = 0.95


def replicates_table(
    moments: Sequence[pl.DataFrame],
    instrument: Instrument,
    baseline: str,
    replicates: Mapping[str, Mapping[str, Sequence[str]]],
) -> pl.DataFrame:
    """Return ``replicates.csv``: replicates x groups of items x metrics.

    ``moments`` holds one frame per model x variant of one probe with personas; ``replicates`` gives
    model -> variant -> names of its replicates, itself first. Values are computed on the personas
    that all replicates and the baseline retained. The prediction interval is
    mean +- t(n - 1) sd sqrt(1 + 1 / n). Changes are null without a baseline, spreads are null with
    one replicate or an infinite R.
    """
    frames = {tuple(frame.select("model", "variant").row(0)): frame for frame in moments}
    rows: list[dict[str, object]] = []
    for model, variants in replicates.items():
        for variant, names in variants.items():
            listed = [
                (place, name) for place, name in enumerate(names, 1) if (model, name) in frames
            ]
            if not listed:
                continue
            bases = [name for name in variants.get(baseline, [baseline]) if (model, name) in frames]
            used = [frames[model, name] for name in (*(name for _, name in listed), *bases)]
            laid = [cells_from_moments(frame, instrument) for frame in used]
            groups = laid[0].groups()
            values, personas = _values(laid, averages(groups, len(instrument.items)))
            numbers = _numbers(values[: len(listed)], values[len(listed) :])
            rows += [
                {
                    "model": model,
                    "probe": used[0]["probe"][0],
                    "variant": variant,
                    "replicate": replicate,
                    "name": name,
                    "domain": group,
                    "metric": metric,
                    **{key: float(part[at, row, column]) for key, part in numbers.items()},
                    "n": len(listed),
                    "n_personas": personas,
                    "simulated": any(bool(frame["simulated"][0]) for frame in used),
                }
                for column, group in enumerate(groups)
                for row, metric in enumerate(METRICS)
                for at, (replicate, name) in enumerate(listed)
            ]
    return TABLE.frame(rows)


def _values(laid: Sequence[Cells], by_group: Array) -> tuple[Array, int]:
    """Return metrics (V, 3, G) of variants on their common personas, and how many these are."""
    shared = reduce(np.intersect1d, [cells.persona_ids for cells in laid])
    metrics = []
    for cells in laid:
        values = collapse_of(cells.of(shared), by_group)
        metrics.append(np.stack([values.S, values.R, values.sigma_bar]))
    return np.stack(metrics), int(shared.size)


def _numbers(values: Array, base: Array) -> dict[str, Array]:
    """Return the columns (k, 3, G) from the replicates' values (k, 3, G) and the baseline's."""
    from scipy.special import stdtrit

    count = values.shape[0]
    undefined = np.full(values.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        against = base.mean(axis=0) if base.size else np.full(values.shape[1:], np.nan)
        change = values - against
        spread = values.std(axis=0, ddof=1) if count > 1 else undefined[0]
        middle = change.mean(axis=0)
        reach = stdtrit(max(count - 1, 1), (1 + LEVEL) / 2) * spread * np.sqrt(1 + 1 / count)
        overall = {
            "mean": values.mean(axis=0),
            "sd": spread,
            "change_mean": middle,
            "standardized_change": np.where(spread > 0, middle / spread, np.nan),
            "prediction_lo": middle - reach,
            "prediction_hi": middle + reach,
        }
        percent = np.where(np.isinf(against), np.nan, 100 * change / against)
    each = {"value": values, "change": change, "percent": percent}
    return each | {name: np.broadcast_to(part, values.shape) for name, part in overall.items()}
