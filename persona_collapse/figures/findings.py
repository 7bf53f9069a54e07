"""Findings: the sentence that a figure shows, computed from its tables; it is the figure's title.

Like the sentences of a verdict, a finding claims a direction only where a 95 % interval shows it,
and a difference of two values only where a contrast shows it or their intervals do not overlap.
"""

from collections.abc import Mapping, Sequence

from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import ABSENT, Row, finite, signed

Pair = tuple[str, str]


def subjects(look: Look, pairs: Sequence[Pair]) -> tuple[str, list[Pair]]:
    """Return which variants a finding is about, in words, and their models and variants.

    ``pairs`` are the models and variants that the tables have. The targets are chosen; without
    any, all variants but the baseline.
    """
    chosen = list(look.targets) or look.changed
    found = [pair for pair in pairs if pair[1] in chosen]
    names = list(dict.fromkeys(variant for _, variant in found))
    if len(names) == 1:
        return names[0], found
    return ("a target" if look.targets else "another variant"), found


def where(shown: str, not_shown: str, flags: Sequence[bool], noun: str) -> str:
    """Say for how many something is shown: "S rose in 3 of 4 models"; of a single one, whether."""
    n, found = len(flags), sum(flags)
    if n == 1:
        return shown if found else not_shown
    if not found:
        return f"{not_shown} in {_any(n)} {noun}"
    return f"{shown} in {_all(n) if found == n else f'{found} of {n}'} {noun}"


def _all(n: int) -> str:
    return "both" if n == 2 else f"all {n}"


def _any(n: int) -> str:
    return "either of 2" if n == 2 else f"any of {n}"


def noun_of(pairs: Sequence[Pair]) -> str:
    """Return what pairs of models and variants are: models, where there is one variant."""
    return "models" if len({variant for _, variant in pairs}) <= 1 else "comparisons"


def direction(row: Row | None, name: str = "percent") -> int:
    """Return the direction that the interval of a change shows: 1 up, -1 down, 0 none."""
    if row is None or row[f"{name}_lo"] is None or row[f"{name}_hi"] is None:
        return 0
    return 1 if row[f"{name}_lo"] > 0 else -1 if row[f"{name}_hi"] < 0 else 0


def moved(what: str, rows: Sequence[Row | None], noun: str = "models") -> str:
    """Say in how many rows of percent changes something rose or fell; of one row, by how much."""
    signs = [direction(row) for row in rows]
    if len(rows) == 1:
        return _moved_by(what, rows[0], signs[0])
    parts = [
        f"{verb} in {_all(len(rows)) if signs.count(sign) == len(rows) else signs.count(sign)}"
        for verb, sign in (("rose", 1), ("fell", -1))
        if sign in signs
    ]
    if not parts:
        return f"{what} is not shown to change in {_any(len(rows))} {noun}"
    of = "" if signs.count(signs[0]) == len(rows) else f"of {len(rows)} "
    return f"{what} {' and '.join(parts)} {of}{noun}"


def _moved_by(what: str, row: Row | None, sign: int) -> str:
    if row is None or not all(finite(row[f"percent{end}"]) for end in ("", "_lo", "_hi")):
        return f"{what} {('is not shown to change', 'rose', 'fell')[sign]}"
    percent, lo, hi = (row[f"percent{end}"] for end in ("", "_lo", "_hi"))
    if not sign:
        ends = f"[{signed(lo)}, {signed(hi)}]"
        return f"{what} is not shown to change ({signed(percent)} % {ends})"
    verb, near, far = ("rose", lo, hi) if sign > 0 else ("fell", -hi, -lo)
    return f"{what} {verb} by {abs(percent):.0f} % [{near:.0f}, {far:.0f}]"


def above(first: Row | None, second: Row | None, name: str = "") -> bool:
    """Return whether the interval of the first value lies wholly above that of the second.

    The intervals are in ``<name>_lo`` and ``<name>_hi``, or in ``lo`` and ``hi``.
    """
    prefix = f"{name}_" if name else ""
    if first is None or second is None:
        return False
    low, high = first[f"{prefix}lo"], second[f"{prefix}hi"]
    return low is not None and high is not None and low > high


def versus_base(
    look: Look, rows: Mapping[Pair, Row], more: str, not_shown: str, name: str = ""
) -> str:
    """Say where values are above the baseline's: their intervals do not overlap (``above``).

    ``rows`` are by model and variant; ``more`` and ``not_shown`` say what that means, or that it is
    not shown.
    """
    known = [pair for pair in rows if (pair[0], look.baseline) in rows]
    whose, pairs = subjects(look, known)
    if not pairs:
        return ""
    flags = [above(rows[pair], rows[pair[0], look.baseline], name) for pair in pairs]
    found = where(f"{more} than under {look.baseline}", not_shown, flags, noun_of(pairs))
    return sentence(f"under {whose}, {found}")


def share(row: Row, name: str) -> str:
    """Write a share as percent with its interval, where it is known: 54 % [50, 58]."""
    value, lo, hi = (row[f"{name}{end}"] for end in ("", "_lo", "_hi"))
    text = f"{100 * value:.0f} %" if finite(value) else ABSENT
    return f"{text} [{100 * lo:.0f}, {100 * hi:.0f}]" if finite(lo) and finite(hi) else text


def sentence(*parts: str) -> str:
    """Join parts to a sentence, the first with a capital; "" without any."""
    text = " and ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
