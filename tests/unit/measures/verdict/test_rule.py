"""The decision rule: every label by example, and properties of all evidence."""

from math import inf, log, log1p, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.measures.verdict.rule import (
    LABELS,
    Comparison,
    Evidence,
    Interval,
    Names,
    control_state,
    decide,
)

EFFECT = 0.1
MARGIN = log1p(EFFECT)


def percent(lo: float, hi: float) -> Interval:
    """Return the interval of a percent change."""
    return Interval(log(1 + lo / 100), log(1 + hi / 100))


COLLAPSE = {
    "S": percent(30, 50),
    "R": percent(-70, -60),
    "S_direct": percent(40, 60),
    "R_direct": percent(-40, -20),
    "S_control": percent(-5, 5),
    "R_control": percent(-50, -40),
}


def evidence(**changed: Interval | None) -> Evidence:
    """Return the evidence of a collapse, changed where something is given."""
    ends: dict[str, Interval | None] = {**COLLAPSE, **changed}
    return Evidence(
        Comparison(ends["S"], ends["R"]),
        Comparison(ends["S_direct"], ends["R_direct"]),
        Comparison(ends["S_control"], ends["R_control"]),
    )


def label(case: Evidence) -> str:
    return decide(case, EFFECT).label


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(evidence(), "collapse", id="all conditions met"),
        pytest.param(
            evidence(S_control=percent(-25, -15)), "collapse", id="control changed the other way"
        ),
        pytest.param(
            evidence(S_control=percent(1, 4)), "collapse", id="control raised by a shown trifle"
        ),
        pytest.param(
            evidence(S_direct=percent(-4, 6)), "not_specific", id="S as in the control, shown"
        ),
        pytest.param(
            evidence(R_direct=percent(-6, 7)), "not_specific", id="R as in the control, shown"
        ),
        pytest.param(
            evidence(S_direct=percent(-8, 21)), "control_uncertain", id="S perhaps as in control"
        ),
        pytest.param(
            evidence(S_control=percent(-20, 15)), "control_uncertain", id="wide control interval"
        ),
        pytest.param(evidence(S_control=percent(4, 15)), "control_raised", id="control raised"),
        pytest.param(evidence(R=percent(-5, 5)), "S_only", id="R shown not to change"),
        pytest.param(evidence(R=percent(20, 40)), "S_only", id="R rose"),
        pytest.param(
            evidence(S=percent(4, 40), R=percent(-5, 5)), "S_only", id="S rose, size not decided"
        ),
        pytest.param(
            evidence(S=percent(-5, 5), R=percent(-40, -4)), "R_only", id="R fell, size not decided"
        ),
        pytest.param(evidence(S=percent(-8, 21)), "R_only", id="S not shown to rise"),
        pytest.param(evidence(S=percent(-30, -20)), "R_only", id="S fell"),
        pytest.param(evidence(S=percent(1, 6)), "too_small", id="S rose by a trifle"),
        pytest.param(
            evidence(S=percent(1, 6), R=percent(-9, 9)), "too_small", id="a trifle, R unclear"
        ),
        pytest.param(
            evidence(S=percent(-6, -1), R=percent(-5, 5)), "too_small", id="an opposite trifle"
        ),
        pytest.param(evidence(S=percent(-30, -20), R=percent(-5, 5)), "opposite", id="S fell only"),
        pytest.param(evidence(S=percent(1, 6), R=percent(20, 40)), "opposite", id="R rose mostly"),
        pytest.param(
            evidence(S=percent(-8, 8), R=percent(-20, 30)), "none_shown", id="nothing shown"
        ),
        pytest.param(evidence(S=percent(4, 40)), "undetermined", id="size of S not decided"),
        pytest.param(evidence(S=None), "undetermined", id="S not compared"),
        pytest.param(
            Evidence(evidence().target), "undetermined", id="no control for a full pattern"
        ),
        pytest.param(evidence(S_control=None), "control_uncertain", id="control's S undefined"),
        pytest.param(evidence(S_direct=None), "control_uncertain", id="direct S undefined"),
        pytest.param(evidence(R=Interval(-inf, -inf)), "collapse", id="baseline never varied"),
        pytest.param(evidence(S=Interval(MARGIN, 1)), "undetermined", id="S ends at the margin"),
        pytest.param(
            evidence(S_control=Interval(-1, MARGIN)), "control_uncertain", id="control at margin"
        ),
    ],
)
def test_label(case: Evidence, expected: str) -> None:
    assert label(case) == expected


def test_margin_is_the_same_factor_for_susceptibility_and_for_inverse_robustness() -> None:
    assert label(evidence(R=percent(-40, -9.0))) == "undetermined"  # 1 / 0.91 < 1.1
    assert label(evidence(R=percent(-40, -9.2))) == "collapse"


def test_reason_says_why_there_is_no_control() -> None:
    alone = Evidence(evidence().target)
    by_choice = decide(alone, EFFECT, Names(control=None)).reason
    not_measured = decide(alone, EFFECT, Names(control="secure")).reason
    assert "has no control:" in by_choice
    assert "has no secure control here" in not_measured


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"S_direct": percent(-4, 6)},
            "The rise of S in insecure exceeds that in secure by less than {}, if at all.",
        ),
        (
            {"R_direct": percent(-6, 7)},
            "The fall of R in insecure exceeds that in secure by less than {}, if at all.",
        ),
        (
            {"S_direct": percent(-4, 6), "R_direct": percent(-6, 7)},
            "The rise of S and the fall of R in insecure exceed those in secure by less than {}, "
            "if at all.",
        ),
        ({"S_control": percent(20, 30)}, "S also rose in secure, by more than {}."),
        (
            {"S_control": percent(4, 15)},
            "S also rose in secure, and a rise by {} is not excluded.",
        ),
        (
            {"S_direct": percent(-8, 21), "R_direct": percent(-20, 30)},
            "It is not shown that S rose further in insecure than in secure and R fell further in "
            "insecure than in secure.",
        ),
        (
            {"S_control": percent(-20, 15)},
            "The interval of S in secure does not exclude a rise by {}.",
        ),
        (
            {"S_control": percent(-25, 5)},
            "S rose and R fell, both by more than {}, and further than in secure; a rise of S by "
            "that much in secure is excluded.",
        ),
    ],
)
def test_reason_says_what_is_shown_of_the_control(changed: dict[str, Interval], said: str) -> None:
    reason = decide(evidence(**changed), EFFECT, Names("base", "insecure", "secure")).reason
    assert reason == said.format("the smallest effect (10 %)")


def test_reason_of_a_collapse_says_that_the_control_fell() -> None:
    assert "changed the other way" in decide(evidence(S_control=percent(-25, -15)), EFFECT).reason


@pytest.mark.parametrize(
    "case", [evidence(S_direct=percent(-8, 21)), evidence(S_control=percent(-20, 15))]
)
def test_uncertain_reason_claims_neither_sameness_nor_difference(case: Evidence) -> None:
    reason = decide(case, EFFECT).reason
    assert "is excluded" not in reason
    assert "not shown" in reason or "not exclude" in reason


@pytest.mark.parametrize(
    ("S", "said"),
    [
        (percent(30, 50), "S rose by more than the smallest effect (10 %)."),
        (percent(4, 40), "S rose, but whether by the smallest effect (10 %) is not decided."),
        (percent(1, 6), "S rose by less than the smallest effect (10 %)."),
        (percent(-5, 5), "S changed by less than the smallest effect (10 %)."),
        (percent(-20, 20), "S is not shown to rise."),
        (percent(-6, -1), "S fell by less than the smallest effect (10 %)."),
        (percent(-30, -20), "S fell."),
    ],
)
def test_reason_says_what_is_shown_of_susceptibility(S: Interval, said: str) -> None:
    reason = decide(evidence(S=S, R=percent(-20, 20)), EFFECT).reason
    assert said in reason
    assert "R is not shown to fall." in reason


@pytest.mark.parametrize(
    ("R", "said"),
    [
        (percent(-70, -60), "R fell by more than the smallest effect (10 %)."),
        (percent(-40, -4), "R fell, but whether by the smallest effect (10 %) is not decided."),
        (percent(-6, -1), "R fell by less than the smallest effect (10 %)."),
        (percent(-5, 5), "R changed by less than the smallest effect (10 %)."),
        (percent(1, 6), "R rose by less than the smallest effect (10 %)."),
        (percent(20, 40), "R rose."),
    ],
)
def test_reason_says_what_is_shown_of_robustness(R: Interval, said: str) -> None:
    reason = decide(evidence(S=percent(-20, 20), R=R), EFFECT).reason
    assert said in reason
    assert "S is not shown to rise." in reason


@pytest.mark.parametrize(
    ("interval", "state"),
    [
        (percent(-5, 5), "equivalent"),
        (percent(-25, -15), "fell"),
        (percent(-25, 5), "not_raised"),
        (percent(2, 15), "raised"),
        (percent(-25, 15), "uncertain"),
        (None, None),
    ],
)
def test_state_of_the_control(interval: Interval | None, state: str | None) -> None:
    assert control_state(interval, EFFECT) == state


@pytest.mark.parametrize("ends", [(1, 0), (nan, 1), (0, nan)])
def test_no_interval_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no interval"):
        Interval(*ends)


# Ends around the margin meet every case more often than wide ranges do.
ENDS = st.one_of(st.floats(-0.3, 0.3), st.sampled_from([-inf, inf, 0.0, MARGIN, -MARGIN, 1, -1]))
INTERVALS = st.tuples(ENDS, ENDS).map(lambda ends: Interval(min(ends), max(ends)))
MAYBE = st.none() | INTERVALS
COMPARISONS = st.builds(Comparison, MAYBE, MAYBE)
ALL = st.builds(Evidence, COMPARISONS, st.none() | COMPARISONS, st.none() | COMPARISONS)
# Ends of all six intervals by name; half of them often make a collapse.
RANDOM = st.fixed_dictionaries(dict.fromkeys(COLLAPSE, INTERVALS))
NEAR = st.fixed_dictionaries(
    {
        "S": st.sampled_from([percent(30, 50), percent(11, 60), percent(4, 40)]),
        "R": st.sampled_from([percent(-70, -60), percent(-40, -9), percent(-30, -20)]),
        "S_direct": st.sampled_from([percent(40, 60), percent(1, 9), percent(-8, 21)]),
        "R_direct": st.sampled_from([percent(-40, -20), percent(-4, -1), percent(-20, 1)]),
        "S_control": st.sampled_from([percent(-5, 5), percent(-30, -10), percent(2, 12)]),
    }
)
CASES = st.one_of(NEAR, RANDOM)
# The direction of each interval that is evidence for a collapse; the control's R does not count.
TOWARD = {"S": 1, "R": -1, "S_direct": 1, "R_direct": -1, "S_control": -1}
Ends = dict[str, Interval]


def moved(ends: Ends, by: float) -> Ends:
    """Return the intervals moved toward collapse, or away from it where ``by`` is negative."""
    return ends | {
        name: Interval(ends[name].lo + sign * by, ends[name].hi + sign * by)
        for name, sign in TOWARD.items()
    }


def narrowed(interval: Interval, share: float) -> Interval:
    middle = (interval.lo + interval.hi) / 2
    return Interval(*(end + share * (middle - end) for end in (interval.lo, interval.hi)))


def of(ends: Ends) -> str:
    return label(evidence(**ends))


@given(ALL)
def test_every_evidence_has_a_label_with_a_reason(case: Evidence) -> None:
    found = decide(case, EFFECT)
    assert found.label in LABELS
    assert found.reason.endswith(".")


@given(CASES, st.floats(0, 2))
def test_stronger_evidence_keeps_a_collapse(ends: Ends, by: float) -> None:
    if of(ends) == "collapse":
        assert of(moved(ends, by)) == "collapse"
    else:
        assert of(moved(ends, -by)) != "collapse"


@given(CASES, st.floats(0, 2))
def test_moving_away_from_collapse_keeps_the_opposite(ends: Ends, by: float) -> None:
    if of(ends) == "opposite":
        assert of(moved(ends, -by)) == "opposite"


@given(NEAR, st.floats(0, 1))
def test_more_precise_evidence_keeps_a_collapse(ends: Ends, share: float) -> None:
    if of(ends) == "collapse":
        assert of({name: narrowed(it, share) for name, it in ends.items()}) == "collapse"


@given(INTERVALS, INTERVALS)
def test_susceptibility_and_robustness_are_treated_alike_against_the_baseline(
    S: Interval, R: Interval
) -> None:
    found, swapped = (label(Evidence(Comparison(*both))) for both in ((S, R), (-R, -S)))
    other = {"S_only": "R_only", "R_only": "S_only"}
    assert swapped == other.get(found, found)


@given(CASES)
def test_the_mirror_image_of_a_collapse_is_the_opposite(ends: Ends) -> None:
    mirrored = of(ends | {name: -ends[name] for name in ("S", "R")})
    if of(ends) == "collapse":
        assert mirrored == "opposite"
    if of(ends) == "none_shown":
        assert mirrored == "none_shown"


@given(INTERVALS, INTERVALS)
def test_target_and_control_with_the_same_data_are_never_a_collapse(
    S: Interval, R: Interval
) -> None:
    same = Comparison(Interval(0, 0), Interval(0, 0))
    found = label(Evidence(Comparison(S, R), same, Comparison(S, R)))
    assert found != "collapse"
    if S.lo > MARGIN and R.hi < -MARGIN:
        assert found == "not_specific"


@given(CASES, st.floats(0, 2), st.floats(0, 2))
def test_a_wider_control_interval_makes_no_collapse(ends: Ends, down: float, up: float) -> None:
    S = ends["S_control"]
    wider = of(ends | {"S_control": Interval(S.lo - down, S.hi + up)})
    if of(ends) != "collapse" or S.hi + up >= MARGIN:
        assert wider != "collapse"


@given(ALL)
def test_without_a_control_no_label_is_about_the_control(case: Evidence) -> None:
    found = label(Evidence(case.target))
    assert found in {*LABELS} - {"collapse", "not_specific", "control_uncertain", "control_raised"}
