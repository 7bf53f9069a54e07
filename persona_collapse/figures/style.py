"""One style for all figures: fonts, sizes, colours, and how a figure becomes files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_collapse.common.notation import keep_together
from persona_collapse.figures.lines import set_lines_apart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Widths of large figures in inches, for what they are drawn: the page of this project, the text of
# a NeurIPS paper, the page and one column of Nature. Sizes in points at which they print: no text
# is smaller than SMALL.
WIDTHS = {"page": 6.9, "neurips": 5.5, "nature": 7.2, "nature-column": 3.5}
TEXT_WIDTH = WIDTHS["page"]
ONE_COLUMN = 3.4  # of small figures, at most
NARROW = 4.5  # below it panels stand below each other
SMALL = 7.0
HEADING = 8.0
PNG_DPI = 300
SVG_DPI = 200  # of the parts that are drawn as pixels

# What texts are drawn and measured with: the first that is installed. Matplotlib brings the last.
FONTS = ("Arial", "Liberation Sans", "DejaVu Sans")
# What an SVG asks its reader for; the fallbacks are as wide as Arial.
FONT_STACK = "Arial, Helvetica, 'Liberation Sans', Arimo, sans-serif"

INK = "#1a1a1a"
FAINT = "#5c5c5c"
GRID = "#d9d9d9"
SHADE, DEEP_SHADE = "#e8e8e8", "#d6d6d6"
PAPER = "#ffffff"
NOTE, NOTE_PAPER = "#8a3b00", "#fff4e8"
# Text on a coloured cell, which is the same in dark mode.
ON_PALE, ON_DARK = "#000000", "#fefefe"

# Okabe and Ito's colours, distinct for all common kinds of colour vision. Without colour, the
# hatches, line styles and markers of PAINTS are distinct.
GREY, BLUE, VERMILLION = "#8c8c8c", "#0072b2", "#d55e00"
GREEN, ORANGE, SKY, PURPLE = "#009e73", "#e69f00", "#56b4e9", "#b05c92"
# Darker ones beside them, for further targets and controls (after Tol).
TEAL, NAVY, WINE, BROWN = "#44aa99", "#332288", "#882255", "#7a5c00"
PALE_COLOURS = (ORANGE, SKY, TEAL)  # too pale for letters on paper
# Greys for what is no variant: parts of a bar, causes, numbers of repetitions.
DARK, MIDDLE, LIGHT, PALE = "#404040", "#7a7a7a", "#ababab", "#d0d0d0"

# The colours that the page has in a light and a dark form, by the names of its CSS variables
# (``report/templates/figures.css``); ``INK`` is the page's own.
THEMED = {
    **{"soft": FAINT, "line": GRID, "shade": SHADE, "deep-shade": DEEP_SHADE, "paper": PAPER},
    **{"alarm": NOTE, "alarm-paper": NOTE_PAPER, "grey": GREY, "blue": BLUE},
    **{"vermillion": VERMILLION, "green": GREEN, "orange": ORANGE, "sky": SKY, "purple": PURPLE},
    **{"teal": TEAL, "navy": NAVY, "wine": WINE, "brown": BROWN},
    **{"grey-dark": DARK, "grey-middle": MIDDLE, "grey-light": LIGHT, "grey-pale": PALE},
}


@dataclass(frozen=True)
class Paint:
    """How one series looks as a bar (colour, hatch) and as a line or point (line, marker, width).

    ``width`` is the line's in points.
    """

    colour: str
    hatch: str
    line: Any
    marker: str
    width: float = 1.1


TOXIC = Paint(INK, "...", (0, (1, 1)), "x")
# What is no variant, from dark to pale; without shades the hatches differ.
NEUTRALS = (
    Paint(DARK, "", "-", "o"),
    Paint(MIDDLE, "/////", "-", "o"),
    Paint(LIGHT, "\\\\\\\\\\", "-", "o"),
    Paint(PALE, "", "-", "o"),
    Paint(DARK, "-----", "-", "o"),
)
# How variants look, by role: the first target as the first entry, and so on. No two are alike.
PAINTS = {
    "baseline": (Paint(GREY, "", "-", "o", 0.9),),
    "control": (
        Paint(BLUE, "/////", (0, (4, 1.5)), "s"),
        Paint(TEAL, "|||||", (0, (6, 1.5)), "h"),
        Paint(NAVY, "//\\\\", (0, (2, 1)), "p"),
    ),
    "target": (
        Paint(VERMILLION, "xxxxx", "-", "^", 1.6),
        Paint(WINE, "ooooo", (0, (8, 1)), "<", 1.6),
        Paint(BROWN, "*****", (0, (5, 1, 1, 1, 1, 1)), ">", 1.6),
    ),
    "other": (
        Paint(GREEN, "...", (0, (5, 1, 1, 1)), "D"),
        Paint(ORANGE, "\\\\\\\\\\", (0, (1, 1)), "v"),
        Paint(SKY, "-----", (0, (3, 1, 1, 1, 1, 1)), "P"),
        Paint(PURPLE, "+++++", (0, (2, 2)), "X"),
    ),
}

_RC: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelpad": 2.5,
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "figure.facecolor": PAPER,
    "font.size": SMALL,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,
    "savefig.dpi": PNG_DPI,
    "svg.fonttype": "none",  # text stays text: it can be searched, read out and edited
    "svg.hashsalt": "persona-collapse",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "xtick.major.pad": 2,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "xtick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": SMALL,
    "ytick.major.pad": 2,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}


@cache
def fonts() -> list[str]:
    """Return those of ``FONTS`` that are installed; matplotlib warns of any other."""
    from matplotlib.font_manager import fontManager

    known = set(fontManager.get_font_names())
    return [name for name in FONTS if name in known]


@contextmanager
def style() -> Iterator[None]:
    """Draw and save under this project's settings, whatever the user's own matplotlib ones are."""
    import matplotlib

    own: Any = {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if not key.startswith(("backend", "date.", "toolbar", "webagg"))
    }
    with matplotlib.rc_context(own | _RC | {"font.family": fonts()}):
        yield


def titled(figure: Figure, finding: str) -> Figure:
    """Return the figure with the sentence that it shows, which ``save`` writes as its title.

    Its numbers keep their units and intervals wherever a line breaks.
    """
    figure.set_label(keep_together(finding))
    return figure


def save(figure: Figure, stem: Path) -> None:
    """Write ``stem``.svg, .pdf and .png, under ``style``; equal figures give equal bytes.

    What the figure finds (``titled``) is the title in the metadata of all three.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    title = {"Title": str(figure.get_label())} if figure.get_label() else {}
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": "persona-collapse", **title},
        "pdf": {"CreationDate": None, "Creator": "persona-collapse", "Producer": None, **title},
        "png": {"Software": None, **title},
    }
    from fontTools.subset import Options  # type: ignore[import-untyped]

    # PDFs embed the letters of each font that they use. Its layout tables, which no reader of a PDF
    # looks at, would take longer to cut down than the figure takes to draw.
    known = getattr(Options, "_drop_tables_default", [])
    Options._drop_tables_default = sorted({*known, "GDEF", "GPOS", "GSUB"})
    for form in ("pdf", "png"):
        figure.savefig(os.fspath(stem) + f".{form}", format=form, metadata=metadata[form])
    set_lines_apart(figure)
    drawing = StringIO()
    figure.savefig(drawing, format="svg", dpi=SVG_DPI, metadata=metadata["svg"])
    # The letters are those of the reader's machine, not of the one that drew the figure.
    svg = re.sub(r"font-family: [^;\"]+", f"font-family: {FONT_STACK}", drawing.getvalue())
    Path(f"{os.fspath(stem)}.svg").write_text(svg, encoding="utf-8")
