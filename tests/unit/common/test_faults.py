"""Checking documents against declared keys: faults name the key and the rule that it breaks."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.common.faults import (
    CHECKED,
    build,
    check,
    key_path,
    mark_checked,
    read_document,
)
from persona_collapse.common.keys import (
    Count,
    GitBlob,
    Keys,
    Limits,
    Name,
    Names,
    NonNegative,
    Positive,
    Text,
    given,
    key,
    plain,
)
from persona_collapse.materials.catalogue import ExternalKeys
from persona_collapse.materials.personas import PersonaSet

PERSONAS = {
    "name": "some",
    "title": "Some",
    "licence": "CC0-1.0",
    "source": "here",
    "personas": ["A baker.", "A judge."],
}


@dataclass(frozen=True)
class Pair(Keys):
    pair: Annotated[tuple[str, ...], Limits(min_length=2)] = key("two or more names")


@dataclass(frozen=True)
class Part(Keys):
    count: Count = key("a count")
    share: Annotated[float, Limits(gt=0, lt=1)] | None = key("a share", None)
    price: NonNegative = key("a price", 1)
    names: Names | None = key("names", None)
    kind: Literal["one", "two"] | None = key("a kind", None)
    source: Text | None = key("a source", None, name="from")
    blob: GitBlob | None = key("an id", None)
    attempt: Count | dict[str, Count] = key("attempts", 1)


@dataclass(frozen=True)
class Whole(Keys):
    parts: Annotated[dict[Name, Part], Limits(min_length=1)] = key("parts by name")
    weights: tuple[Positive, ...] = key("weights", ())
    flag: bool = key("a flag", False)


def fault_of(path: Path, kind: type) -> str:
    with pytest.raises(UserError) as caught:
        read_document(path, kind)
    text = str(caught.value)
    assert text.startswith(str(path))
    return text


def write(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "the file as a whole: expected a mapping, found []"),
        ({}, "the file as a whole: the key 'parts' is missing"),
        ({"parts": {}}, "parts: must not be empty"),
        ({"parts": {"a": {}}}, "parts.a: the key 'count' is missing"),
        ({"parts": {"a": 3}}, "parts.a: expected a mapping, found 3"),
        (
            {"parts": {"a b": {"count": 1}}},
            "parts: 'a b' cannot be used as a name (a name of at most",
        ),
        ({"parts": {"a": {"cuont": 1}}}, "parts.a.cuont: unknown key (did you mean 'count'?); the"),
        ({"parts": {"a": {"count": 0}}}, "parts.a.count: 0 is less than the minimum of 1"),
        ({"parts": {"a": {"count": "1"}}}, 'parts.a.count: expected an integer, found "1"'),
        ({"parts": {"a": {"count": True}}}, "parts.a.count: expected an integer, found true"),
        ({"parts": {"a": {"count": 1.0}}}, "parts.a.count: expected an integer, found 1.0"),
        ({"parts": {"a": {"count": 1, "share": 0}}}, "parts.a.share: 0 is not above 0"),
        ({"parts": {"a": {"count": 1, "share": 1}}}, "parts.a.share: 1 is not below 1"),
        ({"parts": {"a": {"count": 1, "share": "x"}}}, "share: expected a number or nothing, foun"),
        ({"parts": {"a": {"count": 1, "names": []}}}, "parts.a.names: must not be empty"),
        ({"parts": {"a": {"count": 1, "names": ["x", "x"]}}}, "parts.a.names: x is listed twice"),
        ({"parts": {"a": {"count": 1, "names": ["x", 3]}}}, "names[1]: expected a text, found 3"),
        ({"parts": {"a": {"count": 1, "kind": "tow"}}}, "one of: one, two (did you mean 'two'?)"),
        ({"parts": {"a": {"count": 1, "from": ""}}}, "parts.a.from: must not be empty"),
        ({"parts": {"a": {"count": 1, "source": "x"}}}, "parts.a.source: unknown key"),
        ({"parts": {"a": {"count": 1, "blob": "x"}}}, 'blob: "x" is not a git blob id of 40 hex'),
        ({"parts": {"a": {"count": 1, "attempt": "x"}}}, "expected an integer or a mapping, found"),
        ({"parts": {"a": {"count": 1}}, "weights": [1, 0]}, "weights[1]: 0 is not above 0"),
        ({"parts": {"a": {"count": 1}}, "flag": "yes"}, 'expected true or false, found "yes"'),
        ({"parts": {"a": {"count": 0}}, "flga": True}, "flga: unknown key (did you mean 'flag'?)"),
        ({"parts": {"a": {"cuont": 1}}, "flag": 3}, "parts.a.cuont: unknown key"),
        ({"parts": {"a": {"count": 0}}, "flag": 3}, "flag: expected true or false, found 3"),
    ],
)
def test_fault_names_the_key_and_the_rule(document: Any, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        check(document, Whole, "f.yaml")
    assert str(caught.value).startswith("f.yaml: ")
    assert expected in str(caught.value)


def test_checked_document_keeps_integers_and_fills_in_defaults() -> None:
    document = {"parts": {"a": {"count": 1, "price": 2, "from": "x"}}, "weights": [1, 0.5]}
    found = check(document, Whole, "f.yaml")
    assert found == build(Whole, document)
    assert [type(weight) for weight in found.weights] == [int, float]
    assert type(found.parts["a"].price) is int
    assert given(found.parts["a"]) == {"count": 1, "price": 2, "source": "x", "attempt": 1}
    assert plain(found)["weights"] == [1, 0.5]


def test_part_of_a_document_reports_its_place_in_the_whole_file() -> None:
    with pytest.raises(UserError, match=r"f\.yaml: mfq30\.sise: unknown key \(did you mean 'size'"):
        check({"sise": 3}, ExternalKeys, "f.yaml", ("mfq30",))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"persona": []}, "persona: unknown key (did you mean 'personas'?); the keys here are: "),
        ({"personas": "A baker."}, 'personas: expected a list, found "A baker."'),
        ({"personas": ["A baker.", 3]}, "personas[1]: expected a text, found 3"),
        ({"licence": None}, "licence: expected a text, found null"),
        ({"personas": []}, "personas: "),
    ],
)
def test_file_fault_names_the_file_and_the_key(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    path = write(tmp_path, yaml.safe_dump({**PERSONAS, **change}))
    assert f"{path}: {expected}" in fault_of(path, PersonaSet)


def test_missing_key_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump({k: v for k, v in PERSONAS.items() if k != "licence"}))
    assert "the key 'licence' is missing" in fault_of(path, PersonaSet)


@pytest.mark.parametrize(("text", "found"), [("", "null"), ("[]", "[]"), ("just words", '"just')])
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, found: str) -> None:
    message = fault_of(write(tmp_path, text), PersonaSet)
    assert f"the file as a whole: expected a mapping, found {found}" in message


def test_misspelt_key_counts_before_the_missing_one(tmp_path: Path) -> None:
    document = {("titel" if name == "title" else name): v for name, v in PERSONAS.items()}
    path = write(tmp_path, yaml.safe_dump(document))
    assert "titel: unknown key (did you mean 'title'?)" in fault_of(path, PersonaSet)


def test_key_declared_twice_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"the key 'share' is declared twice in .*Twice"):

        @dataclass(frozen=True)
        class Twice(Keys):
            share: float = key("a share", 0.1)
            share: float = key("once more", 0.2)

    with pytest.raises(TypeError, match=r"the key 'count' is declared twice: in Part and Own"):

        @dataclass(frozen=True)
        class Own(Part):
            count: int = key("a count of its own")


def test_key_path_is_written_as_a_reader_would() -> None:
    assert key_path(["models", "gpt-4o", "variants", 0, "x"]) == "models.gpt-4o.variants[0].x"
    assert key_path([]) == "the file as a whole"


def test_jobs_read_what_was_checked_without_the_checker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is of text and declaration: a text that changed meanwhile is checked again."""
    monkeypatch.delenv(CHECKED, raising=False)
    path = write(tmp_path, yaml.safe_dump(PERSONAS))
    job = f"""
import sys
from pathlib import Path
from persona_collapse.common.faults import read_document
from persona_collapse.materials.personas import PersonaSet
assert read_document(Path({str(path)!r}), PersonaSet).descriptions[0] == "A baker."
print("pydantic" in sys.modules)
"""

    def checks() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", job], check=True, capture_output=True, text=True
        )
        return {"True": True, "False": False}[done.stdout.strip()]

    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    assert checks()
    read_document(path, PersonaSet)
    read_document(path, PersonaSet)
    assert len(os.environ[CHECKED].split()) == 1
    assert not checks()
    path.write_text(yaml.safe_dump({**PERSONAS, "title": "Others"}), encoding="utf-8")
    assert checks()
    marked = mark_checked(yaml.safe_dump(PERSONAS), "x")
    path.write_text(marked, encoding="utf-8")
    assert not checks()
    path.write_text(marked.replace("Some", "Other"), encoding="utf-8")
    assert checks()
    path.write_text(yaml.safe_dump({**PERSONAS, "tittle": "Others"}), encoding="utf-8")
    assert "tittle: unknown key" in fault_of(path, PersonaSet)


def test_key_wrong_in_every_entry_is_reported_for_the_first() -> None:
    wrong = [
        ({"personas": [1, 2]}, "personas[0]: expected a text, found 1"),
        ({"personas": []}, "personas: must not be empty"),
    ]
    for change, message in wrong:
        with pytest.raises(UserError) as fault:
            check({**PERSONAS, **change}, PersonaSet, "some.yaml")
        assert str(fault.value) == f"some.yaml: {message}"


def test_list_with_too_few_entries_is_told_how_many_it_needs() -> None:
    with pytest.raises(UserError, match=r"pair: needs 2 entries"):
        check({"pair": ["a"]}, Pair, "some.yaml")
    with pytest.raises(UserError, match=r"pair\[0\]: expected a text"):
        check({"pair": [1, 2]}, Pair, "some.yaml")
