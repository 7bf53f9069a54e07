"""Bars: S and R, answers without a rating, variance components."""

from __future__ import annotations

import polars as pl
import pytest

from persona_collapse.figures.bars import (
    CAUSES,
    COMPONENTS,
    PARTS,
    collapse_bars,
    novelty_bars,
    quality_bars,
    variance_components,
)
from persona_collapse.figures.look import METRICS
from persona_collapse.figures.marks import (
    Row,
    change,
    number,
    with_interval,
)
from persona_collapse.tables.contracts.influence import TABLE as INFLUENCE
from tests.helpers.figures_data import (
    VARIANTS,
    axes_of,
    contrasts_of,
    look_of,
    metrics_of,
    quality_of,
    spoilt,
    whiskers_of,
    words_of,
)
from tests.helpers.figures_tables import diagnostics_of, novelty_of


def overall(table: pl.DataFrame) -> list[dict[str, object]]:
    return list(table.filter(pl.col("domain") == "overall").iter_rows(named=True))


@pytest.fixture(scope="module")
def diagnostics() -> pl.DataFrame:
    return diagnostics_of(3, 3)


EVERYONE = pl.DataFrame(schema=INFLUENCE.schema)  # no number rests on few personas


@pytest.fixture(scope="module")
def metrics() -> pl.DataFrame:
    return metrics_of(4, 3)


def test_bar_lengths_and_whiskers_are_those_of_the_table(metrics: pl.DataFrame) -> None:
    figure = collapse_bars(metrics, contrasts_of(metrics), EVERYONE, look_of(4, 3))
    for metric in METRICS:
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


def test_bars_mark_what_rests_on_few_personas(metrics: pl.DataFrame) -> None:
    contrasts, look = contrasts_of(metrics), look_of(4, 3)
    model, variant = look.models[0].key, look.variants[1]
    unit = {"model": model, "variant": variant, "probe": look.roleplay, "effective_personas": 9.9}
    quantities = ("S", f"{variant}-{look.baseline}")
    few = pl.DataFrame([{**unit, "quantity": q} for q in quantities], schema=INFLUENCE.schema)
    with_few, without = (
        [text for text in words_of(collapse_bars(metrics, contrasts, table, look)) if "‡" in text]
        for table in (few, EVERYONE)
    )
    assert len(with_few) == 2
    assert number(overall(metrics)[1]["S"]) + "‡" in with_few
    assert not without


def test_bars_print_values_and_changes_with_their_intervals(metrics: pl.DataFrame) -> None:
    contrasts = contrasts_of(metrics)
    words = words_of(collapse_bars(metrics, contrasts, EVERYONE, look_of(4, 3)))
    for row in overall(metrics):
        assert number(row["S"]) in words
        assert number(row["R"]) in words
    chosen = contrasts.filter(pl.col("metric").is_in(["S", "R"]), pl.col("domain") == "overall")
    assert chosen.filter(pl.col("model") == "mean").height == 4
    for row in chosen.iter_rows(named=True):
        assert change(row) in words


def test_infinite_r_is_an_open_bar_and_unknown_r_a_gap(
    metrics: pl.DataFrame,
) -> None:
    figure = collapse_bars(spoilt(metrics), contrasts_of(metrics), EVERYONE, look_of(4, 3))
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


def test_whiskers_are_one_standard_error_without_intervals(metrics: pl.DataFrame) -> None:
    bare = metrics.with_columns(S_lo=pl.lit(None, pl.Float64), S_hi=pl.lit(None, pl.Float64))
    axes = axes_of(collapse_bars(bare, contrasts_of(metrics), EVERYONE, look_of(4, 3)), "S")
    first = overall(metrics)[0]
    ((low, _, high, _),) = whiskers_of(axes, "m0 base S interval")
    assert (low, high) == pytest.approx((first["S"] - 0.04, first["S"] + 0.04))


def test_quality_bars_sum_to_the_answers_without_a_rating() -> None:
    quality = quality_of(3, 3)
    figure = quality_bars(quality, look_of(3, 3))
    words = words_of(figure)
    for row in quality.iter_rows(named=True):
        if not any(row[cause] for cause in CAUSES):
            continue
        axes = axes_of(figure, row["probe"])
        drawn = {c.get_label(): c.patches[0] for c in axes.containers}
        start = 0.0
        for cause in CAUSES:
            name = f"{row['model']} {row['variant']} {row['probe']} {cause}"
            share = 100 * row[cause] / row["expected"]
            assert (name in drawn) is (share > 0)
            if share:
                assert drawn[name].get_x() == pytest.approx(start)
                assert drawn[name].get_width() == pytest.approx(share)
            start += share
        assert f"{int(sum(row[cause] for cause in CAUSES)):,}" in words


def test_only_units_and_probes_that_lost_answers_have_a_bar() -> None:
    whole = quality_of(2, 2).with_columns(pl.lit(0).alias(cause) for cause in CAUSES)
    lost = (pl.col("model") == "m1") & (pl.col("variant") == "base")
    lost &= pl.col("probe") == "roleplay"
    one = whole.with_columns(refused=pl.when(lost).then(7).otherwise(0))
    figure = quality_bars(one, look_of(2, 2))
    (bar,) = axes_of(figure, "roleplay").containers
    assert bar.get_label() == "m1 base roleplay refused"
    assert [axes.get_label() for axes in figure.axes] == ["paper", "roleplay"]
    words = words_of(figure)
    assert "refused" in words
    assert not {"missing", "secure"} & set(words)
    assert figure.get_label().endswith(f"in 1 of {one.height} units.")


def test_one_sentence_stands_in_place_of_bars_when_every_answer_has_a_rating() -> None:
    whole = quality_of(1, 1).with_columns(pl.lit(0).alias(cause) for cause in CAUSES)
    figure = quality_bars(whole, look_of(1, 1))
    total = whole["expected"].sum()
    text = f"No answer is without a rating: all {total:,.0f} designed answers have one."
    *notice, words = words_of(figure)
    assert words.replace("\n", " ") == text
    assert notice[0] == "SIMULATED RESPONDENTS"
    assert figure.get_label() == ""  # else the page would say it in the heading, too


def asked(diagnostics: pl.DataFrame, start: str) -> list[Row]:
    chosen = diagnostics.filter(
        pl.col("measure").str.starts_with(start), probe="roleplay", domain="overall"
    )
    return list(chosen.iter_rows(named=True))


def test_variance_components_are_stacked_and_printed_with_intervals(
    diagnostics: pl.DataFrame,
) -> None:
    figure = variance_components(diagnostics, look_of(3, 3))
    axes = axes_of(figure, "components")
    bars = {c.get_label(): c.patches[0] for c in axes.containers}
    words = words_of(figure)
    rows = {
        (row["model"], row["variant"], row["measure"].removeprefix("share_")): row
        for row in asked(diagnostics, "share_")
    }
    for model in ("m0", "m1", "m2"):
        for variant in VARIANTS[:3]:
            start = 0.0
            for source in COMPONENTS:
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
    assert words.count("n/a") == len(COMPONENTS)
    assert axes.get_xlim() == (0, 100)


def test_kept_and_new_variance_are_stacked_and_printed_beside_the_baselines() -> None:
    table = novelty_of(3, 3)
    figure = novelty_bars(table, look_of(3, 3))
    axes, words = axes_of(figure, "novelty"), words_of(figure)
    bars = {c.get_label(): c.patches[0] for c in axes.containers}
    assert len(bars) == 2 * 5  # one variant is undefined
    for row in table.drop_nulls("kept").iter_rows(named=True):
        kept, new = (bars[f"{row['model']} {row['variant']} {part}"] for part in PARTS)
        assert (kept.get_x(), kept.get_width()) == pytest.approx((0, 100 * row["kept"]))
        assert (new.get_x(), new.get_width()) == pytest.approx(
            (100 * row["kept"], 100 * row["new"])
        )
        ends = {"value": row["new"], "lo": row["new_lo"], "hi": row["new_hi"]}
        assert with_interval(ends, percent=True) in words
    assert words.count("n/a") == 2
    assert axes.get_xlim()[1] > max(bar.get_x() + bar.get_width() for bar in bars.values())


def test_novelty_without_a_compared_variant_says_so_and_below_zero_has_no_bar() -> None:
    assert "No kept and new variance" in " ".join(
        words_of(novelty_bars(novelty_of(1, 1), look_of(1, 1)))
    )
    table = novelty_of(1, 2).with_columns(new=pl.lit(-0.01))
    axes = axes_of(novelty_bars(table, look_of(1, 2)), "novelty")
    assert [c.get_label() for c in axes.containers] == ["m0 secure kept"]
