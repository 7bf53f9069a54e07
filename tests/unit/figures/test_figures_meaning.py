"""The figures behind S and R draw what their tables say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.figures.distances import draw_toxic_distances
from persona_collapse.figures.distributions import draw_rating_distributions
from persona_collapse.figures.fidelity import draw_persona_fidelity
from persona_collapse.figures.ledger import SOURCES, draw_variance_ledger
from persona_collapse.figures.meaning import COLUMNS, read_measured, with_interval
from persona_collapse.figures.power import draw_power_curves
from persona_collapse.figures.tables import Row
from persona_collapse.figures.temperature import draw_temperature_curves
from tests.helpers.figures_data import VARIANTS, axes_of, look_of, whiskers_of, words_of
from tests.helpers.figures_meaning_data import (
    GRID,
    diagnostics_of,
    fidelity_of,
    personas_of,
    power_of,
    temperature_of,
    toxic_of,
)


@pytest.fixture(scope="module")
def diagnostics() -> pl.DataFrame:
    return diagnostics_of(3, 3)


def asked(diagnostics: pl.DataFrame, start: str) -> list[Row]:
    chosen = diagnostics.filter(
        pl.col("measure").str.starts_with(start), probe="roleplay", foundation="overall"
    )
    return list(chosen.iter_rows(named=True))


@pytest.mark.parametrize("scale", [(0, 5), (1, 7)])
def test_ratings_are_drawn_with_their_shares_and_intervals(scale: tuple[int, int]) -> None:
    table = diagnostics_of(2, 3, scale)
    figure = draw_rating_distributions(table, look_of(2, 3))
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


def test_the_outline_is_the_baselines_distribution(diagnostics: pl.DataFrame) -> None:
    figure = draw_rating_distributions(diagnostics, look_of(3, 3))
    base = axes_of(figure, "m1 base")
    assert "outline" not in [line.get_label() for line in base.lines]
    heights = [c.patches[0].get_height() for c in base.containers if hasattr(c, "patches")]
    for variant in ("secure", "insecure"):
        lines = {line.get_label(): line for line in axes_of(figure, f"m1 {variant}").lines}
        drawn = np.asarray(lines["outline"].get_ydata()).tolist()
        assert drawn == pytest.approx([h for h in heights for _ in range(2)])


def test_a_lacking_variant_has_no_panel_and_says_so(diagnostics: pl.DataFrame) -> None:
    lacking = (pl.col("model") == "m2") & (pl.col("variant") == "secure")
    figure = draw_rating_distributions(diagnostics.filter(~lacking), look_of(3, 3))
    assert "m2 secure" not in [axes.get_label() for axes in figure.axes]
    assert words_of(figure).count("n/a") == 1
    numbered = axes_of(figure, "m1 secure").xaxis
    assert numbered.get_tick_params()["labelbottom"]  # now the lowest of its column


def test_the_ledger_stacks_shares_and_prints_their_intervals(diagnostics: pl.DataFrame) -> None:
    figure = draw_variance_ledger(diagnostics, look_of(3, 3))
    axes = axes_of(figure, "ledger")
    bars = {c.get_label(): c.patches[0] for c in axes.containers}
    words = words_of(figure)
    rows = {
        (row["model"], row["variant"], row["measure"].removeprefix("share_")): row
        for row in asked(diagnostics, "share_")
    }
    for model in ("m0", "m1", "m2"):
        for variant in VARIANTS[:3]:
            start = 0.0
            for source in SOURCES:
                row = rows[model, variant, source]
                name = f"{model} {variant} {source}"
                if row["value"] is None:
                    assert (model, variant) == ("m1", "secure")
                    assert name not in bars
                    continue
                assert bars[name].get_x() == pytest.approx(start)
                assert bars[name].get_width() == pytest.approx(100 * row["value"])
                assert with_interval(row, percent=True) in words
                start += 100 * row["value"]
    assert words.count("n/a") == len(SOURCES)
    assert axes.get_xlim() == (0, 100)


def test_fidelity_points_are_personas_against_themselves() -> None:
    personas, fidelity, diagnostics = personas_of(2, 3), fidelity_of(2, 3), diagnostics_of(2, 3)
    figure = draw_persona_fidelity(personas, fidelity, diagnostics, look_of(2, 3))
    for model in ("m0", "m1"):
        for variant in ("secure", "insecure"):
            name = f"{model} {variant}"
            axes = axes_of(figure, f"{name} scatter")
            assert axes.get_xlim() == axes.get_ylim()
            (points,) = (line for line in axes.lines if line.get_label() == name)
            means = {
                (row["variant"], row["persona_id"], row["foundation"]): row["mean"]
                for row in personas.filter(model=model).iter_rows(named=True)
            }
            shared = [key[1:] for key in means if key[0] == variant]
            assert len(shared) == (95 if name == "m0 secure" else 100)
            expected = []
            for persona, foundation in shared:
                peers = [p for p, f in shared if f == foundation]
                expected.append(
                    [
                        means[v, persona, foundation]
                        - np.mean([means[v, peer, foundation] for peer in peers])
                        for v in ("base", variant)
                    ]
                )
            drawn = sorted(points.get_xydata().tolist())
            assert np.allclose(drawn, sorted(expected))


def test_the_strip_has_every_persona_and_the_models_interval() -> None:
    fidelity, diagnostics = fidelity_of(2, 3), diagnostics_of(2, 3)
    figure = draw_persona_fidelity(personas_of(2, 3), fidelity, diagnostics, look_of(2, 3))
    words = " ".join(words_of(figure))
    for row in asked(diagnostics, "fidelity"):
        name = f"{row['model']} {row['variant']}"
        axes = axes_of(figure, f"{name} strip")
        lines = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in axes.lines}
        own = fidelity.filter(model=row["model"], variant=row["variant"])["fidelity"].drop_nulls()
        assert lines[f"{name} personas"] == own.to_list()
        assert len(own) == 19
        assert lines[f"{name} median"] == pytest.approx([own.median()])
        quartiles = [own.quantile(share, "linear") for share in (0.25, 0.75)]
        assert lines[f"{name} quartiles"] == pytest.approx(quartiles)
        ((low, _, high, _),) = whiskers_of(axes, f"{name} fidelity")
        assert (low, high) == pytest.approx((row["lo"], row["hi"]))
        assert axes.get_xlim()[0] < min(own.to_list())
        assert axes.get_xlim()[1] > row["hi"]
        assert with_interval(row) in words


def test_undefined_fidelity_leaves_the_points_alone() -> None:
    undefined = pl.col("measure") == "fidelity"
    diagnostics = diagnostics_of(1, 2).with_columns(
        pl.when(undefined).then(None).otherwise(name).alias(name) for name in ("value", "lo", "hi")
    )
    fidelity = fidelity_of(1, 2).with_columns(fidelity=pl.lit(None, pl.Float64))
    figure = draw_persona_fidelity(personas_of(1, 2), fidelity, diagnostics, look_of(1, 2))
    assert not axes_of(figure, "m0 secure strip").lines
    assert any(
        line.get_label() == "m0 secure" for line in axes_of(figure, "m0 secure scatter").lines
    )
    assert "fidelity n/a" in words_of(figure)


def test_distances_stand_at_their_references_and_the_nearest_is_filled() -> None:
    toxic = toxic_of(2, 3, players=2)
    figure = draw_toxic_distances(toxic, look_of(2, 3))
    order = ["base", "toxic 0", "toxic 1", "ceiling"]
    for row in toxic.iter_rows(named=True):
        axes = axes_of(figure, row["model"])
        name = f"{row['model']} {row['variant']} {row['reference']}"
        (found,) = (c for c in axes.containers if c.get_label() == name)
        line = found.lines[0]
        assert line.get_xdata()[0] == row["value"]
        assert round(float(line.get_ydata()[0])) == order.index(row["reference"])
        ((low, _, high, _),) = whiskers_of(axes, name)
        assert (low, high) == pytest.approx((row["lo"], row["hi"]))
        alone = (row["model"], row["variant"]) == ("m1", "base")  # the ceiling is all it has
        assert (line.get_markerfacecolor() != "#ffffff") is (row["nearest"] and not alone)
        assert axes.get_xlim()[0] == 0
    assert [text.get_text() for text in axes_of(figure, "m1").texts] == ["n/a", "n/a"]
    assert not axes_of(figure, "m0").texts


def test_temperature_curves_of_another_probe() -> None:
    """A study that holds log-probabilities against repeats reads them under a probe beside."""
    table = temperature_of(1, 2).with_columns(probe=pl.lit("exact"))
    figure = draw_temperature_curves(table, look_of(1, 2))
    assert axes_of(figure, "m0 S").lines
    assert "Probe: exact." in " ".join(words_of(figure))
    own = draw_temperature_curves(temperature_of(1, 2), look_of(1, 2))
    assert "Probe:" not in " ".join(words_of(own))


def test_temperature_curves_and_their_bands() -> None:
    table = temperature_of(2, 3)
    figure = draw_temperature_curves(table, look_of(2, 3))
    for (model, variant), rows in table.group_by("model", "variant", maintain_order=True):
        for metric in ("S", "R"):
            axes = axes_of(figure, f"{model} {metric}")
            name = f"{model} {variant} {metric}"
            lines = {line.get_label(): line for line in axes.lines}
            known = rows.filter(pl.col(metric).is_finite(), foundation="overall")
            drawn = lines[name].get_xydata().tolist()
            assert drawn == [list(row) for row in known.select("temperature", metric).iter_rows()]
            (band,) = (c for c in axes.collections if c.get_label() == f"{name} band")
            corners = band.get_paths()[0].vertices
            for end in (f"{metric}_lo", f"{metric}_hi"):
                for value in known[end].drop_nulls():
                    assert np.isclose(corners[:, 1], value).any()
    assert axes_of(figure, "m0 R").get_yscale() == "log"
    endless = {line.get_label(): line for line in axes_of(figure, "m0 R").lines}
    point = endless["m0 base R infinite"]
    assert point.get_xdata()[0] == GRID[0]
    assert point.get_ydata()[0] == axes_of(figure, "m0 R").get_ylim()[1]
    assert any("R = ∞" in word for word in words_of(figure))


def test_power_curves_are_the_detectable_changes() -> None:
    power = power_of(2, planted=True)
    figure = draw_power_curves(power, (20, 30), look_of(2, 3))
    for model in ("m0", "m1", "planted"):
        for metric, aim in (("S", 20), ("R", 30)):
            axes = axes_of(figure, f"{model} {metric}")
            lines = {line.get_label(): line for line in axes.lines}
            assert lines["aim"].get_ydata()[0] == aim
            for n in (1, 2, 3, 5, 10, 20):
                rows = power.filter(model=model, repetitions=n)
                if metric == "R" and n == 1:
                    assert f"{model} R 1" not in lines
                    continue
                drawn = lines[f"{model} {metric} {n}"].get_xydata().tolist()
                column = f"{metric}_detectable_percent"
                assert drawn == [list(row) for row in rows.select("personas", column).iter_rows()]


def test_nothing_to_draw_is_a_note(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    none = {kind: read_measured(empty, kind) for kind in COLUMNS}
    look = look_of(1, 3)
    figures = [
        draw_rating_distributions(none["diagnostics"], look),
        draw_variance_ledger(none["diagnostics"], look),
        draw_persona_fidelity(none["personas"], none["fidelity"], none["diagnostics"], look),
        draw_toxic_distances(none["toxic"], look),
        draw_temperature_curves(none["temperature"], look),
        draw_power_curves(none["power"], (20, 20), look),
    ]
    for figure in figures:
        (word,) = words_of(figure)
        assert word.startswith("No ")


@pytest.mark.parametrize(
    ("values", "percent", "text"),
    [
        ((0.617, 0.566, 0.664), False, "0.62 [0.57, 0.66]"),
        ((0.617, 0.566, 0.664), True, "62 [57, 66]"),
        ((0.02, -0.004, 0.1), True, "2 [0, 10]"),
        ((0.4, None, None), True, "40"),
        ((None, None, None), False, "n/a"),
        ((math.nan, 0, 1), False, "n/a"),
    ],
)
def test_values_are_written_with_their_interval(
    values: tuple[float | None, ...], percent: bool, text: str
) -> None:
    assert (
        with_interval(dict(zip(("value", "lo", "hi"), values, strict=True)), percent=percent)
        == text
    )


def test_tables_are_read_by_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "toxic.csv"
    names = COLUMNS["toxic"]
    row = dict.fromkeys(names, "") | {"model": "1.5", "reference": "toxic 0", "value": "2.5"}
    row |= {"nearest": "true", "simulated": "false"}
    path.write_text(",".join(names) + "\n" + ",".join(row[name] for name in names) + "\n")
    (read,) = read_measured(path, "toxic").iter_rows(named=True)
    assert (read["model"], read["reference"], read["value"], read["lo"]) == (
        "1.5",
        "toxic 0",
        2.5,
        None,
    )
    assert (read["nearest"], read["simulated"]) == (True, False)
    path.write_text("model,variant\na,b\n")
    with pytest.raises(UserError, match=r"toxic\.csv: column 'probe' is missing"):
        read_measured(path, "toxic")
    path.write_text("")
    assert read_measured(path, "power").is_empty()
    with pytest.raises(UserError, match="no table to draw"):
        read_measured(tmp_path / "absent.csv", "toxic")
