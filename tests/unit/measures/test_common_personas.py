"""Every comparison with a baseline uses the personas that both variants kept, and no others.

A persona that one side dropped must then not matter on the other side: taking its answers away
there as well leaves every compared number as it was, whatever the numbers of repetitions are.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.replicates import replicates_table
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.diagnostics.identification import identification
from persona_collapse.measures.diagnostics.scale_use import scale_use
from persona_collapse.tables.index import all_tables
from tests.helpers.contrasts_data import ANALYSIS, OF
from tests.helpers.measures_data import moments, simulated_ratings

NAN = float("nan")
KEYS = ["model", "variant", "probe"]
CHANGES = [f"change{part}" for part in ("", "_style", "_content")]
# What each table that reads the baseline says of both variants: rows, and columns.
COMPARED: dict[str, tuple[pl.Expr | None, list[str] | None]] = {
    "distance": (None, None),
    "fidelity": (None, None),
    "identification": (pl.col("profiles") == "baseline", None),
    "influence": (pl.col("quantity").str.contains("-"), None),
    "novelty": (None, None),
    "response_style": (None, ["style", *CHANGES]),
    "scale_free": (None, ["domain", "S_percent", "S_normal_percent"]),
}
Table = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


def unit_table(name: str) -> Table:
    """The compared part of a table of one unit, without intervals: they redraw all personas."""
    table = all_tables()[name]
    module, _, function = str(table.function).rpartition(".")
    measure = getattr(import_module(f"persona_collapse.measures.{module}"), function)
    rows, columns = COMPARED[name]

    def compared(variant: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
        read: dict[str, Any] = {"moments": variant, "instrument": OF, "baseline": base}
        read |= {"control": None, "seed": 1, "draws": 20}
        found = measure(*(read[kind] for kind in table.reads))
        found = found if rows is None else found.filter(rows)
        kept = columns or [c for c in found.columns if not c.endswith(("_lo", "_hi"))]
        frame: pl.DataFrame = found.select(kept)
        return frame

    return compared


def contrast_table(variant: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    analysis = {**ANALYSIS, "bootstrap_personas": 30, "bootstrap_reruns": 5, "permutations": 99}
    frame = contrasts_of(paired_of([base, variant], OF, 1, analysis))
    return frame.drop("personas_excluded", "estimate_se")


def replicate_table(variant: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    again = variant.with_columns(variant=pl.lit("insecure-r2"))
    names = {"m": {"insecure": ["insecure", "insecure-r2"]}}
    return replicates_table([base, variant, again], OF, "base", names)


def diagnostic_table(variant: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    both = [cells_from_moments(frame, OF) for frame in (base, variant)]
    found = pl.concat(
        [
            identification(both[1], 1, "roleplay", both[0], 5, 10),
            scale_use(both[1], 1, "roleplay", both[0], 10),
        ]
    )
    compared = pl.col("measure").is_in(["identified_in_base", "kl_to_base_bits"])
    return found.filter(compared).select("domain", "measure", "value")


TABLES: dict[str, Table] = {
    **{name: unit_table(name) for name in COMPARED},
    "contrasts": contrast_table,
    "replicates": replicate_table,
    "diagnostics": diagnostic_table,
}


def test_every_table_that_reads_the_baseline_is_tested_here() -> None:
    assert {name for name, table in all_tables().items() if "baseline" in table.reads} == {
        *COMPARED
    }


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    repetitions=st.tuples(st.integers(2, 5), st.integers(2, 5)),
    dropped=st.tuples(
        st.sets(st.integers(0, 9), max_size=3), st.sets(st.integers(0, 9), max_size=3)
    ),
)
def test_personas_that_one_variant_dropped_do_not_count_for_the_other(
    name: str, seed: int, repetitions: tuple[int, int], dropped: tuple[set[int], set[int]]
) -> None:
    rng = np.random.default_rng(seed)
    sides = [simulated_ratings(rng, (10, 4, count)).astype(float) for count in repetitions]
    for ratings, gone in zip(sides, dropped, strict=True):
        ratings[sorted(gone), 2] = NAN  # one item without an answer drops a persona
    shared = [ratings.copy() for ratings in sides]
    for ratings in shared:
        ratings[sorted(dropped[0] | dropped[1]), 1:3] = NAN
    found, expected = (
        TABLES[name](moments(pair[0], OF, variant="insecure"), moments(pair[1], OF, variant="base"))
        for pair in (sides, shared)
    )
    assert found.height > 0
    assert_frame_equal(found, expected, abs_tol=1e-9)
