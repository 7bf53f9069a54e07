"""Figures are embedded as drawn, in the page's colours, with names of their own."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as MplPath

from persona_collapse.common.errors import UserError
from persona_collapse.figures.style import INK, PAPER, THEMED, VERMILLION, save, style, titled
from persona_collapse.report.pictures import LARGEST, picture
from persona_collapse.report.rendering import TEMPLATES
from tests.helpers.pages import SVG


@pytest.fixture
def stem(tmp_path: Path) -> str:
    """A bar with a hatch, a clipped line and a text whose letters mean something in markup."""
    with style():
        figure = Figure(figsize=(2, 1))
        axes = figure.add_axes((0.2, 0.2, 0.7, 0.7))
        axes.bar(1, 2, color=VERMILLION, hatch="xx", hatchcolor=PAPER)
        axes.plot([0, 3], [0, 9], color=INK)
        axes.text(0, 1, "a < b & #1a1a1a", color=INK)
        save(titled(figure, "It rose."), tmp_path / "one")
    return str(tmp_path / "one")


def test_ink_and_palette_are_the_page_s_and_texts_stay_as_they_are(stem: str) -> None:
    shown = picture(stem, 3)
    assert (shown.finding, shown.width, shown.view) == ("It rose.", 238, "0 0 144 72")
    assert "a &lt; b &amp; #1a1a1a</text>" in shown.shapes
    sheet = shown.shapes.partition("</style>")[0]
    assert "stroke:currentColor" in sheet
    assert "fill:var(--vermillion)" in sheet
    assert INK not in sheet
    assert VERMILLION not in shown.shapes
    assert PAPER not in shown.shapes


def test_ids_of_two_pictures_differ_and_every_reference_has_its_target(stem: str) -> None:
    found = []
    for number in (1, 12):
        shapes = picture(stem, number).shapes
        ids = set(re.findall(r'\bid="([^"]+)"', shapes))
        used = {a or b for a, b in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', shapes)}
        assert ids == used
        assert len(ids) >= 3  # a hatch, a clip path and the ticks
        found.append(ids | set(re.findall(r"\.(f[\w-]+){", shapes)))
    assert not found[0] & found[1]


def test_nothing_but_shapes_is_taken_from_a_file(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script><foreignObject/><g onclick='x()'><path d='M 0 0'/></g>"
    (tmp_path / "x.svg").write_text(SVG.replace("</svg>", f"{hostile}</svg>"), "utf-8")
    shapes = picture(str(tmp_path / "x"), 1).shapes
    assert 'd="M0 0"' in shapes
    assert not re.search("script|alert|foreign|onclick", shapes)


def test_dots_of_a_path_are_short_lines_of_no_length(tmp_path: Path) -> None:
    places = np.arange(40.0).reshape(20, 2) / 40
    path = MplPath(np.repeat(places, 2, axis=0), [MplPath.MOVETO, MplPath.LINETO] * 20)
    with style():
        figure = Figure(figsize=(2, 1))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.add_patch(PathPatch(path, capstyle="round", facecolor="none", edgecolor=INK))
        save(figure, tmp_path / "dots")
    shapes = picture(str(tmp_path / "dots"), 1).shapes
    (dots,) = re.findall(r'd="((?:M[\d.]+ [\d.]+h0)+)"', shapes)
    assert dots.count("h0") == 20
    assert dots.startswith("M0 70.2h0M7.2 66.6h0")


def test_large_figure_is_embedded_as_png(tmp_path: Path) -> None:
    stem = tmp_path / "figure"
    many = '<path d="M 0 0"/>' * (LARGEST // 10)
    stem.with_suffix(".svg").write_text(SVG.replace("</svg>", f"{many}</svg>"), encoding="utf-8")
    assert picture(str(stem), 1).image == ""  # there is no PNG
    stem.with_suffix(".png").write_bytes(b"png")
    shown = picture(str(stem), 1)
    assert shown.image == f"data:image/png;base64,{base64.b64encode(b'png').decode()}"
    assert shown.shapes == ""
    stem.with_suffix(".svg").write_text(SVG, encoding="utf-8")
    assert (picture(str(stem), 1).width, picture(str(stem), 1).image) == (330, "")


def test_file_that_is_no_svg_is_a_fault_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text("<svg", encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.svg: the figure is no SVG .*make it again"):
        picture(str(tmp_path / "x"), 1)


def test_style_sheet_has_every_colour_of_figures_as_on_paper() -> None:
    sheet = (TEMPLATES / "figures.css").read_text(encoding="utf-8")
    light = sheet.partition("@media")[0]
    declared = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    assert declared == {**THEMED, "ink": INK}
    dark = sheet.partition("prefers-color-scheme: dark")[2].partition("figure {")[0]
    paper = luminance("#17181b") + 0.05
    for name, colour in re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark):
        if "shade" not in name:
            assert (luminance(colour) + 0.05) / paper >= 3, name


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2) of a colour."""
    channels = matplotlib.colors.to_rgb(colour)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_wide_page_can_reduce_texts_that_are_larger_than_headings(tmp_path: Path) -> None:
    with style():
        figure = Figure(figsize=(2, 1))
        for size in (7, 8, 9.5):
            figure.text(0.1, size / 10, f"{size} points", fontsize=size)
        save(figure, tmp_path / "one")
    sheet = picture(str(tmp_path / "one"), 1).shapes.partition("</style>")[0]
    assert set(re.findall("font-size:([^;]+)", sheet)) == {
        *("7px", "8px", "calc(9.5px*var(--text,1))")
    }
