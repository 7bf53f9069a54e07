"""How numbers, percentages and intervals are written wherever people read them.

A change has its sign and an interval follows in brackets without plus signs: +115 % [108, 122].
"""

import math
import re
from collections.abc import Iterable
from statistics import median

MINUS, DASH, INFINITY, PLUS_MINUS, THIN = "−", "–", "∞", "±", "\u2009"
PERCENT = "\u00a0%"  # a space that breaks no line
MOST_DECIMALS = 3
# Spaces at which no line may break: before a unit, an interval's bracket or the number of a symbol,
# and around a sign of comparison.
_JOINT = re.compile(
    rf"(?<=\d) (?=%)|(?<=[\d%]) (?=\[)|(?<=\b[SRrp]) (?=[-+{MINUS}=<>\d])"
    rf"|(?<=[=<>]) (?=[-{MINUS}\d])"
)


def known(value: float | None) -> bool:
    """Return whether a value is neither missing nor infinite."""
    return value is not None and math.isfinite(value)


def decimals_for(
    values: Iterable[float | None], errors: Iterable[float | None], digits: int = 2
) -> int:
    """Return the decimals a column needs so that its median error shows ``digits`` digits.

    Without errors, integers need none and other numbers three digits of the largest.
    """
    sizes = [abs(error) for error in errors if error is not None and known(error) and error != 0]
    if sizes:
        decimals = digits - 1 - math.floor(math.log10(median(sizes)))
        return min(max(decimals, 0), MOST_DECIMALS)
    numbers = [abs(value) for value in values if value is not None and known(value)]
    largest = max(numbers, default=0)
    if largest == 0 or all(number == int(number) for number in numbers):
        return 0
    return min(max(2 - math.floor(math.log10(largest)), 0), MOST_DECIMALS)


def write(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """Write a number with typographic signs: −0.12, +55, ∞, and – for a missing one."""
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        text = f"{value:+}".replace("inf", INFINITY)
    else:
        text = f"{value:+,.{decimals}f}" if abs(value) >= 10_000 else f"{value:+.{decimals}f}"
        text = text.replace(",", THIN)
        if not text.strip("+-0."):
            return text[1:]  # a zero has no sign
    if text[0] == "-":
        return MINUS + text[1:]
    return text if signed else text[1:]


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return names as a list in a sentence: ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def write_interval(lo: float | None, hi: float | None, decimals: int) -> str:
    """Write ``[lo, hi]``, or nothing where both ends are missing; only minus signs are written."""
    if lo is None and hi is None:
        return ""
    return f"[{', '.join(write(end, decimals) for end in (lo, hi))}]"


def write_change(
    value: float | None, lo: float | None, hi: float | None, decimals: int = 0
) -> tuple[str, str]:
    """Write a percent change and its 95 % interval: ``+115 %`` and ``[108, 122]``."""
    if value is None or math.isnan(value):
        return DASH, ""
    return f"{write(value, decimals, signed=True)}{PERCENT}", write_interval(lo, hi, decimals)


def keep_together(text: str) -> str:
    """Return a sentence whose lines break neither inside an interval nor between number and unit.

    ``S +115 % [108, 122]`` and ``p < 0.05`` stay on one line.
    """
    text = re.sub(r"\[[^\[\]]*\]", lambda interval: interval[0].replace(" ", "\u00a0"), text)
    return _JOINT.sub("\u00a0", text)


def write_p(value: float | None) -> str:
    """Write a p value with three decimals, ``< 0.001`` below them."""
    if value is None or math.isnan(value):
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
