"""What the figures draw is what the tables say."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
import polars as pl
import pytest
from matplotlib.patches import Rectangle

from persona_collapse.common.errors import UserError
from persona_collapse.figures import bars, tables
from persona_collapse.figures.band import band_of, draw_prior_band
from persona_collapse.figures.bars import draw_collapse_bars
from persona_collapse.figures.look import Look
from persona_collapse.figures.map import draw_robustness_map
from persona_collapse.figures.radars import draw_saturation_radars, draw_toxic_radars
from persona_collapse.figures.style import save
from persona_collapse.figures.tables import change, number, read_table, signed
from tests.helpers.figures_data import (
    FOUNDATIONS,
    axes_of,
    contrasts_of,
    faults_of,
    look_of,
    metrics_of,
    profiles_of,
    spoilt,
    whiskers_of,
    words_of,
)

PRIOR = Path("resources/benchmarks/prior_models.csv")


@pytest.fixture(scope="module")
def metrics() -> pl.DataFrame:
    return metrics_of(4, 3)


def overall(table: pl.DataFrame) -> list[dict[str, object]]:
    return list(table.filter(pl.col("foundation") == "overall").iter_rows(named=True))


def test_bars_are_as_long_as_the_table_says(metrics: pl.DataFrame) -> None:
    figure = draw_collapse_bars(metrics, contrasts_of(metrics), look_of(4, 3))
    for metric in bars.PANELS:
        axes = axes_of(figure, metric)
        drawn = {c.get_label(): c.patches[0] for c in axes.containers if hasattr(c, "patches")}
        assert len(drawn) == 12
        assert axes.get_xlim()[0] == 0
        for row in overall(metrics):
            name = f"{row['model']} {row['variant']} {metric}"
            assert drawn[name].get_x() == 0
            assert drawn[name].get_width() == pytest.approx(row[metric])
            ((low, _, high, _),) = whiskers_of(axes, f"{name} interval")
            assert (low, high) == pytest.approx((row[f"{metric}_lo"], row[f"{metric}_hi"]))


def test_bars_print_values_and_changes_with_their_intervals(metrics: pl.DataFrame) -> None:
    contrasts = contrasts_of(metrics)
    words = words_of(draw_collapse_bars(metrics, contrasts, look_of(4, 3)))
    for row in overall(metrics):
        assert number(row["S"]) in words
        assert number(row["R"]) in words
    chosen = contrasts.filter(pl.col("metric").is_in(["S", "R"]), pl.col("foundation") == "overall")
    assert chosen.filter(pl.col("model") == "mean").height == 4
    for row in chosen.iter_rows(named=True):
        assert change(row) in words


def test_an_infinite_r_is_a_bar_without_an_end_and_an_unknown_one_a_gap(
    metrics: pl.DataFrame,
) -> None:
    figure = draw_collapse_bars(spoilt(metrics), contrasts_of(metrics), look_of(4, 3))
    axes = axes_of(figure, "R")
    drawn = {c.get_label(): c.patches[0] for c in axes.containers if hasattr(c, "patches")}
    assert drawn["m2 insecure R"].get_width() == axes.get_xlim()[1]
    assert "m3 secure R" not in drawn
    assert "m1 secure R" not in drawn
    words = words_of(figure)
    assert words.count("∞") == 1
    assert "n/a" in words
    finite = max(row["R_hi"] for row in overall(metrics))
    assert axes.get_xlim()[1] == pytest.approx(1.04 * finite, rel=0.2)


def test_without_intervals_whiskers_are_one_standard_error(metrics: pl.DataFrame) -> None:
    bare = metrics.with_columns(S_lo=pl.lit(None, pl.Float64), S_hi=pl.lit(None, pl.Float64))
    axes = axes_of(draw_collapse_bars(bare, contrasts_of(metrics), look_of(4, 3)), "S")
    first = overall(metrics)[0]
    ((low, _, high, _),) = whiskers_of(axes, "m0 base S interval")
    assert (low, high) == pytest.approx((first["S"] - 0.04, first["S"] + 0.04))


def test_the_band_is_the_printed_range_of_the_models_that_count(metrics: pl.DataFrame) -> None:
    prior = read_table(PRIOR, "prior_models")
    figure = draw_prior_band(metrics, prior, look_of(4, 3))
    axes = axes_of(figure, "S")
    (shade,) = (p for p in axes.patches if p.get_label() == "band")
    assert isinstance(shade, Rectangle)
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((0.663, 0.827))
    assert "Band of 13 models: 0.663–0.827" in words_of(figure)
    points = {c.get_label(): c.lines[0] for c in axes.containers}
    assert len([name for name in points if name.startswith("prior ")]) == 15
    for row in prior.iter_rows(named=True):
        line = points[f"prior {row['model']}"]
        assert line.get_xdata()[0] == row["S"]
        assert (line.get_markerfacecolor() == "#ffffff") is not row["in_band"]
        ((low, _, high, _),) = whiskers_of(axes, f"prior {row['model']}")
        assert (high - low) / 2 == pytest.approx(1.96 * row["S_se"])
    for row in overall(metrics):
        name = f"{row['model']} {row['variant']} S"
        assert points[name].get_xdata()[0] == row["S"]
        ((low, _, high, _),) = whiskers_of(axes, name)
        assert (low, high) == pytest.approx((row["S_lo"], row["S_hi"]))


def test_a_study_chooses_the_models_of_its_band() -> None:
    prior = read_table(PRIOR, "prior_models")
    band = band_of(prior, ["GPT-4o", "Gemini 2.5 Flash"])
    assert (band.low, band.high, len(band.members)) == (0.793, 1.043, 2)
    with pytest.raises(UserError, match=r"'GPT4o' is no model.*did you mean 'GPT-4o'"):
        band_of(prior, ["GPT4o", "GPT-4.1"])


@pytest.mark.parametrize("scale", [(0, 5), (1, 7)])
def test_radars_put_every_mean_at_its_distance(scale: tuple[int, int]) -> None:
    profiles = profiles_of(2, 3, 5, scale)
    figure = draw_saturation_radars(profiles, look_of(2, 3), scale)
    for model in ("m0", "m1"):
        axes = axes_of(figure, model)
        lines = {line.get_label(): line for line in axes.lines}
        bands = {patch.get_label(): patch for patch in axes.patches}
        for variant in ("base", "secure", "insecure"):
            rows = profiles.filter(
                pl.col("foundation") != "overall",
                model=model,
                variant=variant,
                probe="unconditioned",
            )
            radii = [math.hypot(*xy) for xy in lines[f"{model} {variant}"].get_xydata()]
            assert radii[:-1] == pytest.approx([m - scale[0] for m in rows["mean"]])
            corners = bands[f"{model} {variant} band"].get_xy()
            reach = [math.hypot(*xy) for xy in corners[:5]]
            outer = rows["mean"] + rows["sd_within"]
            assert reach == pytest.approx([min(x, scale[1]) - scale[0] for x in outer])
            inner = [math.hypot(*xy) for xy in corners[6:12]][::-1][:5]
            low = rows["mean"] - rows["sd_within"]
            assert inner == pytest.approx([max(x, scale[0]) - scale[0] for x in low])


def test_toxic_radars_band_is_the_spread_across_personas() -> None:
    profiles = profiles_of(1, 3)
    axes = axes_of(draw_toxic_radars(profiles, look_of(1, 3), (0, 5)), "m0")
    toxic = profiles.filter(pl.col("foundation") != "overall", probe="toxic")
    lines = {line.get_label(): line for line in axes.lines}
    radii = [math.hypot(*xy) for xy in lines["m0 base as toxic personas"].get_xydata()][:-1]
    assert radii == pytest.approx(toxic["mean"].to_list())
    band = next(p for p in axes.patches if p.get_label() == "m0 base as toxic personas band")
    outer = [math.hypot(*xy) for xy in band.get_xy()[:5]]
    expected = (toxic["mean"] + toxic["sd_across_personas"]).clip(0, 5)
    assert outer == pytest.approx(expected.to_list())
    assert {"m0 base", "m0 insecure"} <= set(lines)
    assert "m0 secure" not in lines


def test_a_lacking_profile_is_named_and_two_foundations_are_dots() -> None:
    profiles = profiles_of(2, 3, 2).filter(
        ~((pl.col("model") == "m1") & (pl.col("variant") == "secure"))
    )
    figure = draw_saturation_radars(profiles, look_of(2, 3), (0, 5))
    assert "no secure" in words_of(figure)
    axes = axes_of(figure, "m0")
    drawn = [c for c in axes.containers if c.get_label() == "m0 insecure"]
    expected = profiles.filter(
        pl.col("foundation").is_in(FOUNDATIONS), model="m0", variant="insecure"
    )
    assert [float(c.lines[0].get_xdata()[0]) for c in drawn] == expected["mean"].to_list()


def test_the_map_places_points_and_arrows(metrics: pl.DataFrame) -> None:
    figure = draw_robustness_map(spoilt(metrics), look_of(4, 3))
    axes = axes_of(figure, "map")
    assert axes.get_xscale() == "log"
    points = {c.get_label(): c.lines[0] for c in axes.containers}
    arrows = {t.get_label(): t for t in axes.texts if t.get_label().count(" to ")}
    at = {row["model"] + " " + row["variant"]: row for row in overall(spoilt(metrics))}
    undrawn = {"m3 secure"}
    assert set(points) == set(at) - undrawn
    for name, line in points.items():
        row = at[name]
        assert line.get_ydata()[0] == row["S"]
        if math.isfinite(row["R"]):
            assert line.get_xdata()[0] == row["R"]
            across, upwards = whiskers_of(axes, name)
            assert (across[0], across[2]) == pytest.approx((row["R_lo"], row["R_hi"]))
            assert (upwards[1], upwards[3]) == pytest.approx((row["S_lo"], row["S_hi"]))
    finite = [row["R"] for row in at.values() if row["R"] and math.isfinite(row["R"])]
    assert points["m2 insecure"].get_xdata()[0] > max(finite)
    assert len(arrows) == 4 * 2 - 2  # m1 has no secure variant, m3's has no R
    for label, arrow in arrows.items():
        model, start, _, end = label.split()
        assert arrow.xy == (points[f"{model} {end}"].get_xdata()[0], at[f"{model} {end}"]["S"])
        assert arrow.xyann[1] == at[f"{model} {start}"]["S"]
    words = words_of(figure)
    assert "∞" in words
    assert any("secure: S or R" in word and "n/a" in word.replace("\n", " ") for word in words)


def test_simulated_figures_say_so_and_others_do_not() -> None:
    for simulated in (True, False):
        metrics = metrics_of(1, 2, simulated=simulated)
        figure = draw_collapse_bars(metrics, contrasts_of(metrics), look_of(1, 2))
        assert ("SIMULATED RESPONDENTS" in words_of(figure)) is simulated


def test_mixed_stacks_are_marked_and_explained() -> None:
    analysis = {
        **{"baseline": "base", "control": "secure", "target": "insecure"},
        **{"roleplay_probe": "roleplay", "unconditioned_probe": "u", "toxic_probe": "t"},
    }
    models = [
        {"key": "m0", "label": "Alpha", "family": "A", "mixed_stacks": True},
        {"key": "m1", "label": "Beta", "family": "B", "mixed_stacks": False},
    ]
    look = Look.from_params(models, ["base", "secure"], analysis)
    metrics = metrics_of(2, 2)
    figure = draw_collapse_bars(metrics, contrasts_of(metrics), look)
    words = words_of(figure)
    assert {"Alpha †", "Beta", "† MIXED STACKS", "SIMULATED RESPONDENTS"} <= set(words)
    assert faults_of(figure) == []
    assert faults_of(draw_prior_band(metrics, read_table(PRIOR, "prior_models"), look)) == []


def test_files_are_the_same_every_time_whatever_the_users_settings(
    tmp_path: Path, metrics: pl.DataFrame
) -> None:
    for name in ("one", "two"):
        save(draw_robustness_map(metrics, look_of(4, 3)), tmp_path / name / "map")
        matplotlib.rcParams.update({"font.size": 20, "axes.grid": True, "svg.fonttype": "none"})
    matplotlib.rcdefaults()
    for form in ("svg", "pdf", "png"):
        first, second = (tmp_path / name / f"map.{form}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 1000
    assert b"<dc:date>" not in (tmp_path / "one" / "map.svg").read_bytes()


def test_variants_are_painted_by_role() -> None:
    models = [{"key": "a", "label": "A", "family": "F"}]
    analysis = {
        **{"baseline": "plain", "control": "safe", "target": "risky", "band": None},
        **{"roleplay_probe": "r", "unconditioned_probe": "u", "toxic_probe": "t"},
    }
    names = ["plain", "safe", "risky", "x", "y", "z"]
    look = Look.from_params(models, names, analysis)
    shipped = look_of(1, 3)
    for ours, theirs in zip(names, ("base", "secure", "insecure"), strict=False):
        assert look.paint(ours) == shipped.paint(theirs)
    assert len({look.paint(name).colour for name in names}) == 6
    assert len({look.paint(name).hatch for name in names}) == 6
    assert len({str(look.paint(name).line) + look.paint(name).marker for name in names}) == 6


def test_the_roles_differ_in_grey_print() -> None:
    look = look_of(1, 3)
    greys = [
        sum(w * int(look.paint(v).colour[n : n + 2], 16) / 255 for w, n in
            zip((0.299, 0.587, 0.114), (1, 3, 5), strict=True))
        for v in look.variants
    ]  # fmt: skip
    assert min(abs(a - b) for a in greys for b in greys if a != b) > 0.07


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.821, "0.82"), (6.7, "6.70"), (9.996, "10.0"), (14.48, "14.5"), (107.7, "108"),
     (1.2e6, "1.2e6"), (-0.5, "−0.50"), (math.inf, "∞"), (None, "n/a")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(24.4, "+24"), (-54.2, "−54"), (-0.3, "0"), (math.inf, "+∞"), (None, "n/a")]
)
def test_changes_have_a_sign(value: float | None, text: str) -> None:
    assert signed(value) == text


def test_tables_are_read_with_infinite_and_absent_values(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    names = tables.COLUMNS["metrics"]
    row = dict.fromkeys(names, "") | {"model": "1.5", "R": "inf", "S": "1", "simulated": "true"}
    path.write_text(",".join(names) + "\n" + ",".join(row[name] for name in names) + "\n")
    (read,) = read_table(path, "metrics").iter_rows(named=True)
    assert (read["model"], read["R"], read["S_se"], read["simulated"]) == (
        "1.5", math.inf, None, True,
    )  # fmt: skip
    path.write_text("model,variant\na,b\n")
    with pytest.raises(UserError, match=r"metrics\.csv: column 'probe' is missing"):
        read_table(path, "metrics")
    path.write_text("")
    with pytest.raises(UserError, match="no table to draw"):
        read_table(path, "metrics")
    with pytest.raises(UserError, match="no table to draw"):
        read_table(tmp_path / "absent.csv", "metrics")
