"""The explorer, the persona map and the game: what is drawn is what was answered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.conftest import Browser
from tests.helpers.pages import VARIANTS
from tests.helpers.waiting import PATIENCE_S

Pages = Callable[..., Path]
LEFT, WIDE = 14, 220  # of a strip, as in templates/answers.js


def visit(browser: Browser, page: Path, address: str = "") -> None:
    """Open a page at an address and wait until the explorer has drawn its items."""
    browser.open(page)
    if address:
        browser.run("location.hash = arguments[0]", address)
    else:
        browser.run("document.getElementById('explorer').scrollIntoView()")
    settled(browser)


def settled(browser: Browser) -> None:
    """Wait until items or a fault are there."""
    script = "return document.querySelector('#explorer-items li, #explorer-fault:not(:empty)')"
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: browser.run(script))


def persona(browser: Browser, text: str) -> None:
    """Wait until the explorer shows a persona that is called so."""
    script = "return document.getElementById('explorer-persona').textContent"
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: browser.run(script).startswith(text))


def element(browser: Browser, identifier: str) -> Any:
    return browser.driver.find_element(By.ID, identifier)


def drawn(browser: Browser) -> dict[tuple[int, str], dict[str, Any]]:
    """Return x of dots and outcomes of crosses in the explorer, by item id and variant."""
    rows = browser.run(
        "return [...document.querySelectorAll('#explorer-items li')].flatMap((item) =>"
        " [...item.querySelectorAll('.lane')].map((lane) => [Number(item.dataset.item),"
        " lane.dataset.variant, [...lane.querySelectorAll('.dot')].map((dot) =>"
        " [Number(dot.dataset.run), dot.getAttribute('transform')]),"
        " [...lane.querySelectorAll('.none')].map((cross) => cross.dataset.outcome)]))"
    )
    return {
        (item, variant): {
            "dots": {run: float(re.findall(r"[\d.]+", place)[0]) for run, place in dots},
            "none": Counter(none),
        }
        for item, variant, dots, none in rows
    }


def parquet(page: Path, model: str, variant: str, probe: str, who: int | None) -> pl.DataFrame:
    path = page.parents[1] / "answers" / model / variant / f"{probe}.parquet"
    frame = pl.read_parquet(path)
    return frame.filter(pl.col("persona_id").eq_missing(pl.lit(who)))


def check_marks(browser: Browser, page: Path, probe: str, who: int | None, runs: int = 5) -> None:
    """Compare every mark of the explorer with the answers' Parquet: ratings, runs, outcomes."""
    found = drawn(browser)
    low, high = found and scale_of(page)
    step = WIDE / (high - low)
    for variant in VARIANTS:
        answers = parquet(page, "m0", variant, probe, who)
        for item in range(1, 7):
            own = answers.filter(item_id=item)
            marks = found[item, variant]
            rated = own.filter(pl.col("rating").is_not_null())
            assert sorted(marks["dots"]) == sorted(rated["repetition"])
            for run, rating in rated.select("repetition", "rating").iter_rows():
                at = LEFT + (rating - low) * step
                # Equal ratings of a short scale stand beside each other, around their line.
                assert abs(marks["dots"][run] - at) <= (13 if step > 12 else 0.1)
            outcomes = Counter(own.filter(pl.col("rating").is_null())["status"])
            outcomes["missing"] = runs - own.height
            assert marks["none"] == +outcomes


def scale_of(page: Path) -> tuple[int, int]:
    text = page.read_text(encoding="utf-8")
    match = re.search(r'"scale":\[(\d+),(\d+)\]', text)
    assert match is not None
    return int(match[1]), int(match[2])


@pytest.mark.parametrize("scale", [(0, 5), (1, 7), (0, 100)], ids=str)
@pytest.mark.parametrize("who", [0, 3])
def test_marks_are_the_answers_of_the_parquet_files(
    browser: Browser, pages: Pages, scale: tuple[int, int], who: int
) -> None:
    page = pages(models=2, scale=scale)
    visit(browser, page, f"#explorer/m0/{who}")
    persona(browser, f"Persona {who} ")
    check_marks(browser, page, "roleplay", who)
    wavering = element(browser, "explorer-wavering").text
    for variant in VARIANTS:
        cells = parquet(page, "m0", variant, "roleplay", who).group_by("item_id")
        sd = cells.agg(pl.col("rating").std())["rating"].mean()
        assert f"{sd:.2f}" in wavering
    text = browser.run("return document.querySelector('#explorer-items').textContent")
    for status in ("refused", "filtered", "unparseable", "error", "missing"):
        assert (f", 1 {status}" in text) == (who == 3)
    none = browser.run("return document.querySelectorAll('#explorer-items .none').length")
    assert none == (5 if who == 3 else 0)
    assert browser.logs() == []


def test_answers_without_a_persona_are_shown_as_a_persona_of_their_own(
    browser: Browser, pages: Pages
) -> None:
    page = pages(models=2)
    visit(browser, page, "#explorer/m0/unconditioned")
    persona(browser, "Without a persona · Model 0")
    check_marks(browser, page, "unconditioned", None)


def test_one_repetition_is_one_mark_without_an_sd(browser: Browser, pages: Pages) -> None:
    page = pages(models=1, repetitions=1)
    visit(browser, page, "#explorer/m0/2")
    check_marks(browser, page, "roleplay", 2, runs=1)
    assert "±" not in browser.run(
        "return document.querySelector('#explorer-items .values').textContent"
    )


def test_many_repetitions_are_bars_of_their_shares(browser: Browser, pages: Pages) -> None:
    page = pages(models=1, repetitions=40)
    visit(browser, page, "#explorer/m0/0")
    answers = parquet(page, "m0", "insecure", "roleplay", 0).filter(item_id=1)
    counts = Counter(answers["rating"])
    tall = browser.run(
        'return [...document.querySelectorAll(\'#explorer-items li[data-item="1"]'
        " [data-variant=insecure] .weight')].map((bar) => Number(bar.getAttribute('height')))"
    )
    most = max(counts.values())
    assert tall == pytest.approx([17 * counts[rating] / most for rating in sorted(counts)])


def test_log_probabilities_are_bars_and_an_sd_of_the_distribution(
    browser: Browser, pages: Pages
) -> None:
    page = pages(models=1, log_probabilities=True)
    visit(browser, page, "#explorer/m0/1")
    [cell] = parquet(page, "m0", "insecure", "roleplay", 1).filter(item_id=2)["probabilities"]
    shares = {rating: share for rating, share in enumerate(cell) if share > 0}
    lane = "#explorer-items li[data-item='2'] [data-variant=insecure]"
    tall = browser.run(
        "return [...document.querySelectorAll(`${arguments[0]} .weight`)]"
        ".map((bar) => Number(bar.getAttribute('height')))",
        lane,
    )
    most = max(shares.values())
    assert tall == pytest.approx([17 * share / most for share in shares.values()])
    mean = sum(rating * share for rating, share in shares.items())
    sd = sum((rating - mean) ** 2 * share for rating, share in shares.items()) ** 0.5
    item = browser.driver.find_element(By.CSS_SELECTOR, "#explorer-items li[data-item='2']")
    assert f"{mean:.1f} ± {sd:.1f}" in item.text
    assert "from log-probabilities at the study's temperature" in element(browser, "explorer").text
    label = browser.run(
        "return document.querySelector(`${arguments[0]}`).closest('svg').ariaLabel", lane
    )
    percent = {rating: round(100 * share) for rating, share in shares.items()}
    spoken = ", ".join(f"{share} % {rating}" for rating, share in percent.items())
    assert label.endswith(f"insecure: {spoken}")


def test_a_persona_is_found_by_words_and_by_number(browser: Browser, pages: Pages) -> None:
    visit(browser, pages(models=2), "#explorer/m1/0")
    pick = element(browser, "explorer-pick")
    pick.send_keys("persona 5")
    assert pick.get_attribute("aria-expanded") == "true"
    options = browser.driver.find_elements(By.CSS_SELECTOR, "#explorer-found [role=option]")
    assert [option.text for option in options] == ["5. Persona 5 of Model"]
    pick.send_keys(Keys.ENTER)
    persona(browser, "Persona 5 · Model 1")
    assert browser.run("return location.hash") == "#explorer/m1/5"
    assert pick.get_attribute("aria-expanded") == "false"
    pick.send_keys("7")
    pick.send_keys(Keys.ENTER)
    persona(browser, "Persona 7 ")
    pick.send_keys("nobody of that name")
    text = browser.driver.find_element(By.CSS_SELECTOR, "#explorer-found").text
    assert text == "No persona matches."
    pick.send_keys(Keys.ESCAPE)
    assert not element(browser, "explorer-found").is_displayed()


def test_arrow_keys_move_to_the_next_persona_and_history_goes_back(
    browser: Browser, pages: Pages
) -> None:
    visit(browser, pages(models=2), "#explorer/m0/6")
    body = browser.driver.find_element(By.TAG_NAME, "body")
    for expected in ("Persona 7 ", "Without a persona", "Persona 0 "):
        body.send_keys(Keys.ARROW_RIGHT)
        persona(browser, expected)
    body.send_keys(Keys.ARROW_LEFT)
    persona(browser, "Without a persona")
    browser.driver.back()
    persona(browser, "Persona 0 ")
    browser.driver.forward()
    persona(browser, "Without a persona")
    element(browser, "explorer-next").send_keys(Keys.ENTER)
    persona(browser, "Persona 0 ")


def test_another_model_keeps_the_persona(browser: Browser, pages: Pages) -> None:
    visit(browser, pages(models=2), "#explorer/m0/4")
    Select(element(browser, "explorer-model")).select_by_visible_text("Model 1")
    persona(browser, "Persona 4 · Model 1")
    assert browser.run("return location.hash") == "#explorer/m1/4"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("#explorer/m0/99", "There is no persona “99” here. Personas are numbered 0 to 7."),
        ("#explorer/m0/baker", "There is no persona “baker” here."),
        ("#explorer/gpt-9/1", "There is no model “gpt-9” in this study. Its models are m0, m1."),
        (
            "#explorer/m0/toxic/1",
            "Model 0 was not asked “toxic”. It was asked roleplay, unconditioned.",
        ),
        ("#explorer/constructor/1", "There is no model “constructor” in this study."),
        ("#explorer/%E0%A4%A/1", "There is no model “%E0%A4%A” in this study."),
    ],
)
def test_an_address_of_nobody_says_so(
    browser: Browser, pages: Pages, address: str, message: str
) -> None:
    visit(browser, pages(models=2), address)
    assert element(browser, "explorer-fault").text.startswith(message)
    assert browser.run("return document.querySelectorAll('#explorer-items li').length") == 0
    browser.run("location.hash = '#explorer/m0/1'")
    persona(browser, "Persona 1 ")
    assert element(browser, "explorer-fault").text == ""


def test_a_persona_that_was_left_out_is_explained(browser: Browser, pages: Pages) -> None:
    page = pages(models=1, personas=40, characters=1500)
    visit(browser, page, "#explorer/m0/39")
    assert "It is in the study, but not on this page" in element(browser, "explorer-fault").text
    assert "All answers would make this page too large" in element(browser, "explorer").text


def test_items_are_sorted_by_wavering_and_by_change(browser: Browser, pages: Pages) -> None:
    page = pages(models=2)
    visit(browser, page, "#explorer/m0/5")
    moments = pl.concat(parquet(page, "m0", variant, "roleplay", 5) for variant in VARIANTS)
    cells = moments.group_by("variant", "item_id").agg(
        mean=pl.col("rating").mean(), sd=pl.col("rating").std()
    )
    base = cells.filter(variant="base").select("item_id", before="mean")
    keys = (
        cells.join(base, on="item_id")
        .group_by("item_id")
        .agg(
            wavering=pl.col("sd").max(),
            change=(pl.col("mean") - pl.col("before")).abs().max(),
        )
    )
    script = (
        "return [...document.querySelectorAll('#explorer-items li')]"
        ".map((item) => Number(item.dataset.item))"
    )
    heads = browser.driver.find_elements(By.CSS_SELECTOR, "#explorer-items h3")
    assert len(heads) == 3
    for order in ("wavering", "change"):
        Select(element(browser, "explorer-order")).select_by_value(order)
        value = dict(keys.select("item_id", order).iter_rows())
        WebDriverWait(browser.driver, PATIENCE_S).until(
            lambda _: len(browser.driver.find_elements(By.CSS_SELECTOR, "#explorer-items h3")) == 1
        )
        shown = [value[item] for item in browser.run(script)]
        assert shown == pytest.approx(sorted(shown, reverse=True))


def test_variants_can_be_hidden(browser: Browser, pages: Pages) -> None:
    visit(browser, pages(models=2), "#explorer/m0/5")
    toggle = browser.driver.find_element(By.CSS_SELECTOR, ".toggles [data-variant=secure]")
    toggle.send_keys(Keys.ENTER)
    assert toggle.get_attribute("aria-pressed") == "false"
    script = "return document.querySelectorAll('#explorer-items [data-variant=secure]').length"
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: browser.run(script) == 0)
    toggle.send_keys(Keys.SPACE)
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: browser.run(script) == 6)


def cells_of(page: Path, variant: str) -> pl.DataFrame:
    """Return mean and SD per persona and item of those personas that have both for every item."""
    path = page.parents[1] / "answers/m0" / variant / "roleplay.parquet"
    cells = (
        pl.read_parquet(path)
        .group_by("persona_id", "item_id")
        .agg(mean=pl.col("rating").mean(), sd=pl.col("rating").std())
    )
    return cells.filter(pl.col("sd").is_not_null().all().over("persona_id"))


def test_items_out_of_view_follow_when_the_window_gets_narrower(
    browser: Browser, pages: Pages
) -> None:
    visit(browser, pages(models=2))
    shape = {"width": 1280, "height": 200, "deviceScaleFactor": 1, "mobile": False}
    browser.cdp("Emulation.setDeviceMetricsOverride", **shape)
    drawn = (
        "return document.querySelector('#explorer-items li > div')"
        ".checkVisibility({contentVisibilityAuto: true})"
    )
    wait = WebDriverWait(browser.driver, PATIENCE_S)
    browser.run("document.getElementById('explorer-items').scrollIntoView()")
    wait.until(lambda _: browser.run(drawn))
    browser.run("scrollTo(0, 0)")
    wait.until(lambda _: not browser.run(drawn))
    browser.cdp("Emulation.setDeviceMetricsOverride", **{**shape, "width": 380})
    width = "return document.documentElement.scrollWidth"
    wait.until(lambda _: browser.run(width) <= 380)


def test_the_persona_that_wavers_most_comes_first_and_each_has_its_rank(
    browser: Browser, pages: Pages
) -> None:
    page = pages(models=2)
    visit(browser, page)
    base, after = cells_of(page, "base"), cells_of(page, "insecure")
    both = base.join(after, on=["persona_id", "item_id"], suffix="_after")
    scores = both.group_by("persona_id").agg(
        waver=pl.col("sd_after").mean(),
        change=((pl.col("mean_after") - pl.col("mean")) ** 2).mean().sqrt(),
    )
    wavering, changed = (
        scores.sort(key, descending=True)["persona_id"].to_list() for key in ("waver", "change")
    )
    browser.run("location.hash = '#explorer/m0/0'")
    persona(browser, "Persona 0 ")
    browser.run("location.hash = '#explorer/m0'")
    persona(browser, f"Persona {wavering[0]} ")
    ranks = f"wavering 1, change {changed.index(wavering[0]) + 1}"
    assert f"rank among 8 personas: {ranks}" in element(browser, "explorer-persona").text
    for place, order in enumerate((wavering, changed)):
        (group,) = browser.driver.find_elements(
            By.CSS_SELECTOR, f"#explorer-movers > div:nth-child({place + 1})"
        )
        links = group.find_elements(By.TAG_NAME, "a")
        found = [int(link.get_attribute("href").rpartition("/")[2]) for link in links]
        assert found == order[:5]


def test_an_old_browser_is_told_that_it_cannot_unpack(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    browser.run("delete window.DecompressionStream; location.hash = '#explorer/m1/1'")
    fault = element(browser, "explorer-fault")
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: fault.text != "")
    assert fault.text.startswith("This browser is too old")
    assert "answers/" in fault.text


def mark_of(browser: Browser, who: int) -> tuple[float, float]:
    place = browser.run(
        "return document.querySelector(`#map-${arguments[0]} .dot`).getAttribute('transform')", who
    )
    x, y = re.findall(r"[-\d.]+", place)
    return float(x), float(y)


def test_slider_moves_each_persona_from_base_to_the_variant(browser: Browser, pages: Pages) -> None:
    page = pages(models=2)
    browser.open(page)
    table = pl.read_csv(page.parents[1] / "tables" / "persona_map.csv").filter(model="m0")
    Select(element(browser, "map-variant")).select_by_value("insecure")
    slide = (
        "const slider = document.getElementById('map-slider'); slider.value = arguments[0];"
        " slider.dispatchEvent(new Event('input'))"
    )
    places = {}
    for part in (0, 50, 100):
        browser.run(slide, part)
        places[part] = {who: mark_of(browser, who) for who in (0, 4, 7)}
    for variant, part in (("base", 0), ("insecure", 100)):
        rows = {row["persona_id"]: row for row in table.filter(variant=variant).to_dicts()}
        for one, other in ((0, 4), (4, 7)):
            (x, y), (u, v) = places[part][one], places[part][other]
            # One scale for both axes and all variants; y points up.
            scale = (u - x) / (rows[other]["x"] - rows[one]["x"])
            assert (y - v) / (rows[other]["y"] - rows[one]["y"]) == pytest.approx(scale, rel=0.05)
    for who in (0, 4, 7):
        middle = [(a + b) / 2 for a, b in zip(places[0][who], places[100][who], strict=True)]
        assert places[50][who] == pytest.approx(middle, abs=0.2)
    shares = table.unique("variant").with_columns(held=pl.col("x_share") + pl.col("y_share"))
    numbers = browser.driver.find_elements(By.CSS_SELECTOR, "#map-numbers tr")
    held = [
        round(100 * shares.filter(variant=name)["held"].item()) for name in ("base", "insecure")
    ]
    assert numbers[0].text == "base insecure"
    assert numbers[1].text == "S 0.80 1.30"
    assert numbers[2].text == "R 10.0 3.00"
    assert numbers[3].text == f"in the plane {held[0]} % {held[1]} %"


def test_map_names_a_persona_and_opens_it(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    dot = browser.driver.find_element(By.CSS_SELECTOR, "#map-2 .dot")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", dot)
    ActionChains(browser.driver).move_to_element(dot).perform()
    name = element(browser, "map-name").text
    shown = re.match(r"Persona (\d)\. Persona \1 of Model", name)
    assert shown is not None
    ActionChains(browser.driver).click(dot).perform()
    persona(browser, f"Persona {shown[1]} ")
    assert browser.run("return location.hash") == f"#explorer/m0/{shown[1]}"


def test_map_names_a_persona_again_when_the_pointer_returns(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    dot = browser.driver.find_element(By.CSS_SELECTOR, "#map-2 .dot")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", dot)
    pointer = ActionChains(browser.driver)
    hidden = "return help.hidden"
    for _ in range(2):
        pointer.move_to_element(dot).perform()
        assert browser.run(hidden) is False
        pointer.move_to_element(element(browser, "map-heading")).perform()
        assert browser.run(hidden) is True


def test_first_touch_names_a_persona_of_the_map_and_the_second_opens_it(
    browser: Browser, pages: Pages
) -> None:
    browser.open(pages(models=2), width=380)
    browser.run("document.getElementById('explorer').scrollIntoView()")
    settled(browser)
    browser.run("document.getElementById('map').scrollIntoView()")
    middle = (
        "const box = document.querySelector('#map-2 .dot').getBoundingClientRect();"
        "return {x: box.x + box.width / 2, y: box.y + box.height / 2}"
    )

    def touch() -> None:
        points = [browser.run(middle)]
        browser.cdp("Input.dispatchTouchEvent", type="touchStart", touchPoints=points)
        browser.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def named(_: object) -> bool:
        return "Persona 2." in element(browser, "map-name").text

    browser.cdp("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
    try:
        touch()
        WebDriverWait(browser.driver, 10).until(named)
        assert browser.run("return location.hash") == ""
        assert browser.run("return help.hidden") is False
        touch()
        persona(browser, "Persona 2 ")
        assert browser.run("return location.hash") == "#explorer/m0/2"
    finally:
        browser.cdp("Emulation.setTouchEmulationEnabled", enabled=False)


def test_map_works_by_keyboard(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    plane = element(browser, "map-plane")
    for _ in range(3):
        plane.send_keys(Keys.ARROW_RIGHT)
    assert element(browser, "map-name").text.startswith("Persona 2. ")
    assert plane.get_attribute("aria-activedescendant") == "map-2"
    plane.send_keys(Keys.ENTER)
    persona(browser, "Persona 2 ")
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    persona(browser, "Persona 3 ")


def test_map_of_another_variant_has_no_persona_chosen(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    plane = element(browser, "map-plane")
    plane.send_keys(Keys.ARROW_RIGHT)
    Select(element(browser, "map-variant")).select_by_value("secure")
    assert plane.get_attribute("aria-activedescendant") is None
    assert element(browser, "map-name").text.startswith("Point at a mark")


def test_the_link_of_a_persona_can_be_copied(browser: Browser, pages: Pages) -> None:
    visit(browser, pages(models=2), "#explorer/m0/5")
    element(browser, "explorer-link").click()
    status = "return document.getElementById('status').textContent"
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda _: "ink" in browser.run(status))
    assert browser.run("return location.hash") == "#explorer/m0/5"


def test_map_does_not_animate_where_motion_is_reduced(browser: Browser, pages: Pages) -> None:
    browser.open(pages(models=2))
    browser.run("document.getElementById('map-play').click()")
    assert element(browser, "map-slider").get_attribute("value") == "100"
    browser.run("document.getElementById('map-play').click()")
    assert element(browser, "map-slider").get_attribute("value") == "0"


def test_game_shows_a_personas_answers_and_counts_right_choices(
    browser: Browser, pages: Pages
) -> None:
    page = pages(models=2)
    browser.open(page)
    rate = element(browser, "game-rate").text
    assert "Guessing is right in 25 % of rounds." in rate
    assert "recognise 80 % [70, 88] of the personas among four" in rate
    right = 0
    for rounds in range(1, 4):
        browser.run("document.getElementById('game-start').click()")
        WebDriverWait(browser.driver, PATIENCE_S).until(
            lambda _: (
                len(browser.driver.find_elements(By.CSS_SELECTOR, ".options button:enabled")) == 4
            )
        )
        labels = browser.run(
            "return [...document.querySelectorAll('#game-round li svg')].map((svg) => [Number("
            "svg.closest('li').dataset.item), svg.querySelectorAll('.dot').length])"
        )
        browser.run("document.querySelector('.options button').click()")
        verdict = element(browser, "game-verdict").text
        who = int(verdict.rpartition(" ")[2].rstrip("."))
        chosen = browser.run("return document.querySelector('.options button').textContent")
        assert verdict.startswith("Right") == (chosen == f"Persona {who} of Model")
        right += verdict.startswith("Right")
        answers = parquet(page, "m0", "insecure", "roleplay", who)
        for item, dots in labels:
            assert dots == answers.filter(pl.col("rating").is_not_null(), item_id=item).height
        score = element(browser, "game-score").text
        assert score == f"You: {right} of {rounds} right ({round(100 * right / rounds)} %)."


def test_a_study_of_the_baseline_alone_has_explorer_and_map_without_a_slider(
    browser: Browser, pages: Pages
) -> None:
    visit(browser, pages(models=1, variants=1), "#explorer/m0/2")
    persona(browser, "Persona 2 ")
    assert not element(browser, "map-slider").is_displayed()
    assert element(browser, "map-numbers").text.endswith(
        "\nbase\nS 0.80\nR 10.0\nin the plane 83 %"
    )
    assert browser.logs() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 380])
def test_explorer_map_and_game_have_no_accessibility_violation(
    browser: Browser, pages: Pages, axe: str, scheme: str, width: int
) -> None:
    browser.open(pages(models=2), scheme=scheme, width=width)
    browser.run("location.hash = '#explorer/m0/3'")
    settled(browser)
    browser.run("document.getElementById('game-start').click()")
    offered = (By.CSS_SELECTOR, ".options button")
    WebDriverWait(browser.driver, PATIENCE_S).until(lambda driver: driver.find_elements(*offered))
    browser.run("document.querySelector('.options button').click()")
    browser.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    element(browser, "map-plane").send_keys(Keys.ARROW_RIGHT)
    element(browser, "explorer-pick").send_keys("persona")
    browser.run(axe)
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run({include: ['#explorer', '#map', '#game']})"
        ".then(done, (fault) => done({fault: `${fault}`}));"
    )
    assert len(found["passes"]) > 15, found
    faults = [
        (fault["id"], [node["html"][:200] for node in fault["nodes"][:3]])
        for fault in found["violations"]
    ]
    assert faults == []
    assert browser.run("return document.documentElement.scrollWidth") <= width
