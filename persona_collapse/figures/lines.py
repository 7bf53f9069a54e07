"""Texts of several lines in an SVG: each line says where its middle or its end is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DESCENT = 0.23  # of a line below its letters, over the size of the font


def set_lines_apart(figure: Figure) -> None:
    """Replace every centred or right-aligned text of several lines by a text for each line.

    Matplotlib would write where each line starts in the font that it drew with. An SVG is read with
    other fonts, in which the lines would then neither be centred nor end together. The figure must
    have been drawn.
    """
    from matplotlib.backends import backend_agg
    from matplotlib.text import Text

    width, height = figure.bbox.size
    # Not the renderer of the last file, whose resolution differs.
    renderer: Any = backend_agg.RendererAgg(width, height, figure.dpi)  # type: ignore[no-untyped-call]
    for text in figure.findobj(Text):
        lines, side = text.get_text().split("\n"), text.get_horizontalalignment()
        if len(lines) == 1 or side == "left" or text.get_rotation() or not text.get_visible():
            continue
        box = text.get_window_extent(renderer)
        x = box.x1 if side == "right" else (box.x0 + box.x1) / 2
        text.set_text(lines[0])
        tall = text.get_window_extent(renderer).height  # of one line
        step = (box.height - tall) / (len(lines) - 1)
        first = box.y1 - tall + _DESCENT * float(text.get_fontsize()) * figure.dpi / 72
        style: dict[str, Any] = {"color": text.get_color(), "ha": side, "va": "baseline"}
        for place, line in enumerate(lines):
            at = x / width, (first - place * step) / height
            figure.text(*at, line, fontproperties=text.get_fontproperties(), **style)
        text.set_visible(False)
