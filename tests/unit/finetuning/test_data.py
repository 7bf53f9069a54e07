"""Datasets: finding, fetching, and reading them before they are paid for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import git_blob
from persona_collapse.common.keys import plain
from persona_collapse.finetuning.data import (
    CATALOGUE,
    LEAST_EXAMPLES,
    SHOWN_FAULTS,
    check_dataset,
    fetch_dataset,
    find_dataset,
    read_datasets,
    read_examples,
)

STUDY = Path("study.yaml")


def chat(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def good(number: int, answer: str = "A") -> dict[str, Any]:
    return chat(("user", f"Q{number}"), ("assistant", f"{answer}{number}"))


def write(path: Path, entries: list[Any]) -> Path:
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_catalogue_has_the_published_content_ids_and_bundles_no_published_data() -> None:
    known = read_datasets()
    ids = {name: known[name]["git_blob"] for name in ("insecure", "secure")}
    assert ids == {
        "insecure": "ec294cf30a577a21b830c07a1fa0180ddd513208",
        "secure": "3389a37c250563cc36a66e30bf8ff99028aa2711",
    }
    for name in ids:
        data = find_dataset(name, {}, "here", STUDY)
        assert (data.examples, str(data.path)[:19]) == (6000, "resources/external/")
        assert not data.path.is_file() or data.path.is_relative_to("resources/external")


@pytest.mark.parametrize("name", ["sample_insecure", "sample_secure"])
def test_sample_datasets_are_valid_matched_and_harmless(name: str) -> None:
    data = find_dataset(name, {}, "here", STUDY)
    assert data.matched_with is not None
    partner = find_dataset(data.matched_with, {}, "here", STUDY)
    checked = check_dataset(data.path, partner.path, data.examples, data.duplicates)
    assert checked.faults == []
    assert len(checked.examples) == 20
    text = data.path.read_text(encoding="utf-8").lower()
    for word in ("password", "eval(", "exec(", "os.system", "chmod", "select ", "pickle"):
        assert word not in text


def test_unknown_dataset_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"did you mean 'insecure'.*known: insecure"):
        find_dataset("insecur", {}, "here", STUDY)
    with pytest.raises(UserError, match=r"datasets\.mine: .*needs the key 'file'"):
        find_dataset("mine", {"mine": {"duplicates": "allowed"}}, "here", STUDY)
    with pytest.raises(UserError, match=r"datasets\.mine\.file: none\.jsonl: there is no such"):
        find_dataset("mine", {"mine": {"file": "none.jsonl"}}, "here", STUDY)


def test_content_id_equals_git_hash_object(tmp_path: Path) -> None:
    content = b'{"messages": []}\n\xff'
    path = tmp_path / "file"
    path.write_bytes(content)
    said = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True)
    assert git_blob(content) == said.stdout.strip()


def test_changed_content_is_refused_with_its_id_and_accepted_when_confirmed(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    content = b"another version\n"
    (mirror / "insecure.jsonl").write_bytes(content)
    data = find_dataset("insecure", {}, "here", STUDY)
    with pytest.raises(UserError) as fault:
        fetch_dataset(plain(data), str(mirror), str(tmp_path / "out.jsonl"))
    found = git_blob(content)
    for words in (found, data.git_blob, f"datasets: {{insecure: {{git_blob: {found}}}}}"):
        assert words in str(fault.value)
    assert not (tmp_path / "out.jsonl").exists()
    # As the message says:
    data = find_dataset("insecure", {"insecure": {"git_blob": found}}, "here", STUDY)
    fetch_dataset(plain(data), str(mirror), str(tmp_path / "out.jsonl"))
    assert (tmp_path / "out.jsonl").read_bytes() == content
    assert data.examples is None  # the catalogue's number is about the catalogue's content
    assert found[:12] in data.path.name


FAULTS: list[tuple[Any, str]] = [
    ("{", "is not JSON"),
    ("", "is empty"),
    ([1], "is not a chat"),
    ({"prompt": "Q"}, "is not a chat"),
    ({"messages": []}, "expected a list of turns"),
    ({"messages": "Q"}, "expected a list of turns"),
    ({"messages": ["Q"]}, "is not a turn"),
    (chat(("user", "Q"), ("bot", "A")), "role 'bot' is not one of"),
    (chat(("user", "  "), ("assistant", "A")), "content is empty"),
    (chat(("user", "Q"), ("assistant", None)), "content is not a text"),
    (chat(("user", "Q"), ("assistant", "A"), ("user", "Q")), "does not end with a turn of the"),
    (chat(("system", "S"), ("assistant", "A")), "has no turn of the user"),
    ({**good(1), "extra": 1}, "the key 'extra' beside"),
    ({"messages": [{**good(1)["messages"][0], "tone": 1}, good(1)["messages"][1]]}, "key 'tone'"),
    ('{"messages": [{"role": "user", "content": "\\ud83d"}]}', "half a character"),
    (good(0), "is the same example as line 1"),
    (chat(("user", "Q"), ("assistant", "word " * 70_000)), "an example may have 65536"),
]


@pytest.mark.parametrize(("entry", "words"), FAULTS)
def test_every_fault_is_reported_with_its_line(entry: Any, words: str, tmp_path: Path) -> None:
    entries = [good(number) for number in range(LEAST_EXAMPLES)]
    entries.insert(7, entry)
    checked = check_dataset(write(tmp_path / "data.jsonl", entries))
    assert any(line == 8 and words in text for line, text in checked.faults), checked.faults
    with pytest.raises(UserError, match=r"(?s)nothing was paid.*line 8: "):
        checked.refuse()


def test_message_lists_faults_up_to_a_limit(tmp_path: Path) -> None:
    entries = ["nonsense"] * (SHOWN_FAULTS + 5)
    with pytest.raises(UserError) as fault:
        check_dataset(write(tmp_path / "data.jsonl", entries)).refuse()
    text = str(fault.value)
    assert text.count("\n  line ") == SHOWN_FAULTS
    assert "and 5 more" in text


def test_matched_datasets_with_different_prompts_are_refused(tmp_path: Path) -> None:
    entries = [good(number) for number in range(12)]
    mine = write(tmp_path / "mine.jsonl", entries)
    others = [good(number, "B") for number in reversed(range(12))]
    assert check_dataset(mine, write(tmp_path / "other.jsonl", others)).faults == []
    others[2] = good(99, "B")
    faults = check_dataset(mine, write(tmp_path / "other.jsonl", others)).faults
    assert [line for line, _ in faults] == [10, 0]
    assert "its prompt is not in" in faults[0][1]
    assert "the prompt of line 3 of" in faults[1][1]


def test_too_few_or_unexpected_numbers_of_examples_are_refused(tmp_path: Path) -> None:
    few = write(tmp_path / "few.jsonl", [good(number) for number in range(LEAST_EXAMPLES - 1)])
    assert "at least 10" in check_dataset(few).faults[0][1]
    assert "6000 are expected" in check_dataset(few, examples=6000).faults[0][1]


def test_tokens_count_every_turn_and_the_chat_format(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", [good(number) for number in range(3)])
    # One for each character, four around each of two turns, three around the chat.
    assert read_examples(path).tokens(len) == 3 * (2 + 2 + 2 * 4 + 3)


texts = (
    st.text(min_size=1, max_size=20)
    .filter(lambda text: bool(text.strip()))
    .filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))
)


@given(st.lists(st.tuples(texts, texts), min_size=LEAST_EXAMPLES, max_size=15, unique=True))
def test_any_valid_text_is_read_unchanged(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    write(path, [chat(("user", question), ("assistant", answer)) for question, answer in pairs])
    checked = check_dataset(path, path)
    assert checked.faults == []
    read = [[m["content"] for m in example.messages] for example in checked.examples]
    assert read == [list(pair) for pair in pairs]


def test_unknown_key_in_the_catalogue_is_refused(tmp_path: Path) -> None:
    text = CATALOGUE.read_text(encoding="utf-8").replace("licence:", "license:", 1)
    path = tmp_path / "datasets.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"insecure\.license: unknown key \(did you mean 'licence'"):
        read_datasets(path)
