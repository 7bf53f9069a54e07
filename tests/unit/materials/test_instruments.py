"""Instruments and persona sets: the readers' rules, and the bundled files."""

import copy
import csv
import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.materials.instruments import Scale, digest, read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.materials.sources import find_source

ROOT = Path(__file__).parents[3]
MORAL30 = ROOT / "resources/instruments/moral30.yaml"
DOMAINS = (
    "Harm/Care",
    "Fairness/Reciprocity",
    "In-group/Loyalty",
    "Authority/Respect",
    "Purity/Sanctity",
)
TEXTS = ROOT.parent / "shared" / "published" / "resources"

TINY = {
    "name": "tiny",
    "title": "Tiny",
    "licence": "CC0-1.0",
    "source": "here",
    "scale": {"minimum": 1, "maximum": 5},
    "domains": ["Care", "Order"],
    "prompts": {"persona": "{persona}: {question}", "sections": {"a": "A {item}"}},
    "items": [
        {"id": 1, "section": "a", "domain": "Care", "text": "one"},
        {"id": 2, "section": "a", "domain": "Order", "text": "two"},
    ],
}


def read_changed(tmp_path, change):
    document = copy.deepcopy(TINY)
    change(document)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return read_instrument(path)


def test_instrument_is_read_as_written(tmp_path):
    tiny = read_changed(tmp_path, lambda document: None)
    assert tiny.scale.ratings == (1, 2, 3, 4, 5)
    assert 5 in tiny.scale
    assert 0 not in tiny.scale
    assert [tiny.question(item) for item in tiny.items] == ["A one", "A two"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["items"][1].update(id=1), r"items\[1\]: item id 1 is used twice"),
        (lambda d: d["items"][1].update(domain="Oder"), "'Oder' is not listed .*'Order'"),
        (lambda d: d["items"][0].update(section="b"), r"items\[0\]: section 'b' has no wording"),
        (lambda d: d["domains"].append("Luck"), "no item belongs to 'Luck'"),
        (lambda d: d["scale"].update(minimum=5), "minimum 5 must be below maximum 5"),
        (lambda d: d["scale"].update(maximum=101), "scale.maximum: 101 is greater"),
        (lambda d: d["domains"].append("overall"), r'domains\[2\]: "overall" is not allow'),
        (lambda d: d["prompts"]["sections"].update(a="A"), "sections.a: .* a text with {item}"),
        (lambda d: d["prompts"].update(persona="{persona}"), "prompts.persona: .*{question}"),
        (lambda d: d["items"][0].update(txt="x"), r"items\[0\].txt: unknown key .*'text'"),
    ],
)
def test_fault_is_refused_with_its_place(tmp_path, change, expected):
    with pytest.raises(UserError, match=expected):
        read_changed(tmp_path, change)


def test_words_of_a_domain_and_construct_are_optional(tmp_path):
    tiny = read_changed(tmp_path, lambda d: None)
    assert (tiny.domain_word, tiny.construct) == ("domain", None)
    words = {"domain_word": "trait", "construct": "political"}
    own = read_changed(tmp_path, lambda d: d.update(words))
    assert (own.domain_word, own.construct) == ("trait", "political")
    assert own.digest(0, 2) == tiny.digest(0, 2)


def test_words_are_known_before_an_instrument_is_fetched():
    moral = {"domain_word": "foundation", "construct": "moral"}
    for name in ("moral30", "mfq30"):
        assert find_source(name, "instrument", "here").words() == moral


def test_digest_of_items_depends_on_their_texts_and_wording_only(tmp_path):
    tiny = read_changed(tmp_path, lambda d: None)
    other = read_changed(tmp_path, lambda d: d["items"][1].update(text="three"))
    reworded = read_changed(tmp_path, lambda d: d["prompts"]["sections"].update(a="B {item}"))
    assert tiny.digest(0, 1) == other.digest(0, 1)
    assert tiny.digest(1, 2) != other.digest(1, 2)
    assert tiny.digest(0, 1) != reworded.digest(0, 1)
    assert digest(["ab", "c"]) != digest(["a", "bc"])


def test_repeated_persona_is_refused(tmp_path):
    path = tmp_path / "two.yaml"
    head = {key: TINY[key] for key in ("name", "title", "licence", "source")}
    path.write_text(yaml.safe_dump({**head, "personas": ["x", "y", "x"]}), encoding="utf-8")
    with pytest.raises(UserError, match=r"personas\[2\]: repeats personas\[0\]"):
        read_personas(path)


def test_digest_of_a_block_stays_when_the_persona_set_grows():
    people = read_personas(ROOT / "resources/personas/everyday100.yaml")
    shorter = type(people)(people.name, people.title, people.descriptions[:50])
    assert people.digest(25, 50) == shorter.digest(25, 50)
    assert people.digest(0, 25) != people.digest(25, 50)


def test_moral30_has_its_design():
    moral30 = read_instrument(MORAL30)
    assert moral30.domains == DOMAINS
    assert moral30.scale == Scale(0, 5)
    assert [item.id for item in moral30.items] == list(range(1, 31))
    assert [item.section for item in moral30.items] == ["relevance"] * 15 + ["agreement"] * 15
    assert [item.domain for item in moral30.items] == list(DOMAINS) * 6
    assert len({item.text for item in moral30.items}) == 30


def test_moral30_asks_for_one_number_and_labels_every_point():
    for wording in read_instrument(MORAL30).prompts.sections.values():
        assert re.findall(r"^(\d) = \S", wording, re.MULTILINE) == list("012345")
        assert "Begin your answer with that one whole number from 0 to 5" in wording


@pytest.mark.parametrize(("name", "size"), [("everyday100", 100), ("toxic8", 8)])
def test_bundled_personas_are_one_or_two_distinct_sentences(name, size):
    people = read_personas(ROOT / f"resources/personas/{name}.yaml").descriptions
    assert len(people) == size
    for text in people:
        assert 1 <= len(re.findall(r"[.!?](?:\s|$)", text)) <= 2
        assert 10 <= len(text.split()) <= 45
        assert text == text.strip()
    words = [set(re.findall(r"\w{4,}", text.lower())) for text in people]
    for one, two in itertools.combinations(words, 2):
        assert len(one & two) < 0.5 * min(len(one), len(two))


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the published texts are not here")
def test_bundled_texts_share_no_five_words_with_published_ones():
    def shingles(text):
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[place : place + 5]) for place in range(len(words) - 4)}

    def overlap(ours, theirs):
        return set().union(*map(shingles, ours)) & set().union(*map(shingles, theirs))

    with (TEXTS / "mfq30_items.csv").open(encoding="utf-8", newline="") as stream:
        items = [row["text"] for row in csv.DictReader(stream)]
    moral30 = read_instrument(MORAL30)
    assert not overlap([item.text for item in moral30.items], items)
    prompts = json.loads((TEXTS / "mfq30_prompts.json").read_text(encoding="utf-8"))
    assert not overlap(
        [*moral30.prompts.sections.values(), moral30.prompts.persona], prompts.values()
    )
    for ours, theirs in (("everyday100", "personas"), ("toxic8", "toxic_personas")):
        bundled = read_personas(ROOT / f"resources/personas/{ours}.yaml").descriptions
        published = json.loads((TEXTS / f"{theirs}.json").read_text(encoding="utf-8"))
        assert not overlap(bundled, published)
