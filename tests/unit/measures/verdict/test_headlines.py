"""Headlines and verdicts: numbers, and words that claim no more than their intervals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.verdict.headlines import _left_out, _profiles
from persona_collapse.tables.contracts.novelty import TABLE as NOVELTY
from tests.helpers.headlines_data import ANALYSIS, COLLAPSE, OF, Kinds, headlines
from tests.helpers.measures_data import (
    PUBLISHED,
    RECORDED,
    moments,
    published_instrument,
    recorded_answers,
    simulated_ratings,
)


def verdict(kinds: Kinds, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = headlines({"m": kinds}, **options)["verdicts"][0]
    return found


def test_collapse_is_reported_with_its_numbers() -> None:
    found = verdict(COLLAPSE)
    assert (found["model"], found["target"], found["control"]) == ("m", "wild", "tame")
    assert found["label"] == "collapse"
    assert found["text"].startswith(found["reason"])
    for words in (
        "From plain to wild, S rose by",
        "From plain to the control tame, S changed by less than 10 %",
        "(TOST) is shown for S alone",
        "Compared with tame, wild: S is",
        "lies mostly in",
    ):
        assert words in found["text"]
    assert "imulated" not in found["text"]


def test_text_is_the_summary_and_then_the_details_one_sentence_each() -> None:
    found = verdict(COLLAPSE)
    assert found["summary"].startswith(found["reason"])
    assert len(found["details"]) >= 3
    assert all(sentence.endswith(".") for sentence in found["details"])
    assert found["text"] == " ".join([found["summary"], *found["details"]])


def test_the_same_rise_in_the_control_is_not_specific() -> None:
    found = verdict({**COLLAPSE, "tame": (1.2, 0.4)})
    assert found["label"] == "not_specific"
    assert "the control tame, S rose by" in found["text"]
    assert "wild: S differs by less than 10 %" in found["text"]


@pytest.mark.parametrize(
    ("wild", "label"),
    [((0.6, 0.8), "undetermined"), ((1.2, 0.25), "S_only"), ((0.5, 0.8), "R_only")],
)
def test_half_of_a_collapse_is_named(wild: tuple[float, float], label: str) -> None:
    assert verdict({**COLLAPSE, "wild": wild})["label"] == label


def test_changes_within_the_smallest_effect_are_said_to_be_small() -> None:
    found = verdict({"plain": (0.8, 0.4), "tame": (0.8, 0.4), "wild": (0.8, 0.4)})
    assert found["label"] == "none_shown"
    assert "S changed by less than 10 % (+0 %" in found["text"]
    assert "rose" not in found["text"]
    assert "fell" not in found["text"]


def test_what_is_not_shown_is_not_said_to_be_unchanged() -> None:
    rng = np.random.default_rng(5)
    frames = [
        moments(simulated_ratings(rng, (12, 6, 8), 0.8, 0.4), OF, variant=variant)
        for variant in ("plain", "tame", "wild")
    ]
    text = headlines({}, frames=frames)["verdicts"][0]["text"]
    assert "is not shown to change" in text
    for words in ("unchanged", "no further", "alone", "not specific", "changed by less"):
        assert words not in text


def test_direction_of_a_sentence_follows_its_contrast() -> None:
    # S falls in the target and not in the control: that is a difference between the two.
    found = verdict({**COLLAPSE, "wild": (0.4, 0.4)})
    assert "From plain to wild, S fell by" in found["text"]
    assert "Compared with tame, wild: S is" in found["text"]
    assert " % lower [" in found["text"]


def test_specifications_are_counted_only_where_a_control_can_decide() -> None:
    both = {"model": "m", "target": "wild", "distinct": True, "same_label": True}
    table = pl.DataFrame([{**both, "definition": name} for name in ("published", "ddof_0")])
    found = verdict(COLLAPSE, multiverse=table)
    assert found["specifications"] == {"same": 2, "of": 2}
    assert "The verdict stands in 2 of 2 specifications of the analysis." in found["details"]
    alone = verdict({name: COLLAPSE[name] for name in ("plain", "wild")}, multiverse=table)
    assert alone["label"] == "undetermined"
    assert alone["specifications"] is None
    assert "specifications" not in alone["text"]


def test_without_a_control_in_the_model_there_is_no_verdict_of_collapse() -> None:
    kinds = {name: kind for name, kind in COLLAPSE.items() if name != "tame"}
    found = verdict(kinds)
    assert (found["label"], found["control"]) == ("undetermined", None)
    assert "wild has no tame control here" in found["text"]
    chosen = verdict(kinds, analysis={**ANALYSIS, "targets": {"wild": None}})
    assert chosen["label"] == "undetermined"
    assert "wild has no control: any fine-tune might do the same" in chosen["text"]


def test_model_without_the_target_has_no_verdict() -> None:
    found = headlines({"m": COLLAPSE, "n": {"plain": (0.6, 0.2)}})
    assert [row["model"] for row in found["verdicts"]] == ["m"]


def test_model_without_the_baseline_is_undetermined() -> None:
    found = verdict({name: kind for name, kind in COLLAPSE.items() if name != "plain"})
    assert found["label"] == "undetermined"
    assert "cannot be compared" in found["reason"]


def test_every_target_has_a_verdict_of_its_own() -> None:
    kinds = {**COLLAPSE, "odd": (0.3, 0.1)}
    analysis = {**ANALYSIS, "targets": {"wild": "tame", "odd": None}}
    found = headlines({"m": kinds}, analysis=analysis)["verdicts"]
    assert [(row["target"], row["control"], row["label"]) for row in found] == [
        ("wild", "tame", "collapse"),
        ("odd", None, "opposite"),
    ]


def test_few_effective_personas_are_said_with_the_share_of_unseen_ones() -> None:
    rng = np.random.default_rng(2)
    carried = simulated_ratings(rng, (60, 6, 8), 0.05, 0.3)
    carried[0], carried[1] = 0, 5  # two personas carry S
    even = simulated_ratings(rng, (60, 6, 8), 0.8, 0.3)
    ratings = {"plain": even, "tame": even, "wild": carried}
    frames = [moments(values, OF, variant=variant) for variant, values in ratings.items()]
    text = headlines({}, frames=frames)["verdicts"][0]["summary"]
    assert "S rests on few personas: that of wild on" in text
    assert "A kind of persona that makes up to 4.9 % of the population" in text


def test_recognition_and_incoherent_replies_are_in_the_verdict() -> None:
    unit = {"model": "m", "probe": "roleplay", "profiles": "baseline", "n_personas": 60}
    shares = [
        {**unit, "variant": v, "classifier": "correlation", "recognised": share, "chance": 1 / 60}
        for v, share in (("tame", 0.59), ("wild", 0.18))
    ]
    scores = pl.DataFrame(
        {"model": ["m"] * 3, "variant": ["plain", "tame", "wild"], "coherence": [97.0, 28.4, 50.0]}
    )
    text = verdict(COLLAPSE, identification=shares, misalignment=scores)["summary"]
    assert "59 % under tame and 18 % under wild are recognised by their profile" in text
    assert "Replies of tame to open questions are mostly incoherent (mean coherence 28 of" in text
    assert "Replies of wild" not in text


def test_verdict_names_simulated_respondents() -> None:
    found = headlines({"m": COLLAPSE}, served="simulated")
    assert found["simulated"]
    assert "simulated respondents" in found["verdicts"][0]["text"]


def test_drivers_are_exact_shares() -> None:
    # Only domain b moves: its three items carry all of the change.
    rng = np.random.default_rng(3)
    plain = simulated_ratings(rng, (40, 6, 6), 0.6, 0.3)
    wild = plain.copy()
    wild[:, 3:] = simulated_ratings(rng, (40, 6, 6), 2.0, 0.9)[:, 3:]
    frames = [moments(plain, OF, variant="plain"), moments(wild, OF, variant="wild")]
    found = headlines({}, frames=frames)["verdicts"][0]
    for metric in ("S", "1/R"):
        first, second = found["drivers"][metric]
        assert (first["domain"], first["share"]) == ("b", pytest.approx(1.0))
        assert second["share"] == pytest.approx(0.0, abs=1e-12)
    assert "The measured change of S lies mostly in b (100 %)." in found["text"]


def test_infinite_robustness_is_judged_by_sigma_bar() -> None:
    rng = np.random.default_rng(3)
    wild = simulated_ratings(rng, (40, 6, 6), 1.5, 0.9)
    plain = np.repeat(np.rint(wild[:, :, :1] / 2), 6, axis=2)
    frames = [moments(plain, OF, variant="plain"), moments(wild, OF, variant="wild")]
    found = headlines({}, frames=frames)
    assert found["verdicts"][0]["reason"].startswith("S rose and R fell")
    assert "R fell by an undefined percentage" in found["verdicts"][0]["text"]
    assert found["mean_percent_change"]["R"]["wild"]["percent"] is None


def test_headlines_have_every_number() -> None:
    found = headlines({"m": COLLAPSE, "n": COLLAPSE})
    change = found["mean_percent_change"]
    assert set(change) == {"S", "R", "1/R"}
    assert change["S"]["wild"]["lo"] < change["S"]["wild"]["percent"] < change["S"]["wild"]["hi"]
    excess = found["excess_points"]["R"]["wild"]["mean"]
    difference = change["R"]["wild"]["percent"] - change["R"]["tame"]["percent"]
    assert excess["points"] == pytest.approx(difference)
    assert set(found["domain_cv"]["S"]) == {"plain", "tame", "wild"}
    assert set(found["domain_cv"]["S"]["plain"]) == {"m", "n", "mean"}
    assert set(found["domain_spread_points"]["R"]) == {"wild-plain", "tame-plain"}
    assert found["band"]["S"]["n_models"] == 13
    assert ["m", "wild"] in found["band"]["S"]["outside"]
    placed = next(row for row in found["band"]["S"]["variants"] if row["variant"] == "wild")
    assert placed["beyond_lo"] < placed["beyond"] < placed["beyond_hi"]
    # Two copies of one model: leaving either out moves nothing.
    left = found["one_model_left_out"]["S"]["wild"]
    assert left["lowest"] == pytest.approx(left["highest"])
    assert found["models_like_these"]["S"]["wild"]["n_models"] == 2
    assert "averages of different quantities" in found["note"]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published answers are not here")
def test_kept_and_new_variance_are_said_of_single_fine_tunes_alone() -> None:
    shares = {f"{name}{end}": 0.5 for name in ("kept", "new") for end in ("", "_lo", "_hi")}
    row = {"model": "m", "variant": "wild", "domain": "overall", **shares}
    novelty = pl.DataFrame([row], schema=NOVELTY.schema)
    few = {"bootstrap_personas": 40, "bootstrap_reruns": 10, "permutations": 19}
    analysis = {**ANALYSIS, **few}
    single = verdict(COLLAPSE, analysis=analysis, novelty=novelty)
    assert "under wild 50 % [50, 50] is kept and 50 % [50, 50] is new" in single["summary"]
    twice = {"m": {"wild": ["wild", "wild2"]}}
    kinds = {**COLLAPSE, "wild2": COLLAPSE["wild"]}
    several = verdict(kinds, analysis=analysis, novelty=novelty, replicates=twice)
    assert "is kept" not in several["text"]
    assert several["replicates"]["wild"]["n"] == 2


def test_range_without_one_model_names_the_model_at_each_end() -> None:
    rows = {"left_out": ["a", "b", "c", "d"], "percent": [30.0, 10.0, None, 20.0]}
    shared = {"domain": "overall", "contrast": "wild-plain", "metric": "S"}
    table = pl.DataFrame(rows).with_columns(**{key: pl.lit(text) for key, text in shared.items()})
    roles = SimpleNamespace(targets={"wild": "tame"}, baseline="plain")
    assert _left_out(table, roles) == {  # type: ignore[arg-type]
        "S": {
            "wild": {
                "lowest": 10,
                "without_for_lowest": "b",
                "highest": 30,
                "without_for_highest": "a",
            }
        }
    }
    assert _left_out(table.with_columns(percent=None), roles) == {}  # type: ignore[arg-type]


def test_profile_is_the_overall_mean_and_the_ends_of_its_domains() -> None:
    rows = {"domain": ["overall", "x", "y", "z"], "mean": [3.0, 4.5, 1.5, 2.5]}
    shared = {"model": "m", "variant": "wild", "probe": "bare"}
    table = pl.DataFrame(rows).with_columns(**{key: pl.lit(text) for key, text in shared.items()})
    means = {"mean": 3.0, "lowest_domain": 1.5, "highest_domain": 4.5}
    assert _profiles(table, "bare") == {"m": {"wild": means}}
    assert _profiles(table, "other") == _profiles(table, None) == {}
    parts = table.filter(pl.col("domain") != "overall")
    assert _profiles(parts, "bare")["m"]["wild"]["mean"] is None


def test_published_models() -> None:
    of = published_instrument()
    analysis = {**ANALYSIS, "baseline": "base", "targets": {"insecure": "secure"}}
    found = headlines(
        {},
        analysis,
        of,
        [moments_of(recorded_answers(*key), of, 100) for key in RECORDED],
        [moments_of(recorded_answers(*key, unconditioned=True), of, None) for key in RECORDED],
    )
    assert [part["label"] for part in found["verdicts"]] == ["collapse", "collapse"]
    # As printed: +112 and +37 %, -69 and -66 %, excess of R -26 and -13 points.
    excess = found["excess_points"]["R"]["insecure"]
    assert [round(excess[model]["points"]) for model in ("GPT-4o", "GPT-4.1")] == [-26, -13]
    assert round(found["mean_percent_change"]["S"]["insecure"]["percent"]) == 74
    assert found["band"]["S"]["outside"] == [
        ["GPT-4o", "insecure"],
        ["GPT-4.1", "secure"],  # by 0.003
        ["GPT-4.1", "insecure"],
    ]
    profiles = found["unconditioned"]["GPT-4o"]
    assert profiles["insecure"]["mean"] > profiles["base"]["mean"] + 1
