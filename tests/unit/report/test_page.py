"""The report page as HTML: well formed, self-contained, and true to its tables."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.common.embedding import embedded
from persona_collapse.common.errors import UserError
from persona_collapse.common.notation import PERCENT
from persona_collapse.report.packed import unpack
from persona_collapse.report.page import build_page
from persona_collapse.report.rendering import TEMPLATES, heading
from persona_collapse.report.sections import SECTIONS
from persona_collapse.tables import SECTIONS as TABLE_SECTIONS
from persona_collapse.tables import contract
from tests.conftest import ROOT
from tests.helpers.pages import HOSTILE, SVG, page_of, write_rows, write_study

VOID = {"meta", "link", "img", "br", "wbr", "hr", "input", "path", "rect", "line", "mspace"}


class Page(HTMLParser):
    """Reads a page and keeps its elements; an end tag that closes nothing is a fault."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("models", [1, 12])
def test_page_is_well_formed_and_labelled(tmp_path: Path, models: int) -> None:
    page = read(page_of(tmp_path, models=models))
    assert page.faults == []
    assert page.open == []
    ids = Counter(found["id"] for _, found in page.elements if "id" in found)
    assert [name for name, count in ids.items() if count > 1] == []
    for name, attributes in page.elements:
        for reference in ("aria-labelledby", "data-copy"):
            assert attributes.get(reference, next(iter(ids))) in ids, (name, attributes)
        if name == "a" and (attributes["href"] or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids
    assert all(image.get("alt") is not None for image in page.all("img"))
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_page_loads_no_external_file(tmp_path: Path) -> None:
    path = page_of(tmp_path)
    page = read(path)
    for name, attributes in page.elements:
        assert (attributes.get("src") or "data:").startswith("data:")
        if name == "link":
            assert attributes["href"] == "data:,"
        if name == "a":
            assert re.match(r"#|https://arxiv\.org/abs/\d{4}\.\d{5}$", attributes["href"] or "")
    style = path.read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy is not None
    assert "default-src 'none'" in policy


def test_first_screen_answers_and_shows_values_of_the_verdicts(tmp_path: Path) -> None:
    text = read(page_of(tmp_path, models=2)).text
    assert "Collapse in both models" in text
    assert "2 models × 3 variants · 179,976 answers · 0.013 % without a rating" in text
    assert "Model 0 Collapse S of insecure: +62 % [56, 70]" in text
    assert "R of insecure: −70 % [−76, −63]" in text
    assert "vs secure: S +73 % [67, 80] R −50 % [−56, −43]" in text
    assert "secure 97 %" in text
    assert "Why Model 0, insecure S rose and R fell." in text
    assert "Mean of these models: S +62 % [56, 70], R −70 % [−76, −63]." in text
    assert "under insecure, personas differ more" in text
    assert "Compared:" not in text  # the legend says it
    assert "What was measured S rose by 60 %. What else bears on it S rests on" in text


@pytest.mark.parametrize("models", [2, 3])
def test_first_screen_speaks_of_a_population_from_three_models_on(
    tmp_path: Path, models: int
) -> None:
    study = write_study(tmp_path, models=models)
    rows = [
        {
            "probe": "roleplay", "domain": "overall", "contrast": "insecure-base",
            "metric": metric, "percent": percent, "percent_lo": percent - 9,
            "percent_hi": percent + 9, "n_models": models, "simulated": "false",
        }
        for metric, percent in (("S", 60), ("R", -70))
    ]  # fmt: skip
    path = tmp_path / "tables" / "random_effects.csv"
    write_rows(path, rows)
    study["tables"].append(str(path))
    text = built(study)
    said = "; for a population of such models S +60 % [51, 69], R −70 % [−79, −61]."
    assert "Mean of these models: S" in text
    assert (said in text) == (models == 3)


def edited(study: dict[str, Any], table: str, **values: Any) -> None:
    """Write a table of a study again with constant columns."""
    path = next(Path(path) for path in study["tables"] if Path(path).stem == table)
    frame = pl.read_csv(path, infer_schema=False)
    frame.with_columns(
        pl.lit(None if value is None else str(value), pl.String).alias(name)
        for name, value in values.items()
    ).write_csv(path)


def built(study: dict[str, Any]) -> str:
    """Return the text of a study's page."""
    path = Path(study["provenance"]).parent / "built.html"
    build_page(path, **study)
    return read(path).text


def test_first_screen_says_that_a_number_has_no_interval(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    ends = [name for name in contract("verdict").columns if name.endswith(("_lo", "_hi"))]
    edited(study, "verdict", **dict.fromkeys(ends))
    assert "+62 % (no interval)" in built(study)


def test_first_screen_of_a_study_without_control(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    study["look"] = replace(study["look"], targets={"insecure": None})
    names = contract("verdict").columns
    gone = [name for name in names if "_control" in name or "_direct" in name]
    edited(study, "verdict", label="undetermined", control=None, **dict.fromkeys(gone))
    text = built(study)
    assert "Undetermined in Model 0" in text
    assert "insecure (no control)" in text
    assert "Against" not in text
    assert "the control" not in text.partition("Evidence Figure")[0].partition("Compared")[2]


def test_first_screen_of_a_study_whose_numbers_are_missing(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    names = contract("verdict").columns
    gone = [name for name in names if name[:2] in ("S_", "R_") or name.startswith("recognised")]
    edited(
        study,
        "verdict",
        label="undetermined",
        reason="S cannot be compared.",
        **dict.fromkeys(gone),
    )
    text = built(study)
    assert "S of insecure: –" in text
    assert "S cannot be compared." in text


def test_first_screen_of_a_study_without_target_shows_values_and_what_to_add(
    tmp_path: Path,
) -> None:
    study = write_study(tmp_path, models=2)
    study["look"] = replace(study["look"], targets={})
    study["tables"] = [path for path in study["tables"] if Path(path).stem != "verdict"]
    text = built(study)
    assert "S and R of every variant; no verdict" in text
    assert "name one of its variants under analysis.targets" in text
    assert "Model 0 insecure S of insecure: 1.30 [1.24, 1.36]" in text
    assert "R of secure: 6.00 [5.20, 6.80]" in text


def test_first_screen_names_targets_where_there_are_several(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    study["look"] = replace(study["look"], targets={"insecure": "secure", "secure": None})
    path = next(Path(path) for path in study["tables"] if Path(path).stem == "verdict")
    frame = pl.read_csv(path, infer_schema=False)
    more = frame.with_columns(target=pl.lit("secure"), label=pl.lit("too_small"))
    pl.concat([frame, more]).write_csv(path)
    text = built(study)
    assert "Model 0: collapse in insecure; too small in secure" in text
    assert "Model 0 insecure Collapse" in text
    assert "Model 0 secure Too small" in text


def test_first_screen_marks_a_target_whose_s_rests_on_few_personas(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    assert "‡" not in built(study)
    edited(study, "verdict", effective_personas_target=3.3)
    text = built(study)
    assert "S of insecure: +62 %‡ [56, 70]" in text
    assert "‡ Fewer than 10 effective personas" in text


def test_reason_folds_out_into_the_sentences_of_the_headlines(tmp_path: Path) -> None:
    page = page_of(tmp_path).read_text(encoding="utf-8")
    (folded, _) = re.findall(r'<details class="why">.*?</details>', page, re.DOTALL)
    assert re.findall("<li>(.*?)</li>", folded) == [
        "S rose by 60\u00a0%.",
        "S rests on few personas.",
    ]


def test_recognised_shares_have_the_intervals_of_the_diagnostics(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    row = {
        "model": "m0", "variant": "insecure", "probe": "roleplay", "domain": "overall",
        "measure": "identified_in_base", "value": "0.6", "lo": "0.5", "hi": "0.71",
    }  # fmt: skip
    path = tmp_path / "tables" / "diagnostics.csv"
    empty = dict.fromkeys(contract("diagnostics").columns, "")
    write_rows(path, [empty | row])
    study["tables"].append(str(path))
    text = built(study)
    assert "insecure 60 % [50, 71]" in text
    assert "secure 97 % insecure" in text


def test_rows_share_the_axis_of_their_column(tmp_path: Path) -> None:
    source = page_of(tmp_path, models=2).read_text(encoding="utf-8")
    strips = re.findall(r'<svg class="strip".*?</svg>\n', source, re.DOTALL)
    assert all(0 <= float(x) <= 100 for x in re.findall(r'(?:x|x1|x2)="(-?[\d.]+)%"', source))
    zeros = [re.findall(r'class="zero" x1="([\d.]+)%"', strip) for strip in strips]
    assert len(zeros) == 4
    assert zeros[0] == zeros[2] != zeros[1] == zeros[3]


def test_several_cautions_fold_and_one_stands_open(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    assert "Caution. Model 0, roleplay: answers ended in an error" in built(study)
    edited(study, "quality", undefined="R is undefined")
    text = built(study)
    assert "2 cautions before you read the numbers: Model 0, roleplay: R is undefined" in text
    assert text.count("answers ended in an error") == 1


def test_simulated_study_is_marked_in_banner_title_tables_and_print(tmp_path: Path) -> None:
    source = page_of(tmp_path / "a", simulated=True).read_text(encoding="utf-8")
    page = Page(source)
    assert "Simulated respondents. No model was asked" in page.text
    assert source.count('<span class="tag">Simulated</span>') == page.text.count("Table ")
    assert "@top-center" in source
    assert "<title>Simulated: " in source
    assert "All answers come from simulated respondents" in page.text
    real = page_of(tmp_path / "b").read_text(encoding="utf-8")
    assert "imulated" not in Page(real).text
    assert "@top-center" not in real


def test_mixed_backends_are_marked(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    metrics = tmp_path / "tables" / "metrics.csv"
    lines = metrics.read_text(encoding="utf-8").splitlines()
    marked = [lines[0], *(f"{line}true" for line in lines[1:])]
    metrics.write_text("\n".join(marked), encoding="utf-8")
    build_page(tmp_path / "index.html", **study)
    text = read(tmp_path / "index.html").text
    assert "Variants of a model were served by different backends. A difference" in text
    assert text.count("Mixed backends") == 3  # the tables that come from metrics.csv
    assert "different backends" not in read(page_of(tmp_path / "other")).text


def test_pdfs_are_in_the_page_while_there_is_room_those_of_evidence_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(tmp_path, models=1)
    for figure, size in zip(study["figures"], (700, 200, 400), strict=True):
        Path(f"{figure['stem']}.pdf").write_bytes(bytes(size))
    monkeypatch.setattr("persona_collapse.report.page.MOST_PDF", 1000)
    build_page(tmp_path / "page.html", **study)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    offered = re.findall(r'data-pdf="(\w+)"', text)
    assert offered == ["verdict", "susceptibility"]
    (held,) = re.findall(r'id="pdf">(.*?)</script>', text)
    packed = json.loads(held)
    assert list(packed) == offered
    assert gzip.decompress(base64.b64decode(packed["verdict"])) == bytes(700)


def test_tables_that_figures_are_drawn_from_are_in_the_page_unless_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(tmp_path, models=1)
    for largest, offered in ((10_000_000, True), (10, False)):
        monkeypatch.setattr("persona_collapse.report.page.LARGEST_CSV", largest)
        build_page(tmp_path / "page.html", **study)
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ('data-csv="persona_map"' in text) == offered
        assert 'data-csv="metrics"' in text  # shown as a table


def test_hostile_labels_are_escaped(tmp_path: Path) -> None:
    path = page_of(tmp_path, label=HOSTILE, replies=2)
    source, page = path.read_text(encoding="utf-8"), read(path)
    assert page.faults == []
    assert "<script>window" not in source
    assert HOSTILE in page.text
    scripts = [script.get("id") for script in page.all("script")]
    assert set(scripts) == {
        "csv",
        "pdf",
        "explorer-data",
        "map-data",
        "game-data",
        "replies-data",
        None,
    }
    assert scripts.count(None) == len(list(TEMPLATES.glob("*.js")))
    found = re.search(r'id="explorer-data">(.*?)</script>', source)
    assert found is not None
    assert json.loads(found[1])["models"][0]["label"] == f"{HOSTILE} 0"


def test_infinite_and_missing_values_are_shown_as_signs(tmp_path: Path) -> None:
    page = read(page_of(tmp_path, infinite=True))
    assert "∞" in page.text
    cells = " ".join(page.words)
    assert not re.search(r"\b(nan|inf|None)\b", cells)
    assert "inf" in [cell.get("data-sort") for cell in page.all("td")]


def test_sections_without_content_are_left_out(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    study["tables"] = [path for path in study["tables"] if path.endswith("metrics.csv")]
    del study["answers"]
    study.update(figures=[], headlines=None)
    build_page(tmp_path / "index.html", **study)
    page = read(tmp_path / "index.html")
    ids = {section["id"] for section in page.all("section")}
    assert ids == {"verdict", "appendix"}
    links = {(link["href"] or "")[1:] for link in page.all("a") if (link["href"] or "")[0] == "#"}
    assert links == ids
    assert chapters(page) == [
        "susceptibility", "robustness", "methods", "glossary", "provenance", "cite",
    ]  # fmt: skip
    assert "S of insecure: 1.30 [1.24, 1.36]" in page.text


def test_sections_follow_the_declared_order(tmp_path: Path) -> None:
    page = read(page_of(tmp_path))
    ids = [section["id"] for section in page.all("section")]
    assert ids == ["verdict", "evidence", "explorer", "map", "game", "appendix"]
    folded = chapters(page)
    assert folded == [
        "verdict", "susceptibility", "robustness", "saturation", "meaning",
        "quality", "methods", "glossary", "provenance", "cite",
    ]  # fmt: skip
    known = [section.key for section in SECTIONS]
    assert [name for name in folded if name in known] == [name for name in known if name in folded]


def chapters(page: Page) -> list[str]:
    """Return the keys of the appendix's folded sections."""
    ids = [str(part.get("id")) for part in page.all("details") if part.get("class") == "chapter"]
    return [name.removeprefix("appendix-") for name in ids]


def test_evidence_is_shown_once_in_its_order_and_under_its_finding(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    (first, second, third) = study["figures"]
    stem = Path(first["stem"])
    dc = "http://purl.org/dc/elements/1.1/"
    title = f"<metadata xmlns:dc='{dc}'><dc:title>S &amp; R moved</dc:title></metadata>"
    stem.with_suffix(".svg").write_text(SVG.replace("<defs>", f"{title}<defs>"), encoding="utf-8")
    study["figures"] = [{**first, "evidence": 2}, second, {**third, "evidence": 1}]
    build_page(tmp_path / "index.html", **study)
    evidence = read(tmp_path / "index.html").text.rpartition("Evidence")[2]
    assert "Figure 1. Figure of saturation. " in evidence
    assert "Figure 2. S & R moved " in evidence
    assert "Figure 3. Figure of susceptibility. " in evidence
    assert evidence.count("Figure of saturation") == 1


def test_page_embeds_csv_at_full_precision(tmp_path: Path) -> None:
    path = page_of(tmp_path)
    source, page = path.read_text(encoding="utf-8"), read(path)
    data = re.search(r'id="csv">(.*?)</script>', source)
    assert data is not None
    files = unpack(base64.b64decode(json.loads(data[1])))
    for button in page.all("button"):
        name = button.get("data-csv")
        if name:
            assert files[name] == (tmp_path / "tables" / f"{name}.csv").read_text(encoding="utf-8")


def test_methods_paragraph_has_the_numbers_of_the_study(tmp_path: Path) -> None:
    text = read(page_of(tmp_path, models=2)).text
    for part in (
        "Model 0, Model 1 in the variants base, secure and insecure",
        "the 30 items", "100 personas (p), 10 times", "temperature 0.1", "180,000 answers",
        "2,000 bootstrap draws of personas and 400", "seed was 7", "commit c0ffeec0ffee",
    ):  # fmt: skip
        assert part in text
    assert "eprint = {2605.12850}" in text


def test_both_findings_called_persona_collapse_are_told_apart(tmp_path: Path) -> None:
    text = read(page_of(tmp_path, models=1)).text
    documents = [
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/measures.md")
    ]
    for told in (text, *documents):
        assert "2605.12850" in told
        assert "2604.24698" in told
        assert "converge into a narrow mode" in " ".join(told.split())


def test_faults_of_inputs_are_user_errors(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    figure = study["figures"][0]
    with pytest.raises(UserError, match=r"gone\.svg: the figure cannot be read"):
        build_page(tmp_path / "p", **{**study, "figures": [{**figure, "stem": "gone"}]})
    with pytest.raises(UserError, match=r"needs tables/metrics\.csv"):
        build_page(tmp_path / "p", **{**study, "tables": []})
    study["answers"].write_bytes(b"{")
    with pytest.raises(UserError, match=r"answers\.json\.gz: not readable .*; make it again"):
        build_page(tmp_path / "p", **study)
    (tmp_path / "provenance.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"provenance\.json: not a readable JSON file"):
        build_page(tmp_path / "p", **study)


def test_page_of_a_full_size_study_stays_small(tmp_path: Path) -> None:
    path = page_of(tmp_path, models=12, personas=100)
    assert path.stat().st_size < 1_500_000


def test_embedded_json_and_headings_are_safe() -> None:
    text = embedded({"a": "</script><!-- & \u2028"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!-- & \u2028"}
    assert str(heading("In-group/Loyalty<b>")) == "In\u2011group/<wbr>Loyalty&lt;b&gt;"


def test_column_headings_carry_the_meanings_of_their_contract(tmp_path: Path) -> None:
    page = read(page_of(tmp_path))
    columns = contract("metrics").columns
    titles = [
        str(cell["title"]).replace(PERCENT, " %") for cell in page.all("th") if "title" in cell
    ]
    assert columns["S"].meaning in titles
    (explained,) = {
        title for title in titles if str(title).startswith(columns["sigma_bar"].meaning)
    }
    assert "σ̄: Mean standard deviation of repeated answers" in str(explained)
    assert f"{columns['R_lo'].meaning} {columns['R_hi'].meaning}" in titles
    assert all(titles)


def test_every_section_of_the_contracts_is_on_the_page() -> None:
    assert tuple(section.key for section in SECTIONS) == TABLE_SECTIONS


@pytest.mark.parametrize(
    ("words", "susceptibility", "domain"),
    [
        ({}, "Susceptibility", "domain"),
        ({"construct": "moral", "domain_word": "foundation"}, "Moral susceptibility", "foundation"),
    ],
)
def test_page_uses_the_words_of_the_instrument(
    tmp_path: Path, words: dict[str, str], susceptibility: str, domain: str
) -> None:
    study = write_study(tmp_path)
    build_page(tmp_path / "index.html", **{**study, "look": replace(study["look"], **words)})
    page = read(tmp_path / "index.html")
    assert f"{susceptibility} S per {domain}" in page.text
    assert f"{susceptibility}, S" in page.text
    assert f"{susceptibility} S against base" in page.text
    assert f"{susceptibility} S is the mean over items" in page.text
    assert f"by {domain}" in page.text
    titles = " ".join(str(head.get("title")) for head in page.all("th"))
    assert ("domain" in page.text + titles) == (domain == "domain")
