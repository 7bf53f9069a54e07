"""YAML documents: every fault is one message that names the file, the place and the rule."""

import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.common.yaml import (
    CHECKED,
    SCHEMAS,
    check,
    key_path,
    read_document,
    read_yaml,
)

PERSONAS = {
    "name": "some",
    "title": "Some",
    "licence": "CC0-1.0",
    "source": "here",
    "personas": ["A baker.", "A judge."],
}


def fault_of(path: Path, schema: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read_yaml(path) if schema is None else read_document(path, schema)
    text = str(caught.value)
    assert text.startswith(str(path))
    return text


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ", line 3: not valid YAML: the key 'a' is given twice"),
        ("top:\n  a: 1\n  a: 1\n", ", line 3: not valid YAML: the key 'a' is given twice"),
        ("a: 1\n2024: x\n", ", line 2: not valid YAML: the key 2024 is read as int; put it in"),
        ("a: 1\nyes: x\n", ", line 2: not valid YAML: the key True is read as bool"),
        ("? [a]\n: 1\n", ", line 1: not valid YAML: the key ['a'] is read as list"),
        ("a: [1, 2\nb: 3\n", ", line 2: not valid YAML: "),
        ("a: ü\nb: \x01\n", ", line 2: not valid YAML: control characters are not allowed"),
        ("a: 0b_\n", ": not valid YAML: "),
        ("a: *nowhere\n", ", line 1: not valid YAML: "),
        ("a: !!python/object:os.system {}\n", ", line 1: not valid YAML: "),
        (b"a: caf\xe9\n", ": is not UTF-8 (byte 6)"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, text, expected):
    assert expected in fault_of(write(tmp_path, text))


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path):
    assert "there is no such file" in fault_of(tmp_path / "none.yaml")
    assert "is a folder" in fault_of(tmp_path)


def test_a_merged_key_may_be_overridden(tmp_path):
    path = write(tmp_path, "base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\n")
    assert read_yaml(path)["other"] == {"x": 1, "y": 3}


def test_dates_stay_texts(tmp_path):
    assert read_yaml(write(tmp_path, "model: 2024-08-06\nodd: 2024-13-45\n")) == {
        "model": "2024-08-06",
        "odd": "2024-13-45",
    }


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
def test_a_schema_fault_names_the_key_and_what_was_expected(tmp_path, change, expected):
    path = write(tmp_path, yaml.safe_dump({**PERSONAS, **change}))
    assert f"{path}: {expected}" in fault_of(path, "personas")


def test_a_missing_key_is_named(tmp_path):
    path = write(tmp_path, yaml.safe_dump({k: v for k, v in PERSONAS.items() if k != "licence"}))
    assert "the key 'licence' is missing" in fault_of(path, "personas")


@pytest.mark.parametrize(("text", "found"), [("", "null"), ("[]", "[]"), ("just words", '"just')])
def test_a_file_that_is_no_mapping(tmp_path, text, found):
    message = fault_of(write(tmp_path, text), "personas")
    assert f"the file as a whole: expected a mapping, found {found}" in message


def test_a_part_of_a_schema_reports_its_place_in_the_whole_file():
    with pytest.raises(UserError, match=r"f\.yaml: mfq30\.sise: unknown key \(did you mean 'size'"):
        check({"sise": 3}, "external#/$defs/resource", "f.yaml", ("mfq30",))


def test_a_misspelt_key_counts_before_the_missing_one(tmp_path):
    document = {("titel" if key == "title" else key): value for key, value in PERSONAS.items()}
    path = write(tmp_path, yaml.safe_dump(document))
    assert "titel: unknown key (did you mean 'title'?)" in fault_of(path, "personas")


def test_every_object_of_every_schema_is_closed():
    def open_objects(node, path):
        if isinstance(node, dict):
            # A condition and its branches only narrow the object that holds them.
            if node.get("type") == "object" and "additionalProperties" not in node:
                yield path
            for key, value in node.items():
                yield from open_objects(value, [*path, key])
        elif isinstance(node, list):
            for place, value in enumerate(node):
                yield from open_objects(value, [*path, place])

    for file in ("instrument", "personas"):
        schema = read_yaml(SCHEMAS / f"{file}.schema.yaml")
        assert list(open_objects(schema, [])) == []


def test_key_path_is_written_as_a_reader_would():
    assert key_path(["models", "gpt-4o", "variants", 0, "x"]) == "models.gpt-4o.variants[0].x"
    assert key_path([]) == "the file as a whole"


texts = st.text(string.printable + "äßλ中…", max_size=30)


@given(st.dictionaries(texts, st.lists(texts | st.integers() | st.booleans(), max_size=4)))
def test_what_safe_dump_writes_is_read_back(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8", newline="\n")
    assert read_yaml(path) == document


def test_what_a_run_has_checked_its_jobs_read_without_the_checker(tmp_path, monkeypatch):
    """The mark is of the text and the schema: a text that changed meanwhile is checked again."""
    monkeypatch.delenv(CHECKED, raising=False)
    path = write(tmp_path, yaml.safe_dump(PERSONAS))
    job = f"""
import sys
from pathlib import Path
from persona_collapse.common.yaml import read_document
read_document(Path({str(path)!r}), "personas")
print("jsonschema" in sys.modules)
"""

    def checks() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", job], check=True, capture_output=True, text=True
        )
        return {"True": True, "False": False}[done.stdout.strip()]

    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    assert checks()
    read_document(path, "personas")
    read_document(path, "personas")
    assert len(os.environ[CHECKED].split()) == 1
    assert not checks()
    path.write_text(yaml.safe_dump({**PERSONAS, "title": "Others"}), encoding="utf-8")
    assert checks()
    path.write_text(yaml.safe_dump({**PERSONAS, "tittle": "Others"}), encoding="utf-8")
    assert "tittle: unknown key" in fault_of(path, "personas")
