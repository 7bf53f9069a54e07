"""Rating distributions draw the shares of the diagnostics table."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from persona_collapse.figures.distributions import rating_distributions
from persona_collapse.figures.marks import Row, with_interval
from tests.helpers.figures_data import axes_of, look_of, whiskers_of, words_of
from tests.helpers.figures_tables import diagnostics_of


def asked(diagnostics: pl.DataFrame, start: str) -> list[Row]:
    chosen = diagnostics.filter(
        pl.col("measure").str.starts_with(start), probe="roleplay", domain="overall"
    )
    return list(chosen.iter_rows(named=True))


@pytest.fixture(scope="module")
def diagnostics() -> pl.DataFrame:
    return diagnostics_of(3, 3)


@pytest.mark.parametrize("scale", [(0, 5), (1, 7)])
def test_ratings_are_drawn_with_their_shares_and_intervals(scale: tuple[int, int]) -> None:
    table = diagnostics_of(2, 3, scale)
    figure = rating_distributions(table, look_of(2, 3))
    rows = [r for r in asked(table, "share_") if r["measure"].removeprefix("share_").isdigit()]
    assert len(rows) == 2 * 3 * (scale[1] - scale[0] + 1)
    for row in rows:
        axes = axes_of(figure, f"{row['model']} {row['variant']}")
        rating = int(row["measure"].removeprefix("share_"))
        bars = {c.get_label(): c.patches[0] for c in axes.containers if hasattr(c, "patches")}
        name = f"{row['model']} {row['variant']} {rating}"
        bar = bars[name]
        assert bar.get_height() == pytest.approx(100 * row["value"])
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(rating)
        ((_, low, _, high),) = whiskers_of(axes, f"{name} interval")
        assert (low, high) == pytest.approx((100 * row["lo"], 100 * row["hi"]))
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > 100 * row["hi"]
    words = words_of(figure)
    for row in asked(table, "endpoint_mass"):
        assert f"ends {with_interval(row, percent=True)}" in words


def test_outline_is_the_distribution_of_the_baseline(diagnostics: pl.DataFrame) -> None:
    figure = rating_distributions(diagnostics, look_of(3, 3))
    base = axes_of(figure, "m1 base")
    assert "outline" not in [line.get_label() for line in base.lines]
    heights = [c.patches[0].get_height() for c in base.containers if hasattr(c, "patches")]
    for variant in ("secure", "insecure"):
        lines = {line.get_label(): line for line in axes_of(figure, f"m1 {variant}").lines}
        drawn = np.asarray(lines["outline"].get_ydata()).tolist()
        assert drawn == pytest.approx([h for h in heights for _ in range(2)])


def test_missing_variant_has_no_panel_and_is_marked_absent(diagnostics: pl.DataFrame) -> None:
    lacking = (pl.col("model") == "m2") & (pl.col("variant") == "secure")
    figure = rating_distributions(diagnostics.filter(~lacking), look_of(3, 3))
    assert "m2 secure" not in [axes.get_label() for axes in figure.axes]
    assert words_of(figure).count("n/a") == 1
    numbered = axes_of(figure, "m1 secure").xaxis
    assert numbered.get_tick_params()["labelbottom"]  # now the lowest of its column
