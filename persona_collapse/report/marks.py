"""Shapes of variants on the page, the same ones that the figures use for their markers."""

from __future__ import annotations

from persona_collapse.figures.look import Look

# SVG paths around the origin, about 10 px across.
PATHS = {
    "o": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "s": "M-4-4h8v8h-8z",
    "^": "M0-5L5.2 4H-5.2z",
    "v": "M0 5L5.2-4H-5.2z",
}
DIAMOND = "M0-5.5L5.5 0L0 5.5L-5.5 0z"


def marks_of(look: Look) -> dict[str, dict[str, str]]:
    """Return colour and path of each variant, in the study's order."""
    paints = {variant: look.paint(variant) for variant in look.variants}
    return {
        variant: {"colour": paint.colour, "path": PATHS.get(paint.marker, DIAMOND)}
        for variant, paint in paints.items()
    }
