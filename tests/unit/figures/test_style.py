"""Files of figures are reproducible, and keep their texts and their title."""

from __future__ import annotations

import logging
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from persona_collapse.figures.planes import robustness_map
from persona_collapse.figures.style import FONT_STACK, FONTS, save, style, titled
from tests.helpers.figures_data import contrasts_of, look_of, metrics_of


def drawn() -> Figure:
    metrics = metrics_of(4, 3)
    return robustness_map(metrics, contrasts_of(metrics), look_of(4, 3))


def test_files_are_reproducible_whatever_the_users_settings(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with style():
            save(drawn(), tmp_path / name / "map")
        matplotlib.rcParams.update({"font.size": 20, "axes.grid": True, "svg.fonttype": "none"})
    matplotlib.rcdefaults()
    for form in ("svg", "pdf", "png"):
        first, second = (tmp_path / name / f"map.{form}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 1000
    assert b"<dc:date>" not in (tmp_path / "one" / "map.svg").read_bytes()


def test_finding_is_the_title_of_all_files(tmp_path: Path) -> None:
    with style():
        save(titled(drawn(), "S rose by 3 % & \u2212R fell."), tmp_path / "map")
    svg = (tmp_path / "map.svg").read_text("utf-8")
    assert "<dc:title>S rose by 3\u00a0% &amp; \u2212R fell.</dc:title>" in svg
    assert Image.open(tmp_path / "map.png").info["Title"] == "S rose by 3\u00a0% & \u2212R fell."
    assert b"/Title" in (tmp_path / "map.pdf").read_bytes()


def test_texts_of_an_svg_are_texts_in_fonts_that_its_readers_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "matplotlib"), style():
        save(drawn(), tmp_path / "map")
    assert "findfont" not in caplog.text
    svg = (tmp_path / "map.svg").read_text("utf-8")
    assert ">Robustness R (log scale)</text>" in svg
    assert f"font-family: {FONT_STACK}" in svg
    assert f"'{FONTS[-1]}'" not in svg


@pytest.mark.parametrize(("side", "anchor"), [("right", "end"), ("center", "middle")])
def test_each_line_of_a_text_in_an_svg_is_aligned_in_any_font(
    tmp_path: Path, side: str, anchor: str
) -> None:
    with style():
        figure = Figure(figsize=(2, 1))
        figure.text(0.8, 0.5, "a long line\nshort", ha=side, va="center", fontsize=10)
        save(figure, tmp_path / "two")
    root = ElementTree.fromstring((tmp_path / "two.svg").read_text("utf-8"))
    texts = [one for one in root.iter() if one.tag.endswith("}text")]
    assert [one.text for one in texts] == ["a long line", "short"]
    assert {one.get("x") for one in texts} == {f"{0.8 * 144:g}"}
    assert all(f"text-anchor: {anchor}" in str(one.get("style")) for one in texts)
    first, second = (float(str(one.get("y"))) for one in texts)
    assert 10 < second - first < 15  # points, of a font of ten
    assert first < 36 < second
