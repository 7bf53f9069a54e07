"""What a reader does with the page: open, sort, enlarge, explore, download, copy, print."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import Browser
from tests.helpers.pages import HOSTILE
from tests.helpers.waiting import PATIENCE_S, until

Pages = Callable[..., Path]
STATUS = "return document.getElementById('status').textContent"
STUDIES: list[dict[str, Any]] = [
    {"models": 2},
    {"models": 1, "infinite": True},
    {"models": 12, "simulated": True},
    {"models": 2, "label": HOSTILE},
]


@pytest.mark.parametrize("study", STUDIES, ids=str)
def test_page_logs_nothing_and_requests_nothing(
    browser: Browser, pages: Pages, study: dict[str, Any]
) -> None:
    page = pages(**study)
    browser.open(page)
    for button in browser.driver.find_elements(By.CSS_SELECTOR, ".enlarge")[:1]:
        button.click()
    assert browser.logs() == []
    asked = [url for url in browser.requests() if not url.startswith("data:")]
    assert asked == [page.resolve().as_uri()]
    assert browser.run("return window.owned") is None


@pytest.mark.parametrize("width", [380, 320])
@pytest.mark.parametrize("study", STUDIES, ids=str)
def test_page_fits_a_phone(
    browser: Browser, pages: Pages, study: dict[str, Any], width: int
) -> None:
    browser.open(pages(**study), width=width)
    assert browser.run("return document.documentElement.scrollWidth") == width
    unfold(browser)
    assert browser.run("return innerWidth") == width
    assert browser.run("return document.documentElement.scrollWidth") == width
    browser.run("scrollTo(200, 0)")
    assert browser.run("return scrollX") == 0


def test_small_figures_fit_a_phone_without_scrolling(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2), width=380)
    script = (
        "return [...document.querySelectorAll('#evidence .drawing.small')]"
        ".map((svg) => [svg.getBoundingClientRect().width, svg.parentElement.scrollWidth])"
    )
    widths = browser.run(script)
    assert widths
    assert all(0 < drawn <= 380 and inside <= 380 for drawn, inside in widths)


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "unfolded"])
@pytest.mark.parametrize(("scheme", "width"), [("light", None), ("dark", None), ("light", 380)])
@pytest.mark.parametrize("study", STUDIES[::2], ids=str)
def test_page_has_no_accessibility_violation(
    browser: Browser,
    pages: Pages,
    axe: str,
    study: dict[str, Any],
    scheme: str,
    width: int | None,
    folded: bool,
) -> None:
    browser.open(pages(**study), scheme=scheme, width=width)
    if not folded:
        unfold(browser)
    dark = browser.run("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (scheme == "dark")
    browser.run(axe)
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run().then(done, (fault) => done({fault: `${fault}`}));"
    )
    assert len(found["passes"]) > 20, found
    faults = [
        (fault["id"], fault["impact"], [node["html"][:200] for node in fault["nodes"][:3]])
        for fault in found["violations"]
    ]
    assert faults == []


SIZES = [(1440, 900), (1024, 768), (380, 800)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("study", [{"models": 4, "simulated": True}, {"models": 1}], ids=str)
def test_first_screen_shows_the_answer_and_every_row(
    browser: Browser, pages: Pages, study: dict[str, Any], width: int, height: int
) -> None:
    browser.open(pages(**study), width=width, height=height)
    texts = browser.run(
        "return [...document.querySelectorAll('h1, .row:not(.head) :is(h2, .chip, .S b, .R b,"
        " .strip, .direct, .recognised)')].map((part) => ["
        " part.textContent, part.getBoundingClientRect().bottom, part.checkVisibility()])"
    )
    assert len(texts) == 1 + 8 * study["models"]
    assert [text for text, bottom, shown in texts if bottom > height or not shown] == []


def test_ten_models_fit_on_the_first_screen_of_a_desktop(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=10), width=1440, height=900)
    last = "return [...document.querySelectorAll('.row .S b')].pop().getBoundingClientRect().bottom"
    assert browser.run(last) < 900


def test_reason_folds_out_by_keyboard(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    reason = browser.driver.find_element(By.CSS_SELECTOR, ".why summary")
    sentence = browser.driver.find_element(By.CSS_SELECTOR, ".why li")
    assert not sentence.is_displayed()
    reason.send_keys(Keys.ENTER)
    assert sentence.is_displayed()


def shown(browser: Browser, selector: str) -> list[str]:
    """Return the ids of the elements that can be seen."""
    return list(
        browser.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((part) => part.checkVisibility()).map((part) => part.id)",
            selector,
        )
    )


def test_search_opens_what_holds_every_word_and_folds_it_again(
    browser: Browser, pages: Pages
) -> None:
    browser.open(pages(models=2))
    everything = shown(browser, ".chapter")
    assert shown(browser, "#appendix .entry") == []
    find = browser.driver.find_element(By.ID, "find")
    find.send_keys("unparseable MODEL 1")  # a heading of a column, and a cell
    assert shown(browser, ".chapter") == ["appendix-quality"]
    (table,) = shown(browser, "#appendix .entry")
    assert browser.driver.find_element(By.ID, table).text.startswith("Table ")
    assert browser.driver.find_element(By.ID, "found").text == "1 found"
    find.clear()
    find.send_keys("zebra")
    assert shown(browser, ".chapter") == []
    assert browser.driver.find_element(By.ID, "found").text == "Nothing found"
    find.clear()
    find.send_keys(" ")
    assert shown(browser, ".chapter") == everything
    assert shown(browser, "#appendix .entry") == []


def test_link_into_a_folded_chapter_opens_it(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    browser.run("location.hash = '#table-4'")
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: shown(browser, "#table-4"))


@pytest.mark.parametrize("width", [1440, 380])
@pytest.mark.parametrize("part", ["map", "game", "replies", "appendix", "table-4"])
def test_link_past_parts_that_are_drawn_on_the_way_leads_to_its_part(
    browser: Browser, pages: Pages, part: str, width: int
) -> None:
    browser.open(pages(models=2, replies=26), width=width, height=900)
    motion = [{"name": "prefers-reduced-motion", "value": "no-preference"}]
    browser.cdp("Emulation.setEmulatedMedia", media="", features=motion)
    browser.run("location.hash = arguments[0]", f"#{part}")
    top = "return document.getElementById(arguments[0]).getBoundingClientRect().top"
    tops: list[float] = []

    def rests() -> bool:
        """Return whether the page has not moved for half a second."""
        tops.append(browser.run(top, part))
        return len(tops) > 5 and len(set(tops[-5:])) == 1 and 0 <= tops[-1] < 300

    until(rests, every_s=0.1)


def test_rows_of_a_long_table_are_filtered(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=12))
    unfold(browser)
    table = browser.driver.find_element(By.CSS_SELECTOR, "#appendix-susceptibility .table")
    table.find_element(By.CSS_SELECTOR, "input").send_keys("MODEL secure")  # not insecure
    rows = [row for row in table.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()]
    assert [row.text.split(" ")[2] for row in rows] == ["secure"] * 12
    assert table.find_element(By.CSS_SELECTOR, ".count").text == "12 of 36 rows"


def test_head_of_a_long_table_stays_in_view(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=12))
    unfold(browser)
    tops = browser.run(
        "const box = document.querySelector('#appendix-susceptibility .table .scroll');"
        "box.scrollIntoView(); box.scrollTop = 400;"
        "const head = box.querySelector('thead th');"
        "return [box.scrollTop, head.getBoundingClientRect().top - box.getBoundingClientRect().top]"
    )
    assert tops == [400, 0]


HELP = "return help.hidden ? '' : help.textContent"


def test_columns_and_terms_are_explained_on_focus_and_hover(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    unfold(browser)
    head = browser.driver.find_element(
        By.CSS_SELECTOR, "#appendix-susceptibility th:nth-child(3) button"
    )
    head.send_keys(Keys.SHIFT)  # takes the focus and changes nothing
    assert browser.run(HELP).startswith("Susceptibility: mean over items")
    assert head.get_attribute("aria-describedby") == "help"
    inside = (
        "const own = help.getBoundingClientRect();"
        "return own.top >= 0 && own.bottom <= innerHeight && own.right <= innerWidth"
    )
    assert browser.run(inside)
    head.send_keys(Keys.ESCAPE)
    assert browser.run(HELP) == ""
    term = browser.driver.find_element(By.XPATH, "//dfn[text()='Holm']")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", term)
    ActionChains(browser.driver).move_to_element(term).perform()
    WebDriverWait(browser.driver, PATIENCE_S).until(
        lambda _: "any false finding" in browser.run(HELP)
    )
    ActionChains(browser.driver).move_to_element_with_offset(term, 0, 200).perform()
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: browser.run(HELP) == "")
    term.send_keys(Keys.SHIFT)
    assert "any false finding" in browser.run(HELP)


def unfold(browser: Browser) -> None:
    """Open every folded part."""
    browser.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")


def column(browser: Browser, place: int) -> list[str]:
    """Return a column's texts of the first table of metrics, top to bottom."""
    return list(
        browser.run(
            "return [...document.querySelector('#appendix-susceptibility table').tBodies[0].rows]"
            ".map((row) => row.cells[arguments[0]].textContent)",
            place,
        )
    )


def test_tables_sort_by_number_and_by_name(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=12, infinite=True))
    unfold(browser)
    table = browser.driver.find_element(By.CSS_SELECTOR, "#appendix-susceptibility table")
    heads = table.find_elements(By.CSS_SELECTOR, "thead th")
    names = [head.text for head in heads]
    robust = names.index("R")
    button = heads[robust].find_element(By.TAG_NAME, "button")
    button.click()
    assert heads[robust].get_attribute("aria-sort") == "ascending"
    up = column(browser, robust)
    values = [float(text.split(" ")[0].replace("∞", "inf")) for text in up]
    assert values == sorted(values)
    assert up[-1].startswith("∞")
    button.send_keys(Keys.ENTER)
    assert heads[robust].get_attribute("aria-sort") == "descending"
    values = [float(text.split(" ")[0].replace("∞", "inf")) for text in column(browser, robust)]
    assert values == sorted(values, reverse=True)
    heads[0].find_element(By.TAG_NAME, "button").click()
    assert heads[robust].get_attribute("aria-sort") is None
    models = column(browser, 0)
    assert models == [f"Model {place}" for place in range(12) for _ in range(3)]


def test_rows_without_a_number_sort_last(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2, infinite=True))
    unfold(browser)
    heads = browser.driver.find_elements(
        By.CSS_SELECTOR, "#appendix-susceptibility table:first-of-type th"
    )
    place = [head.text for head in heads].index("95 % interval of R")
    for _ in range(2):
        heads[place].find_element(By.TAG_NAME, "button").click()
        assert column(browser, place)[-1] == "–"


def test_figures_enlarge_and_close_by_keyboard(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    button = browser.driver.find_element(By.CSS_SELECTOR, "#figure-1 .enlarge")
    button.send_keys(Keys.ENTER)
    assert browser.run("return viewer.open")
    shown = browser.driver.find_element(By.CSS_SELECTOR, "#viewer .drawing")
    assert shown.get_attribute("aria-label") == "What verdict shows"
    assert shown.size["width"] > 1000
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.run("return viewer.open")
    assert browser.driver.switch_to.active_element == button
    back = "return !!document.querySelector('#figure-1 .drawing')"
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: browser.run(back))


def test_enlarged_figure_is_wider_than_the_screen_of_a_phone(
    browser: Browser, pages: Pages
) -> None:
    browser.open(pages(models=2), width=380)
    before = browser.driver.find_element(By.CSS_SELECTOR, "#figure-1 .drawing").size["width"]
    browser.driver.find_element(By.CSS_SELECTOR, "#figure-1 .enlarge").click()
    shown = browser.driver.find_element(By.CSS_SELECTOR, "#viewer .drawing").size["width"]
    assert shown > max(before, 380)
    browser.driver.find_element(By.CSS_SELECTOR, "#viewer button").click()
    assert not browser.run("return viewer.open")


def test_tables_download_at_full_precision(browser: Browser, pages: Pages) -> None:
    page = pages(models=2)
    browser.open(page)
    unfold(browser)
    button = browser.driver.find_element(By.CSS_SELECTOR, "[data-csv=quality]")
    browser.run("arguments[0].click()", button)
    target = browser.downloaded("quality.csv")
    source = page.parent.parent / "tables" / "quality.csv"
    assert target.read_text(encoding="utf-8") == source.read_text(encoding="utf-8")


def test_bibtex_can_be_copied(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    unfold(browser)
    browser.run(
        "arguments[0].click()", browser.driver.find_element(By.CSS_SELECTOR, "[data-copy=bibtex]")
    )
    assert "2605.12850" in browser.run("return getSelection().toString()")
    # The clipboard answers after the click has returned.
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: browser.run(STATUS) != "")


def test_every_control_is_reachable_by_keyboard(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=1))
    unfold(browser)
    script = (
        "return [...document.querySelectorAll('button, a, select, input, summary, dfn, .scroll')]"
        ".filter((part) => part.offsetParent && part.tabIndex < 0).map((part) => part.outerHTML)"
    )
    assert browser.run(script) == []
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to the verdict"


@pytest.mark.parametrize("study", STUDIES[::2], ids=str)
def test_page_prints_to_pdf(browser: Browser, pages: Pages, study: dict[str, Any]) -> None:
    browser.open(pages(**study), scheme="dark")
    document = base64.b64decode(browser.cdp("Page.printToPDF")["data"])
    assert document.startswith(b"%PDF")
    assert document.count(b"/Type /Page\n") + document.count(b"/Type /Page ") >= 2
    browser.cdp("Emulation.setEmulatedMedia", media="print", features=[])
    shown = browser.run(
        "return [getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('nav')).display,"
        " getComputedStyle(document.querySelector('.scroll')).overflowX]"
    )
    assert shown == ["rgb(255, 255, 255)", "none", "visible"]


def test_folded_page_is_short_on_screen_and_on_paper(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=4), width=1440, height=900)
    assert browser.run("return document.documentElement.scrollHeight") <= 12 * 900
    document = base64.b64decode(browser.cdp("Page.printToPDF")["data"])
    assert document.count(b"/Type /Page\n") + document.count(b"/Type /Page ") <= 20


def test_print_opens_reasons_and_leaves_out_what_is_folded(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=14))
    browser.cdp("Emulation.setEmulatedMedia", media="print", features=[])
    assert browser.run("return document.querySelector('.why li').checkVisibility()")
    printed = ["appendix-methods", "appendix-provenance", "appendix-cite"]
    assert shown(browser, ".chapter") == printed
    assert browser.run("return document.querySelector('#methods-text').checkVisibility()")
    browser.run("document.getElementById('appendix-susceptibility').open = true")
    assert shown(browser, ".chapter") == ["appendix-susceptibility", *printed]
    # A button's own box stays blank where Chromium repeats a header on the next page.
    style = "return getComputedStyle(document.querySelector('thead th button')).display"
    assert browser.run(style) == "contents"
    tall = browser.run(
        "return [...document.querySelectorAll('.drawing')].map((one) => one.clientHeight)"
    )
    assert max(tall) <= 105 / 25.4 * 96 + 1


def test_page_is_readable_without_javascript(
    browser: Browser, pages: Pages, tmp_path: Path
) -> None:
    source = pages(models=2).read_text(encoding="utf-8")
    still = tmp_path / "still.html"
    still.write_text(source.replace("script-src 'unsafe-inline'", "script-src 'none'"), "utf-8")
    browser.open(still)
    text = browser.driver.find_element(By.TAG_NAME, "main").text
    assert "Collapse in both models" in text
    assert "Model 0\nCollapse\n" in text
    browser.driver.find_element(By.CSS_SELECTOR, "#appendix-susceptibility summary").click()
    text = browser.driver.find_element(By.TAG_NAME, "main").text
    assert "0.800 ± 0.031" in text
    assert "Search figures" not in text
    assert "metrics.csv" not in text  # a button that could do nothing is not shown
    assert "Copy" not in text
