"""Reading YAML: every fault is one message that names the file, the line and the rule."""

import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.common.yaml import read_yaml


def fault_of(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_yaml(path)
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
def test_invalid_yaml_is_refused_with_its_line(tmp_path, text, expected):
    assert expected in fault_of(write(tmp_path, text))


def test_missing_file_and_folder_are_refused(tmp_path):
    assert "there is no such file" in fault_of(tmp_path / "none.yaml")
    assert "is a folder" in fault_of(tmp_path)


def test_merged_key_can_be_overridden(tmp_path):
    path = write(tmp_path, "base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\n")
    assert read_yaml(path)["other"] == {"x": 1, "y": 3}


def test_dates_are_read_as_text(tmp_path):
    assert read_yaml(write(tmp_path, "model: 2024-08-06\nodd: 2024-13-45\n")) == {
        "model": "2024-08-06",
        "odd": "2024-13-45",
    }


texts = st.text(string.printable + "äßλ中…", max_size=30)


@given(st.dictionaries(texts, st.lists(texts | st.integers() | st.booleans(), max_size=4)))
def test_written_document_is_read_back_unchanged(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8", newline="\n")
    assert read_yaml(path) == document
