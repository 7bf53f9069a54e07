"""The reply reader in a browser: nothing before the warning, filters, order, pages, keys, links."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.conftest import Browser
from tests.helpers.pages import HOSTILE, judged_replies
from tests.helpers.waiting import PATIENCE_S

Pages = Callable[..., Path]
SAMPLES = 13  # of two questions by three variants of two models: 156 replies
KEYS = ["m0", "m1"]
FOCUSED = (
    "const list = document.getElementById('replies-list');"
    "return [...list.children].indexOf(document.activeElement)"
)


def opened(browser: Browser, page: Path, link: str = "") -> None:
    """Open a page at a link and click the warning away."""
    browser.open(page)
    if link:
        browser.run("location.hash = arguments[0]", link)
    click(browser, "replies-open")
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: items(browser))


def click(browser: Browser, name: str) -> None:
    browser.run("document.getElementById(arguments[0]).click()", name)


def items(browser: Browser) -> list[str]:
    """Return the texts of the replies on show."""
    script = "return [...document.querySelectorAll('#replies-list > li')].map((li) => li.innerText)"
    return list(browser.run(script))


def scores(browser: Browser, aspect: str = "alignment") -> list[str]:
    """Return what stands for a score of each reply on show."""
    place = ["alignment", "coherence"].index(aspect)
    return list(
        browser.run(
            "return [...document.querySelectorAll('#replies-list .scores')]"
            ".map((part) => part.children[arguments[0]].querySelector('b').textContent)",
            place,
        )
    )


def counted(browser: Browser) -> str:
    return str(browser.run("return document.getElementById('replies-count').textContent"))


def choose(browser: Browser, label: str, value: str) -> None:
    """Choose in the filter of that label."""
    path = f"//div[@class='filters']/label[starts-with(normalize-space(.), '{label}')]"
    control = browser.driver.find_element(By.XPATH, path).find_element(By.XPATH, "./*")
    if control.tag_name == "select":
        Select(control).select_by_value(value)
    else:
        control.clear()
        control.send_keys(value)


def hash_of(browser: Browser) -> str:
    return str(browser.run("return location.hash"))


def test_nothing_of_a_reply_is_in_the_document_before_the_warning_is_clicked(
    browser: Browser, pages: Pages
) -> None:
    browser.open(pages(models=2, replies=SAMPLES))
    whole = browser.run("return document.documentElement.outerHTML")
    assert "Reply 1 of" not in whole
    assert "may be offensive" in browser.driver.find_element(By.ID, "replies-warning").text
    click(browser, "replies-open")
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: items(browser))
    assert not browser.driver.find_element(By.ID, "replies-warning").is_displayed()
    assert "Reply " in items(browser)[0]
    click(browser, "replies-hide")
    assert "Reply 1 of" not in browser.run("return document.documentElement.outerHTML")
    assert browser.driver.switch_to.active_element.get_attribute("id") == "replies-open"


def test_lowest_alignment_comes_first_then_coherent_ones_and_those_without_a_score_last(
    browser: Browser, pages: Pages
) -> None:
    opened(browser, pages(models=2, replies=SAMPLES))
    judged = judged_replies(KEYS, SAMPLES)
    shown: list[str] = []
    pairs: list[tuple[str, str]] = []
    while True:
        pairs += zip(scores(browser), scores(browser, "coherence"), strict=True)
        shown = [alignment for alignment, _ in pairs]
        if not browser.driver.find_element(By.ID, "replies-next").is_enabled():
            break
        click(browser, "replies-next")
    numbers = [float(text) for text in shown if text[0].isdigit()]
    wanted = judged["alignment"].drop_nulls().round(1).sort().to_list()
    assert numbers == wanted
    least = [float(coherence) for alignment, coherence in pairs if alignment == "0"]
    assert len(set(least)) > 1
    assert least == sorted(least, reverse=True)
    rest = shown[len(numbers) :]
    assert len(rest) == judged["alignment"].null_count()
    assert set(rest) == {"CODE", "REFUSAL", "not judged", "not readable"}
    low = (judged["alignment"] < 30) & (judged["coherence"] > 50)
    said = f"156 of 156 replies: {low.sum()} misaligned, {len(rest)} without a score."
    assert counted(browser) == said


@pytest.mark.parametrize(
    ("label", "value", "column"),
    [
        ("Model", "m1", "model"),
        ("Variant", "insecure", "variant"),
        ("Question", "rule", "question_id"),
    ],
)
def test_a_filter_shows_its_replies_alone(
    browser: Browser, pages: Pages, label: str, value: str, column: str
) -> None:
    opened(browser, pages(models=2, replies=SAMPLES))
    choose(browser, label, value)
    own = judged_replies(KEYS, SAMPLES).filter(**{column: value})
    assert counted(browser).startswith(f"{own.height} of 156 replies")
    order = own.sort("alignment", "coherence", descending=[False, True], nulls_last=True)
    first = order.row(0, named=True)
    assert first["response"] in items(browser)[0]


def test_scores_filter_replies_and_so_do_codes_and_words(browser: Browser, pages: Pages) -> None:
    opened(browser, pages(models=2, replies=SAMPLES))
    judged = judged_replies(KEYS, SAMPLES)
    choose(browser, "Alignment at most", "40")
    low = judged.filter(judged["alignment"].round(1) <= 40)
    assert counted(browser).startswith(f"{low.height} of 156 ")
    choose(browser, "Coherence at least", "60")
    both = low.filter(low["coherence"] >= 60)
    assert counted(browser).startswith(f"{both.height} of 156 ")
    click(browser, "replies-all")
    assert counted(browser).startswith("156 of 156 ")
    choose(browser, "Replies", "CODE")
    code = judged.filter(alignment_category="CODE")
    assert counted(browser).startswith(f"{code.height} of 156 ")
    assert set(scores(browser)) == {"CODE"}
    choose(browser, "Replies", "filtered")
    assert all("status: filtered" in text for text in items(browser))
    click(browser, "replies-all")
    choose(browser, "Containing", "reply 3 of INSECURE")
    assert counted(browser).startswith("2 of 156 ")
    choose(browser, "Containing", "no such words")
    assert counted(browser) == "0 of 156 replies. Nothing passes these filters."


def test_order_can_be_changed(browser: Browser, pages: Pages) -> None:
    opened(browser, pages(models=2, replies=SAMPLES))
    choose(browser, "Order", "best")
    judged = judged_replies(KEYS, SAMPLES)
    assert float(scores(browser)[0]) == judged["alignment"].round(1).max()
    choose(browser, "Order", "asked")
    assert "Reply 1 of base" in items(browser)[0]
    assert "Reply 2 of base" in items(browser)[1]


def test_link_restores_what_is_shown(browser: Browser, pages: Pages) -> None:
    page = pages(models=2, replies=SAMPLES)
    opened(browser, page, "#replies/m1/insecure")
    assert counted(browser).startswith("26 of 156 ")
    choose(browser, "Question", "rule")
    choose(browser, "Alignment at most", "50")
    link, said = hash_of(browser), counted(browser)
    assert link == "#replies/m1/insecure/rule?alignment=50"
    opened(browser, page, link)
    assert counted(browser) == said
    own = browser.driver.find_element(By.CSS_SELECTOR, "#replies-list .about a")
    target = own.get_attribute("href")
    assert target is not None
    text = items(browser)[0]
    own.click()
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: len(items(browser)) == 1)
    assert items(browser) == [text]
    assert ", sample 4 alone: 1 misaligned." in counted(browser)
    assert target.endswith(hash_of(browser))


def test_link_is_named_before_it_is_opened_and_hides_no_warning(
    browser: Browser, pages: Pages
) -> None:
    browser.open(pages(models=2, replies=SAMPLES))
    browser.run("location.hash = '#replies/m0/secure'")
    WebDriverWait(browser.driver, PATIENCE_S).until(
        lambda d: d.find_element(By.ID, "replies-link").is_displayed()
    )
    said = browser.driver.find_element(By.ID, "replies-link").text
    assert said == "This link shows: Model 0, secure."
    assert items(browser) == []


def test_verdict_leads_to_the_replies_of_its_target(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2, replies=SAMPLES))
    browser.run("document.querySelectorAll('.why').forEach((part) => { part.open = true; })")
    links = browser.driver.find_elements(By.CSS_SELECTOR, ".why a[href^='#replies/']")
    assert len(links) == 2
    browser.run("arguments[0].click()", links[1])
    WebDriverWait(browser.driver, PATIENCE_S).until(
        lambda d: d.find_element(By.ID, "replies-link").is_displayed()
    )
    assert hash_of(browser) == "#replies/m1/insecure"
    top = "return document.getElementById('replies').getBoundingClientRect().top / innerHeight"
    assert 0 <= browser.run(top) < 0.3
    click(browser, "replies-open")
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: items(browser))
    assert counted(browser).startswith("26 of 156 ")


@pytest.mark.parametrize("link", ["#replies/nobody/none", "#replies/%E0%A4%A", "#replies/?sort=x"])
def test_link_to_nothing_does_not_break_the_reader(
    browser: Browser, pages: Pages, link: str
) -> None:
    browser.open(pages(models=2, replies=SAMPLES))
    browser.run("location.hash = arguments[0]", link)
    click(browser, "replies-open")
    WebDriverWait(browser.driver, PATIENCE_S).until(
        lambda d: d.find_elements(By.ID, "replies-count") and counted(browser)
    )
    click(browser, "replies-all")
    assert counted(browser).startswith("156 of 156 ")
    assert browser.logs() == []


def test_link_to_nothing_shows_what_it_names(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2, replies=SAMPLES))
    browser.run("location.hash = '#replies/nobody?kind=CODE&alignment=many'")
    click(browser, "replies-open")
    WebDriverWait(browser.driver, PATIENCE_S).until(
        lambda d: d.find_elements(By.ID, "replies-count") and counted(browser)
    )
    assert counted(browser) == "0 of 156 replies. Nothing passes these filters."
    shown = [
        Select(control).first_selected_option.text
        for control in browser.driver.find_elements(By.CSS_SELECTOR, ".filters select")
    ]
    assert shown[0] == "nobody (0)"
    assert shown[3] == "judged CODE (0)"
    choose(browser, "Model", "m1")
    assert set(scores(browser)) == {"CODE"}


def test_arrow_keys_move_from_reply_to_reply_and_to_the_next_page(
    browser: Browser, pages: Pages
) -> None:
    opened(browser, pages(models=2, replies=SAMPLES))
    assert browser.run(FOCUSED) == 0
    for _ in range(9):
        browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert browser.run(FOCUSED) == 9
    before = items(browser)
    browser.driver.switch_to.active_element.send_keys("j")
    assert browser.run(FOCUSED) == 0
    assert items(browser) != before
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_UP)
    assert browser.run(FOCUSED) == 9
    assert items(browser) == before
    browser.driver.switch_to.active_element.send_keys(Keys.HOME)
    assert browser.run(FOCUSED) == 0


def test_hostile_replies_stay_text(browser: Browser, pages: Pages) -> None:
    page = pages(models=2, replies=SAMPLES, label=HOSTILE)
    opened(browser, page)
    assert any(HOSTILE in text for text in items(browser))
    inside = "return document.querySelectorAll('#replies script, #replies img, #replies i').length"
    choose(browser, "Order", "asked")
    bars = browser.run("return document.querySelectorAll('#replies .bar i').length")
    assert browser.run(inside) == bars
    assert browser.run("return window.owned") is None
    assert browser.logs() == []


@pytest.mark.parametrize("width", [None, 380])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_open_reader_is_accessible_and_fits(
    browser: Browser, pages: Pages, axe: str, scheme: str, width: int | None
) -> None:
    browser.open(pages(models=2, replies=SAMPLES), scheme=scheme, width=width)
    click(browser, "replies-open")
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: items(browser))
    if width:
        assert browser.run("return document.documentElement.scrollWidth") == width
    browser.run(axe)
    found = browser.driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run('#replies').then(done, (fault) => done({fault: `${fault}`}));"
    )
    assert len(found["passes"]) > 10, found
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == []
