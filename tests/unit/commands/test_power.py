"""What the plan of a study says of each design."""

from __future__ import annotations

import polars as pl

from persona_collapse.commands.power import show_designs
from persona_collapse.measures.power import cheapest, designs, planted
from tests.helpers.screens import shown


def test_power_names_the_cheapest_design_and_lists_all() -> None:
    grid = designs(planted(0.8, 10), [50, 100], [1, 5], one_request=True)
    table = pl.concat(
        grid.select(pl.lit(name).alias("model"), pl.all(), pl.lit(name == "m").alias("simulated"))
        for name in ("m", "planted")
    )
    text = shown(show_designs, table, 20, 20)
    best = cheapest(grid, 20, 20).row(0, named=True)
    assert text.count("m (simulated respondents): to detect a rise of S of 20 %") == 1
    assert f"{best['personas']} personas x {best['repetitions']} repetitions" in text
    assert f"{best['answers']:,} answers in {best['requests']:,} requests" in text
    row = grid.row(2, named=True)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    (first, second) = [line for line in lines if line.startswith("100 ")]
    assert first == second
    assert first.startswith(f"100 {row['S_detectable_percent']:.0f} / - ")
    assert "planted: no design of the grid detects" in shown(show_designs, table, 0.1, 20)
