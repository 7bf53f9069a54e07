"""From a catalogue entry to a file that the readers accept, by both forms of a mirror."""

import csv
import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import digest
from persona_collapse.materials.catalogue import find_external, read_catalogue
from persona_collapse.materials.convert import external, read_content
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "resources/external.yaml"
TEXTS = ROOT.parent / "shared" / "published" / "resources"
published = pytest.mark.skipif(not TEXTS.is_dir(), reason="the published texts are not here")

QUESTIONS = """
_ONE: list[tuple[str, str]] = [("Care", "aid"), ("Order", "a 'rule'")]
_TWO = [("Care", "Ünïcode: yes?")]

def _ask_one(thing: str) -> str:
    return f"How far '{thing}'? \\n 0 = no, \\n 5 = yes."

def _ask_two(view):
    return (
        f"Do you share {view}"
        " (0-5)?"
    )
"""
SAMPLING = 'def wrap(persona, question):\n    return f"""You: {persona}\n\n{question}"""\n'
ITEMS = [["one", "Care", "aid"], ["one", "Order", "a 'rule'"], ["two", "Care", "Ünïcode: yes?"]]
PROMPTS = {
    "one": "How far '{thing}'? \n 0 = no, \n 5 = yes.",
    "two": "Do you share {view} (0-5)?",
    "persona": "You: {persona}\n\n{question}",
}
PEOPLE = ["A baker.", "A judge.", "A {brace} in \"quotes\": 'yes'", "A cook."]


def entry_of(files, **keys):
    listed = {
        name: {
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "urls": [f"https://example.org/{name}"],
        }
        for name, text in files.items()
    }
    return {"title": "T", "licence": "L", "source": "S", "files": listed, **keys}


def quiz_entry():
    """A catalogue entry that has the shape of the shipped instrument."""
    content = {
        "items": ITEMS,
        "prompts": {
            key: text.replace("{thing}", "{item}").replace("{view}", "{item}")
            for key, text in PROMPTS.items()
        },
    }
    return entry_of(
        {"questions.py": QUESTIONS, "sampling.py": SAMPLING},
        kind="instrument",
        size=3,
        scale={"minimum": 0, "maximum": 5},
        domains=["Care", "Order"],
        domain_word="trait",
        literals={
            "items": {
                "one": {"file": "questions.py", "list": "_ONE"},
                "two": {"file": "questions.py", "list": "_TWO"},
            },
            "prompts": {
                "one": {
                    "file": "questions.py",
                    "function": "_ask_one",
                    "placeholders": {"thing": "item"},
                },
                "two": {
                    "file": "questions.py",
                    "function": "_ask_two",
                    "placeholders": {"view": "item"},
                },
                "persona": {
                    "file": "sampling.py",
                    "function": "wrap",
                    "placeholders": {"persona": "persona", "question": "question"},
                },
            },
        },
        extracted={"items": "items.csv", "prompts": "prompts.json"},
        content_sha256=digest(content),
    )


def people_entry():
    return entry_of(
        {"people.json": json.dumps(PEOPLE)},
        kind="personas",
        size=3,
        literals={"file": "people.json"},
        content_sha256=digest({"personas": PEOPLE[:3]}),
    )


def cast_entry():
    return entry_of(
        {"cast.py": f"CAST = {PEOPLE!r}"},
        kind="personas",
        size=2,
        literals={"file": "cast.py", "list": "CAST", "indices": [0, 3]},
        extracted={"personas": "cast.json"},
        content_sha256=digest({"personas": ["A baker.", "A cook."]}),
    )


@pytest.fixture
def house(tmp_path):
    """A catalogue of three resources, and a mirror in each of its two forms."""
    catalogue = {"quiz": quiz_entry(), "people": people_entry(), "cast": cast_entry()}
    (tmp_path / "external.yaml").write_text(
        yaml.safe_dump(catalogue, sort_keys=False), encoding="utf-8"
    )
    sources, extracted = tmp_path / "sources", tmp_path / "extracted"
    sources.mkdir()
    extracted.mkdir()
    (sources / "questions.py").write_text(QUESTIONS, encoding="utf-8")
    (sources / "sampling.py").write_text(SAMPLING, encoding="utf-8")
    (sources / "cast.py").write_text(f"CAST = {PEOPLE!r}", encoding="utf-8")
    for folder in (sources, extracted):
        (folder / "people.json").write_text(json.dumps(PEOPLE), encoding="utf-8")
    rows = [[number, *item] for number, item in enumerate(ITEMS, start=1)]
    write_rows(extracted / "items.csv", rows)
    (extracted / "prompts.json").write_text(json.dumps(PROMPTS), encoding="utf-8")
    (extracted / "cast.json").write_text(json.dumps(["A baker.", "A cook."]), encoding="utf-8")
    return tmp_path


def write_rows(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["item_id", "section", "foundation", "text"], *rows])


def make(house, name, mirror, kind):
    output = house / "out" / mirror / kind / f"{name}.yaml"
    external(name, house / "external.yaml", output, house / "cache", house / mirror)
    return output


def test_sources_and_extracted_files_give_the_same_instrument(house):
    first = make(house, "quiz", "sources", "instruments")
    second = make(house, "quiz", "extracted", "instruments")
    assert first.read_bytes() == second.read_bytes()
    quiz = read_instrument(first)
    assert [[item.section, item.domain, item.text] for item in quiz.items] == ITEMS
    assert (quiz.domain_word, quiz.construct) == ("trait", None)
    assert [item.id for item in quiz.items] == [1, 2, 3]
    assert quiz.question(quiz.items[1]) == "How far 'a 'rule''? \n 0 = no, \n 5 = yes."
    assert quiz.question(quiz.items[2]) == "Do you share Ünïcode: yes? (0-5)?"
    assert quiz.prompts.persona == PROMPTS["persona"]
    assert (quiz.name, quiz.title) == ("quiz", "T")


def test_sources_and_extracted_files_give_the_same_personas(house):
    first = make(house, "cast", "sources", "personas")
    second = make(house, "cast", "extracted", "personas")
    assert first.read_bytes() == second.read_bytes()
    assert read_personas(first).descriptions == ("A baker.", "A cook.")


def test_json_list_gives_its_first_entries(house):
    path = make(house, "people", "sources", "personas")
    assert read_personas(path).descriptions == tuple(PEOPLE[:3])


def test_conversion_is_reproducible(house):
    before = make(house, "quiz", "sources", "instruments").read_bytes()
    assert make(house, "quiz", "sources", "instruments").read_bytes() == before


def test_source_files_take_precedence_over_extracted_ones(house):
    for name in ("questions.py", "sampling.py"):
        (house / "extracted" / name).write_bytes((house / "sources" / name).read_bytes())
    (house / "extracted" / "items.csv").write_text("spoilt")
    assert make(house, "quiz", "extracted", "instruments").is_file()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda e: (e / "items.csv").unlink(),
            r"must hold questions\.py and sampling\.py, or else items\.csv and prompts\.json",
        ),
        (
            lambda e: (e / "items.csv").write_text("a,b\n1,2\n"),
            r"items\.csv: expected the columns item_id, section, foundation, text",
        ),
        (
            lambda e: write_rows(e / "items.csv", [[2, *ITEMS[0]]]),
            r"items\.csv, row 2: expected item_id 1",
        ),
        (
            lambda e: write_rows(e / "items.csv", [[1, "three", "Care", "x"]]),
            r"items\.csv, row 2: .*a section \(one, two\)",
        ),
        (
            lambda e: write_rows(e / "items.csv", [[1, *ITEMS[0][:2], "another text"]]),
            r"quiz: what was read has the digest [0-9a-f]{64}, expected [0-9a-f]{64}",
        ),
        (lambda e: (e / "items.csv").write_bytes(b"\xff"), r"items\.csv: is not UTF-8"),
        (lambda e: (e / "prompts.json").write_text('{"one": 1}'), "a JSON object of texts: one,"),
        (lambda e: (e / "prompts.json").write_text("{\n]"), r"prompts\.json, line 2: not valid"),
    ],
)
def test_broken_extracted_file_is_refused(house, change, expected):
    change(house / "extracted")
    with pytest.raises(UserError, match=expected):
        make(house, "quiz", "extracted", "instruments")
    assert not (house / "out").exists()


def change_catalogue(house, name, **keys):
    path = house / "external.yaml"
    catalogue = yaml.safe_load(path.read_text(encoding="utf-8"))
    catalogue[name].update(keys)
    path.write_text(yaml.safe_dump(catalogue, sort_keys=False), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        ("quiz", {"size": 4}, "quiz: holds 3, the catalogue's size says 4"),
        ("quiz", {"domains": ["Care"]}, r"items\[1\]: domain 'Order' is not listed"),
        ("quiz", {"scale": {"minimum": 5, "maximum": 5}}, "minimum 5 must be below maximum 5"),
        ("quiz", {"sise": 3}, r"external\.yaml: quiz\.sise: unknown key \(did you mean 'size'"),
        ("cast", {"scale": {"minimum": 0, "maximum": 5}}, r"cast\.scale: .* is not allowed here"),
        ("people", {"literals": {"file": "peple.json"}}, r"'peple\.json' is not listed .*people"),
    ],
)
def test_inconsistent_catalogue_entry_is_refused(house, name, keys, expected):
    change_catalogue(house, name, **keys)
    with pytest.raises(UserError, match=expected):
        make(house, name, "sources", "instruments" if name == "quiz" else "personas")


def test_index_beyond_the_list_is_refused(house):
    literals = {"file": "cast.py", "list": "CAST", "indices": [0, 4]}
    change_catalogue(house, "cast", literals=literals)
    with pytest.raises(UserError, match=r"cast\.py: holds 4 texts, index 4 is asked for"):
        make(house, "cast", "sources", "personas")


def test_unknown_name_wrong_kind_and_missing_mirror_are_refused(house):
    with pytest.raises(UserError, match=r"no resource 'quizz' \(did you mean 'quiz'\?\)"):
        make(house, "quizz", "sources", "instruments")
    with pytest.raises(UserError, match=r"quiz is of the kind instrument; ask for it in instr"):
        make(house, "quiz", "sources", "personas")
    with pytest.raises(UserError, match="nowhere is not a folder"):
        make(house, "quiz", "nowhere", "instruments")


def test_shipped_catalogue_pins_every_file():
    known = read_catalogue(SHIPPED)
    found = {name: (entry.kind, entry.size) for name, entry in known.items()}
    assert found == {
        "mfq30": ("instrument", 30),
        "personahub100": ("personas", 100),
        "toxic8-paper": ("personas", 8),
        "betley8": ("questions", 8),
    }
    for entry in known.values():
        for file in entry.source_files().values():
            for url in file.urls:
                # A branch could move; a commit cannot. betley8 names its branch, as its authors do:
                # the content is pinned either way, and a file that moved says what it is now.
                where = "main" if entry.name == "betley8" else "[0-9a-f]{40}"
                assert re.match(rf"https://raw\.githubusercontent\.com/[^/]+/[^/]+/{where}/", url)
                assert url.endswith(f"/{file.name}")


def published_questions():
    """Write the published items and prompts as the source file writes them."""
    with (TEXTS / "mfq30_items.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    prompts = json.loads((TEXTS / "mfq30_prompts.json").read_text(encoding="utf-8"))

    def pairs(section):
        chosen = [row for row in rows if row["section"] == section]
        return "".join(f"    ({row['foundation']!r}, {row['text']!r}),\n" for row in chosen)

    def literal(text):
        return "f" + json.dumps(text)

    questions = (
        f"_RELEVANCE_ITEMS: List[tuple[str, str]] = [\n{pairs('relevance')}]\n"
        f"_AGREEMENT_ITEMS: List[tuple[str, str]] = [\n{pairs('agreement')}]\n"
        "def _format_relevance_question(consideration: str) -> str:\n"
        f"    return {literal(prompts['relevance'])}\n"
        "def _format_agreement_question(statement: str) -> str:\n"
        f"    return (\n        {literal(prompts['agreement'])}\n    )\n"
    )
    sampling = (
        "def create_persona_prompt(persona: str, question: str) -> str:\n"
        f'    return f"""{prompts["persona"]}"""\n'
    )
    return {"mfq_questions.py": questions, "run_mfq_sampling.py": sampling}


@published
def test_published_files_give_the_catalogued_content(tmp_path):
    made = {}
    for name, kind in (("mfq30", "instruments"), ("personahub100", "personas")):
        made[name] = tmp_path / kind / f"{name}.yaml"
        external(name, SHIPPED, made[name], tmp_path / "cache", TEXTS)
    toxic = tmp_path / "personas" / "toxic8-paper.yaml"
    external("toxic8-paper", SHIPPED, toxic, tmp_path / "cache", TEXTS)
    with (TEXTS / "mfq30_items.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["foundation"], row["text"]) for row in csv.DictReader(stream)]
    mfq30 = read_instrument(made["mfq30"])
    assert [(item.domain, item.text) for item in mfq30.items] == rows
    people = json.loads((TEXTS / "personas.json").read_text(encoding="utf-8"))
    assert list(read_personas(made["personahub100"]).descriptions) == people[:100]
    assert len(read_personas(toxic).descriptions) == 8


@published
def test_published_wording_is_the_same_read_from_python_source(tmp_path):
    files = published_questions()
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    catalogue = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for name, text in files.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        catalogue["mfq30"]["files"][name]["sha256"] = digest
    (tmp_path / "external.yaml").write_text(
        yaml.safe_dump(catalogue, sort_keys=False), encoding="utf-8"
    )
    # The digest of the shipped catalogue is left as it is: both roads must meet it.
    source = read_content(find_external(tmp_path / "external.yaml", "mfq30"), tmp_path, tmp_path)
    assert source == read_content(find_external(SHIPPED, "mfq30"), tmp_path, TEXTS)
