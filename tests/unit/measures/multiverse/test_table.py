"""Rows of the multiverse: the reported specification first, others by planted truth."""

from math import inf

import numpy as np
import polars as pl
import pytest
from scipy.special import stdtrit

from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.influence import influence_of
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.multiverse.changes import Change
from persona_collapse.measures.multiverse.table import (
    _with_intervals,
    moments_without_fallback,
    multiverse_of,
)
from persona_collapse.measures.verdict.rule import Comparison, Evidence, Interval, decide
from persona_collapse.measures.verdict.sentences import specification_facts
from persona_collapse.measures.verdict.table import interval_of, rows_of
from tests.helpers import contrasts_data as data
from tests.helpers.measures_data import answers, instrument, moments, simulated_ratings

ANALYSIS = {**data.ANALYSIS, "smallest_effect": 0.1}


def multiverse(frames, of=data.OF, analysis=ANALYSIS, asked=6, without=None, replicates=None):
    table = contrasts_of(paired_of(frames, of, 1, analysis, replicates))
    count = len(frames)
    without = without or [None] * count
    return multiverse_of(frames, [asked] * count, without, of, table, analysis, replicates), table


def chosen(found, **keys):
    reported = {"definition": "published", "items": "all", "personas": "all"}
    return data.row(found, **{**reported, "failures": "dropped", **keys})


@pytest.fixture(scope="module")
def whole():
    return multiverse(data.study())


@pytest.mark.parametrize("metric", ["S", "R"])
@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("target", "insecure-base"),
        ("direct", "insecure-secure"),
        ("control", "secure-base"),
    ],
)
def test_reported_row_is_that_of_contrasts(whole, metric, name, contrast):
    found, table = whole
    for model in ("one", "two"):
        own = data.overall(table, model, contrast, metric)
        row = chosen(found, model=model)
        for end in ("", "_lo", "_hi"):
            assert row[f"{metric}_{name}{end}"] == pytest.approx(own[f"percent{end}"])


def test_reported_label_is_that_of_the_verdict(whole):
    found, table = whole
    for model in ("one", "two"):
        rows = rows_of(table, model)
        shown = [
            Comparison(*(interval_of(rows, contrast, metric) for metric in ("S", "R")))
            for contrast in ("insecure-base", "insecure-secure", "secure-base")
        ]
        assert chosen(found, model=model)["label"] == decide(Evidence(*shown), 0.1).label


def test_sentence_counts_distinct_specifications_and_names_definitions_that_never_agree(whole):
    found, _ = whole
    one = found.filter(model="one").with_columns(
        same_label=pl.col("definition") != "persona_means", distinct=pl.col("items") == "all"
    )
    facts, (sentence,) = specification_facts(one, "one", "insecure")
    counted = one.filter("distinct")
    assert facts == {"same": counted["same_label"].sum(), "of": counted.height}
    assert sentence == (
        f"The verdict stands in {facts['same']} of {facts['of']} specifications of the analysis, "
        "and in none that defines S and R by persona means."
    )
    never = one.with_columns(same_label=pl.col("definition") == "published")
    _, (sentence,) = specification_facts(never, "one", "insecure")
    assert sentence.endswith(
        "by domain means, persona means, root mean square, mean deviation, "
        "gini difference, normal scores or ddof 0."
    )
    assert specification_facts(one, "two", "insecure") == (None, [])
    assert specification_facts(None, "one", "insecure") == (None, [])


@pytest.mark.parametrize("end", [inf, -inf])
def test_infinite_change_is_decided_only_as_in_the_reported_specification(end):
    one = np.array([[0.5], [end]])
    change = Change(one, np.full((2, 1), 0.1), 20)
    for shown, decided in ((end, True), (-end, False)):
        known = [None, Interval(shown, shown)]
        values, (S, R) = _with_intervals(change, change, 0, known)
        assert (Interval(end, end) if decided else None) == R
        assert values["R", "_lo"] is values["R", "_hi"] is None
        half = stdtrit(19, 0.975) * 0.1
        assert (S.lo, S.hi) == pytest.approx((0.5 - half, 0.5 + half))


def test_interval_of_a_specification_is_as_uneven_as_the_reported_one():
    start = Change(np.array([[0.5], [0.0]]), np.full((2, 1), 0.1), 20)
    half = stdtrit(19, 0.975) * 0.1
    known = [Interval(0.5 - half / 2, 0.5 + 2 * half), None]
    wider = Change(np.array([[0.7], [0.0]]), np.full((2, 1), 0.3), 20)
    values, (S, _) = _with_intervals(wider, start, 0, known)
    assert (S.lo, S.hi) == pytest.approx((0.7 - 3 * half / 2, 0.7 + 6 * half))
    assert values["S", "_hi"] == pytest.approx(100 * np.expm1(S.hi))


def test_reported_row_comes_first_and_every_specification_once(whole):
    found, _ = whole
    keys = ["model", "target", "definition", "items", "personas", "failures"]
    assert found.select(keys).is_unique().all()
    first = found.group_by("model", maintain_order=True).first()
    assert first["definition"].to_list() == ["published"] * 2
    assert first["same_label"].all()
    assert first["distinct"].all()
    # Seven definitions with two domains left out in turn and four selections of personas.
    assert found.filter(model="one").height == 7 * (1 + 2 + 4) + 1 + 2


def test_specifications_that_change_nothing_are_not_distinct(whole):
    found, _ = whole
    same = found.filter(~pl.col("distinct"))
    assert set(same["personas"]) == {"all", "without_failed"}
    # Divisors cancel where the numbers of answers are equal, and no answer failed.
    for keys in ({"definition": "ddof_0"}, {"failures": "missing"}, {"failures": "no_fallback"}):
        assert not chosen(found, model="one", **keys)["distinct"]


def test_ddof_counts_where_numbers_of_answers_differ():
    rng = np.random.default_rng(2)
    frames = [
        moments(simulated_ratings(rng, (20, 4, n), 1.0, 0.5), data.OF, variant=variant)
        for variant, n in (("base", 12), ("insecure", 3), ("secure", 12))
    ]
    found, _ = multiverse(frames, asked=3)
    row = chosen(found, definition="ddof_0")
    assert row["distinct"]
    assert row["S_target"] == pytest.approx(chosen(found)["S_target"])
    assert row["R_target"] > chosen(found)["R_target"]


def test_influential_personas_are_those_of_influence():
    frames = data.study(["one"])
    by_variant = {frame["variant"][0]: frame for frame in frames}
    found, _ = multiverse(frames)
    row = chosen(found, personas="without_influential")
    expected = influence_of(
        by_variant["insecure"], data.OF, by_variant["base"], by_variant["secure"]
    )
    without = dict(expected.select("quantity", "value_without").iter_rows())
    assert row["S_target"] == pytest.approx(without["insecure-base"])
    assert row["S_direct"] == pytest.approx(without["insecure-secure"])
    assert row["n_personas"] == 20


def test_a_rise_that_five_personas_carry_is_gone_without_them():
    rng = np.random.default_rng(4)
    of = instrument(["a"] * 4 + ["b"] * 4)
    base = np.clip(np.rint(2.5 + 0.6 * rng.normal(size=(60, 8, 1)) + np.zeros(6)), 1, 4)
    target = base.copy()
    target[:5] = np.where(np.arange(8)[None, :, None] % 2, 5, 0)
    frames = [
        moments(ratings, of, variant=name)
        for name, ratings in (("base", base), ("secure", base), ("insecure", target))
    ]
    found, _ = multiverse(frames, of)
    assert chosen(found)["S_target"] > 20
    assert chosen(found, personas="without_influential")["S_target"] == pytest.approx(0, abs=1e-9)


def with_failures(frames_of):
    """Return a study in which persona 3 never answers item 2 under base, persona 4 once less."""
    rng = np.random.default_rng(6)
    frames = []
    for variant in ("base", "secure", "insecure"):
        ratings = simulated_ratings(rng, (20, 4, 6), 1.0, 0.5)
        if variant == "base":
            ratings[3, 1] = np.nan
            ratings[4, 0, 0] = np.nan
        frames.append(frames_of(ratings, variant))
    return frames


def test_failed_answers_drop_a_persona_or_leave_its_cell_missing():
    frames = with_failures(lambda ratings, name: moments(ratings, data.OF, variant=name))
    found, _ = multiverse(frames)
    sizes = {how: chosen(found, failures=how)["n_personas"] for how in ("dropped", "missing")}
    assert sizes == {"dropped": 19, "missing": 20}
    assert chosen(found, personas="without_failed")["n_personas"] == 18
    assert chosen(found, failures="missing")["distinct"]


def test_answers_from_longer_replies_can_count_as_failed():
    rng = np.random.default_rng(7)
    given = answers(simulated_ratings(rng, (12, 4, 6)))
    assert moments_without_fallback(given, data.OF, 12) is None
    some = given.with_columns(fallback=pl.col("repetition") > 4)
    found = moments_without_fallback(some, data.OF, 12)
    assert found is not None
    assert set(found["n"]) == {4}
    expected = moments_of(given.filter(pl.col("repetition") <= 4), data.OF, 12)
    assert found.equals(expected)


def test_halves_have_half_the_personas_and_wider_intervals(whole):
    found, _ = whole
    reported = chosen(found, model="one")
    for half, count in (("first_half", 13), ("second_half", 12)):
        row = chosen(found, model="one", personas=half)
        assert row["n_personas"] == count
        widths = [r["S_control_hi"] - r["S_control_lo"] for r in (row, reported)]
        assert widths[0] > widths[1]


def test_a_variant_with_replicates_is_their_mean():
    frames = data.replicated()
    found, table = multiverse(frames, replicates={"one": data.BOTH})
    row = data.overall(table, "one", "insecure-base", "S")
    assert chosen(found)["S_target"] == pytest.approx(row["percent"])
    assert chosen(found)["S_target_hi"] == pytest.approx(row["percent_hi"])


def test_without_control_its_columns_are_empty():
    frames = [frame for frame in data.study(["one"]) if frame["variant"][0] != "secure"]
    found, _ = multiverse(frames)
    assert found["S_control"].null_count() == found["S_direct"].null_count() == found.height
    assert "collapse" not in set(found["label"])


def test_models_without_target_or_with_few_personas_have_no_rows():
    frames = data.study(["one"])
    base = [frame for frame in frames if frame["variant"][0] == "base"]
    assert multiverse(base)[0].is_empty()
    few = [frame.filter(pl.col("persona_id") < 2) for frame in frames]
    assert multiverse(few)[0].is_empty()
    none = multiverse_of([], [], [], data.OF, multiverse(frames)[1], ANALYSIS)
    assert none.is_empty()


def test_an_instrument_with_one_domain_leaves_none_out():
    of = instrument(["a"] * 4)
    rng = np.random.default_rng(3)
    frames = [
        moments(simulated_ratings(rng, (15, 4, 6)), of, variant=name)
        for name in ("base", "secure", "insecure")
    ]
    assert set(multiverse(frames, of)[0]["items"]) == {"all"}


def test_constant_answers_have_no_change_of_r_and_no_verdict():
    rng = np.random.default_rng(3)
    still = np.repeat(simulated_ratings(rng, (15, 4, 1)), 6, axis=2)
    frames = [moments(still, data.OF, variant=name) for name in ("base", "secure", "insecure")]
    row = chosen(multiverse(frames)[0])
    assert row["R_target"] is None
    assert row["label"] == "undetermined"


def test_answers_that_begin_to_vary_are_an_infinite_fall_of_r_in_every_definition():
    rng = np.random.default_rng(3)
    still = np.repeat(simulated_ratings(rng, (15, 4, 1)), 6, axis=2)
    wide = simulated_ratings(rng, (15, 4, 6), 2.0, 0.8)
    frames = [
        moments(ratings, data.OF, variant=name)
        for name, ratings in (("base", still), ("secure", still), ("insecure", wide))
    ]
    found, _ = multiverse(frames)
    assert chosen(found)["R_target"] == -100
    assert "undetermined" not in set(found.filter(definition="gini_difference")["label"])
