"""Figures follow the page's colours and come out of it as files, from a page opened as a file."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from persona_collapse.figures.planes import robustness_map
from persona_collapse.figures.style import THEMED, save, style
from persona_collapse.report.page import build_page
from tests.browser.conftest import Browser
from tests.helpers.figures_data import contrasts_of, look_of, metrics_of
from tests.helpers.pages import write_study

INK = (
    "return getComputedStyle([...document.querySelectorAll('#figure-1 .drawing text')]"
    ".find((text) => text.textContent.startsWith('Robustness'))).fill"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose evidence is a real figure, and an appendix without its files."""
    folder = tmp_path_factory.mktemp("study")
    study = write_study(folder, models=2)
    metrics = metrics_of(2, 3)
    with style():
        figure = robustness_map(metrics, contrasts_of(metrics), look_of(2, 3))
        save(figure, folder / "figures" / "robustness_map")
    first = study["figures"][0] | {"stem": str(folder / "figures" / "robustness_map")}
    target = folder / "report" / "index.html"
    build_page(target, **study | {"figures": [first, *study["figures"][1:]]})
    return target


def click(browser: Browser, selector: str) -> None:
    browser.driver.find_element(By.CSS_SELECTOR, f"#figure-1 {selector}").click()


def test_ink_of_a_figure_is_the_page_s_in_both_schemes(browser: Browser, page: Path) -> None:
    for scheme in ("light", "dark"):
        browser.open(page, scheme=scheme)
        assert browser.run(INK) == browser.run("return getComputedStyle(document.body).color")
    blue = "return getComputedStyle(document.documentElement).getPropertyValue('--blue')"
    assert browser.run(blue) != THEMED["blue"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_svg_is_downloaded_in_the_colours_of_paper(
    browser: Browser, page: Path, scheme: str
) -> None:
    browser.open(page, scheme=scheme)
    click(browser, "[data-svg]")
    path = browser.downloaded("robustness_map.svg")
    text = path.read_text(encoding="utf-8")
    path.unlink()
    root = ElementTree.fromstring(text)
    assert root.get("width") == "496.8pt"
    assert "var(" not in text
    assert "currentColor" not in text
    assert {THEMED["vermillion"], THEMED["blue"], "#1a1a1a"} <= set(_colours(text))
    assert "Robustness R (log scale)" in {one.text for one in root.iter()}
    assert browser.logs() == []


def _colours(text: str) -> list[str]:
    return [part[:7] for part in text.replace("#", "\n#").split("\n")]


def test_png_is_painted_at_300_dots_per_inch_on_white(browser: Browser, page: Path) -> None:
    browser.open(page, scheme="dark")
    click(browser, "[data-png]")
    path = browser.downloaded("robustness_map.png")
    image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    path.unlink()
    assert image.width == 2070  # 6.9 inches
    assert image.getpixel((2, 2)) == (255, 255, 255)
    colours = {colour for _, colour in image.getcolors(1_000_000) or []}
    assert {(0xD5, 0x5E, 0x00), (0x1A, 0x1A, 0x1A)} <= colours
    assert browser.logs() == []


def test_pdf_is_downloaded_from_the_page(browser: Browser, page: Path) -> None:
    browser.open(page)
    click(browser, "[data-pdf]")
    path = browser.downloaded("robustness_map.pdf")
    assert path.read_bytes() == (page.parent.parent / "figures/robustness_map.pdf").read_bytes()


def test_figure_scrolls_on_a_phone_at_a_size_that_can_be_read(browser: Browser, page: Path) -> None:
    browser.open(page, width=380)
    size = "return document.querySelector('#figure-1 .drawing text').getBoundingClientRect().height"
    assert browser.run(size) >= 9
    assert browser.run("return document.documentElement.scrollWidth") == 380
    wide = "return document.querySelector('#figure-1 .scroll').matches('.wide')"
    WebDriverWait(browser.driver, 10).until(lambda _: browser.run(wide))
    browser.open(page, width=1440)
    WebDriverWait(browser.driver, 10).until(lambda _: not browser.run(wide))
