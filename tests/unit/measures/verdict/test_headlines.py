"""Headlines and verdicts: careful words for the collapse pattern, its parts, and its absence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from persona_collapse.measures.moments import moments_of
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


def test_collapse_pattern_is_reported_with_its_facts() -> None:
    found = verdict(COLLAPSE)
    assert found["pattern"] == "collapse"
    assert found["label"] == "Model M"
    assert (found["S_up"], found["R_down"], found["control_S_up"]) == (True, True, False)
    assert (found["S_above_control"], found["R_below_control"]) == (True, True)
    for words in (
        "Model M: the collapse pattern is there",
        "S rose by",
        "R fell by",
        "comes mostly",
    ):
        assert words in found["text"]
    assert "imulated" not in found["text"]


def test_rise_of_susceptibility_also_in_the_control_is_partial() -> None:
    found = verdict({**COLLAPSE, "tame": (1.2, 0.4)})
    assert found["pattern"] == "partial"
    assert found["control_S_up"]
    assert found["S_above_control"] is False
    assert "S also rose in the tame control" in found["text"]
    assert "The change of S is not larger in wild than in tame" in found["text"]


@pytest.mark.parametrize("wild", [(0.6, 0.8), (1.2, 0.25)])
def test_half_of_the_pattern_is_partial(wild: tuple[float, float]) -> None:
    assert verdict({**COLLAPSE, "wild": wild})["pattern"] == "partial"


def test_no_change_is_none() -> None:
    found = verdict({"plain": (0.8, 0.4), "tame": (0.8, 0.4), "wild": (0.8, 0.35)})
    assert found["pattern"] == "none"
    assert "the collapse pattern is not there" in found["text"]


def test_without_a_control_the_pattern_is_partial() -> None:
    found = verdict({name: kind for name, kind in COLLAPSE.items() if name != "tame"})
    assert found["pattern"] == "partial"
    assert found["control_S_up"] is None
    assert "There is no control, so any fine-tune" in found["text"]


def test_model_without_the_target_is_undetermined() -> None:
    found = headlines({"m": COLLAPSE, "n": {"plain": (0.6, 0.2)}})["verdicts"][1]
    assert found["pattern"] == "undetermined"
    assert (found["S_up"], found["R_down"]) == (None, None)
    assert "cannot be compared" in found["text"]


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
    assert "The change of S comes mostly from b (100 %)." in found["text"]


def test_infinite_robustness_is_judged_by_sigma_bar() -> None:
    rng = np.random.default_rng(3)
    wild = simulated_ratings(rng, (40, 6, 6), 1.5, 0.9)
    plain = np.repeat(np.rint(wild[:, :, :1] / 2), 6, axis=2)
    frames = [moments(plain, OF, variant="plain"), moments(wild, OF, variant="wild")]
    found = headlines({}, frames=frames)
    assert found["verdicts"][0]["R_down"] is True
    assert "undefined percentage" in found["verdicts"][0]["text"]
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
    assert [part["pattern"] for part in found["verdicts"]] == ["collapse", "collapse"]
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
