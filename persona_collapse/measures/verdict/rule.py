"""The decision rule: from intervals to a label and its reason.

Every condition is tested at a one-sided level of 2.5 %, that is, by the end of a 95 % interval of a
log ratio. The margin is log(1 + smallest effect), the same for S and for 1 / R. A label claims only
what an interval shows; ``docs/measures.md`` has the rule as a table.
"""

from dataclasses import dataclass
from math import isnan, log1p

LABELS = (
    "collapse",
    "not_specific",
    "control_uncertain",
    "control_raised",
    "S_only",
    "R_only",
    "too_small",
    "opposite",
    "none_shown",
    "undetermined",
)


@dataclass(frozen=True)
class Interval:
    """The 95 % interval of a log ratio; an end can be infinite.

    Raises:
        ValueError: an end is not a number, or the ends are in the wrong order.
    """

    lo: float
    hi: float

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        if isnan(self.lo) or isnan(self.hi) or self.lo > self.hi:
            raise ValueError(f"[{self.lo}, {self.hi}] is no interval")

    def __neg__(self) -> "Interval":
        """Return the interval of the inverse ratio."""
        return Interval(-self.hi, -self.lo)

    def within(self, margin: float) -> bool:
        """Return whether equivalence is shown: two one-sided tests at 2.5 % each (TOST)."""
        return -margin < self.lo and self.hi < margin


@dataclass(frozen=True)
class Comparison:
    """How S and R of one variant relate to another's; None where they cannot be compared."""

    S: Interval | None = None
    R: Interval | None = None

    def toward(self) -> dict[str, Interval | None]:
        """Return both as changes toward collapse: of S, and of 1 / R."""
        return {"S": self.S, "R": None if self.R is None else -self.R}


@dataclass(frozen=True)
class Evidence:
    """What the rule decides on, for one model and target.

    ``target`` and ``control`` compare with the baseline, ``direct`` the target with the control;
    the last two are None where there is no control.
    """

    target: Comparison
    direct: Comparison | None = None
    control: Comparison | None = None


@dataclass(frozen=True)
class Names:
    """How reasons call the variants; ``control`` is None where the study names none."""

    baseline: str = "the baseline"
    target: str = "the target"
    control: str | None = "the control"


@dataclass(frozen=True)
class Decision:
    """A label, one of ``LABELS``, and its reason in a sentence or two."""

    label: str
    reason: str


def decide(evidence: Evidence, smallest_effect: float, names: Names | None = None) -> Decision:
    """Return the label that the evidence supports, with its reason.

    ``smallest_effect`` is the smallest relative change of S, or of 1 / R, that counts (0.1: 10 %).
    """
    return _Rule(evidence, smallest_effect, names or Names()).decision()


def control_state(control: Interval | None, smallest_effect: float) -> str | None:
    """Return what the interval of S, control against baseline, shows; None without an interval.

    ``equivalent``: changed by less than the smallest effect (TOST). ``fell``: changed the other
    way. ``raised``: rose, and a rise by the smallest effect is not excluded. ``not_raised``: such a
    rise is excluded, but a fall is not. ``uncertain``: neither is excluded.
    """
    if control is None:
        return None
    margin = log1p(smallest_effect)
    if control.within(margin):
        return "equivalent"
    if control.hi < 0:
        return "fell"
    if control.hi < margin:
        return "not_raised"
    return "raised" if control.lo > 0 else "uncertain"


class _Rule:
    def __init__(self, evidence: Evidence, smallest_effect: float, names: Names) -> None:
        self.evidence, self.names = evidence, names
        self.smallest_effect, self.margin = smallest_effect, log1p(smallest_effect)
        self.size = f"the smallest effect ({100 * smallest_effect:.3g} %)"
        self.target = evidence.target.toward()
        self.state = {name: self._state(it) for name, it in self.target.items() if it is not None}

    def _state(self, change: Interval) -> str:
        """Return what is shown of a change toward collapse."""
        if change.lo > self.margin:
            return "large"
        if change.lo > 0:
            return "small" if change.hi < self.margin else "some"
        if change.hi < 0:
            return "small_opposite" if change.lo > -self.margin else "opposite"
        return "unclear"

    def decision(self) -> Decision:
        names = self.names
        if lacking := [name for name in self.target if name not in self.state]:
            return Decision(
                "undetermined",
                f"{' and '.join(lacking)} of {names.target} and {names.baseline} cannot be "
                "compared: a variant or an interval is missing.",
            )
        toward = [n for n, state in self.state.items() if state in ("large", "some", "small")]
        return self._both() if len(toward) == len(self.state) else self._not_both(toward)

    def _not_both(self, toward: list[str]) -> Decision:
        """Decide where S is not shown to rise, or R not shown to fall."""
        states = set(self.state.values())
        if toward and self.state[toward[0]] != "small":
            (name,) = toward
            other = "R" if name == "S" else "S"
            return Decision(f"{name}_only", f"{self._said(name)}. {self._said(other)}.")
        said = f"{self._said('S')}. {self._said('R')}."
        if "opposite" in states:
            return Decision("opposite", said)
        return Decision("none_shown" if states == {"unclear"} else "too_small", said)

    def _both(self) -> Decision:
        """Decide where S is shown to rise and R to fall."""
        evidence, target, control = self.evidence, self.names.target, self.names.control
        small = [name for name, state in self.state.items() if state == "small"]
        if small:
            return Decision("too_small", " ".join(f"{self._said(name)}." for name in small))
        undecided = [name for name, state in self.state.items() if state == "some"]
        if evidence.control is None or evidence.direct is None:
            missing = "has no control" if control is None else f"has no {control} control here"
            return Decision(
                "undetermined",
                f"S rose and R fell, but {target} {missing}: any fine-tune might do the same.",
            )
        direct, raised = evidence.direct.toward(), evidence.control.S
        same = [n for n, it in direct.items() if it and it.lo <= 0 and it.hi < self.margin]
        if same:
            changes = " and ".join("the rise of S" if n == "S" else "the fall of R" for n in same)
            exceed, those = ("exceed", "those") if len(same) > 1 else ("exceeds", "that")
            return Decision(
                "not_specific",
                f"{changes[0].upper()}{changes[1:]} in {target} {exceed} {those} in {control} by "
                f"less than {self.size}, if at all.",
            )
        if raised and raised.lo > 0 and raised.hi >= self.margin:
            return Decision(
                "control_raised",
                f"S also rose in {control}, by more than {self.size}."
                if raised.lo > self.margin
                else f"S also rose in {control}, and a rise by {self.size} is not excluded.",
            )
        if undecided:
            return Decision("undetermined", " ".join(f"{self._said(n)}." for n in undecided))
        doubts = [
            f"{'S rose' if name == 'S' else 'R fell'} further in {target} than in {control}"
            for name, it in direct.items()
            if it is None or it.lo <= 0
        ]
        if doubts:
            said = " and ".join(doubts)
            return Decision("control_uncertain", f"It is not shown that {said}.")
        if raised is None or raised.hi >= self.margin:
            return Decision(
                "control_uncertain",
                f"The interval of S in {control} does not exclude a rise by {self.size}.",
            )
        return Decision("collapse", self._collapse(control or "the control"))

    def _collapse(self, control: str) -> str:
        """Return the reason of a collapse, with what is shown of the control."""
        assert self.evidence.control is not None
        state = control_state(self.evidence.control.S, self.smallest_effect)
        of_control = {
            "equivalent": f"S of {control} changed by less than that",
            "fell": f"S of {control} changed the other way: it fell",
        }.get(state or "", f"a rise of S by that much in {control} is excluded")
        return (
            f"S rose and R fell, both by more than {self.size}, and further than in {control}; "
            f"{of_control}."
        )

    def _said(self, name: str) -> str:
        """Return what is shown of one change of the target, without a full stop."""
        change = self.target[name]
        assert change is not None
        verb, back = ("rose", "fell") if name == "S" else ("fell", "rose")
        state = self.state[name]
        if state == "unclear" and change.within(self.margin):
            return f"{name} changed by less than {self.size}"
        return {
            "large": f"{name} {verb} by more than {self.size}",
            "some": f"{name} {verb}, but whether by {self.size} is not decided",
            "small": f"{name} {verb} by less than {self.size}",
            "small_opposite": f"{name} {back} by less than {self.size}",
            "opposite": f"{name} {back}",
            "unclear": f"{name} is not shown to {'rise' if name == 'S' else 'fall'}",
        }[state]
