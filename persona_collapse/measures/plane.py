"""The plane of personas: the first two principal components of the baseline's persona means.

Every variant of a model is shown in its baseline's plane, so that a persona's way from one variant
to another can be followed. Persona means are centred by item within their variant, as S does it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells, cells_from_moments
from persona_collapse.tables.contracts.persona_map import TABLE as MAP
from persona_collapse.tables.contracts.persona_runs import TABLE as RUNS

FEWEST = 3  # personas: the means of two lie on a line
MOST_RUNS = 10  # per persona: more dots show no more
ROUNDING = 1e-9


@dataclass(frozen=True)
class Plane:
    """The cells of a variant (P personas, Q items) and its baseline's ``components`` (Q, 2)."""

    names: dict[str, Any]
    cells: Cells
    components: Array

    @property
    def centre(self) -> Array:
        """The mean of each item over personas, (Q,)."""
        centre: Array = self.cells.mean.mean(axis=0)
        return centre


def persona_map_of(
    moments: pl.DataFrame, instrument: Instrument, reference: pl.DataFrame | None
) -> pl.DataFrame:
    """Return the rows of ``persona_map.csv`` of one model x variant x probe.

    ``reference`` are the baseline's moments, those of the unit itself where it is the baseline.
    Without them, without personas, with fewer than three and where the baseline's do not differ
    there are no rows. The SD of a run takes answers to different items as independent; it is null
    where no cell has two answers.
    """
    plane = plane_of(moments, instrument, reference)
    if plane is None:
        return MAP.frame()
    centred = plane.cells.mean - plane.centre
    places = centred @ plane.components
    spread = np.sqrt(plane.cells.sd**2 @ plane.components**2)
    total = (centred**2).sum()
    shares = (places**2).sum(axis=0) / total if total > 0 else np.full(2, np.nan)
    columns = {
        f"{axis}{kind}": values
        for place, axis in enumerate("xy")
        for kind, values in (
            ("", places[:, place]),
            ("_sd", spread[:, place]),
            ("_share", np.full(len(places), shares[place])),
        )
    }
    return _frame(MAP.schema, plane, plane.cells.persona_ids, columns)


def persona_runs_of(
    moments: pl.DataFrame,
    answers: pl.DataFrame,
    instrument: Instrument,
    reference: pl.DataFrame | None,
) -> pl.DataFrame:
    """Return the rows of ``persona_runs.csv`` of one model x variant x probe.

    Runs are the first ten repetitions. A run without any rating has no row.
    """
    plane = plane_of(moments, instrument, reference)
    rated = answers.filter(pl.col("rating").is_not_null(), pl.col("repetition") <= MOST_RUNS)
    if plane is None or rated.is_empty():
        return RUNS.frame()
    cells = plane.cells
    rated = rated.filter(pl.col("persona_id").is_in(cells.persona_ids.tolist()))
    personas = np.searchsorted(cells.persona_ids, rated["persona_id"].to_numpy())
    items = np.searchsorted(cells.item_ids, rated["item_id"].to_numpy())
    runs = rated["repetition"].to_numpy() - 1
    values = np.repeat(cells.mean[:, None], MOST_RUNS, axis=1)  # persona, run, item
    values[personas, runs, items] = rated["rating"].to_numpy()
    places = (values - plane.centre) @ plane.components
    answered = np.zeros(places.shape[:2], dtype=bool)
    answered[personas, runs] = True
    persona, run = np.nonzero(answered)
    columns = {"repetition": run + 1, "x": places[answered][:, 0], "y": places[answered][:, 1]}
    return _frame(RUNS.schema, plane, cells.persona_ids[persona], columns)


def plane_of(
    moments: pl.DataFrame, instrument: Instrument, reference: pl.DataFrame | None
) -> Plane | None:
    """Return a unit in its baseline's plane; None where there is none (see ``persona_map_of``).

    A component's largest loading is positive, so that its sign does not depend on the machine.
    """
    if reference is None or moments["persona_id"].is_null().any():
        return None
    base, cells = (cells_from_moments(frame, instrument) for frame in (reference, moments))
    if min(base.persona_ids.size, cells.persona_ids.size) < FEWEST:
        return None
    _, sizes, directions = np.linalg.svd(base.mean - base.mean.mean(axis=0), full_matrices=False)
    if directions.shape[0] < 2 or sizes[1] <= ROUNDING:
        return None
    components = directions[:2].T
    largest = np.abs(components).argmax(axis=0)
    components = components * np.sign(components[largest, [0, 1]])
    simulated = any(bool(frame["simulated"].any()) for frame in (reference, moments))
    names = moments.select("model", "variant", "probe").row(0, named=True)
    return Plane({**names, "simulated": simulated}, cells, components)


def _frame(
    schema: dict[str, pl.DataType], plane: Plane, personas: Any, columns: dict[str, Any]
) -> pl.DataFrame:
    data = {**plane.names, "persona_id": personas, **columns}
    frame = pl.DataFrame(data).cast(schema)  # type: ignore[arg-type]
    return frame.select(list(schema)).with_columns(pl.selectors.float().fill_nan(None))
