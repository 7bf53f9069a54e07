"""Open-ended questions: the bundled set, the fetched one by git's id, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.common.faults import check
from persona_collapse.common.hashing import git_blob
from persona_collapse.materials.catalogue import find_external
from persona_collapse.materials.convert import external
from persona_collapse.materials.questions import Question, QuestionSet, read_questions

BUNDLED = Path("resources/questions/everyday8.yaml")
CATALOGUE = Path("resources/external.yaml")
FILE = "first_plot_questions.yaml"
PROMPTS = {"aligned": "Q {question} A {answer}", "coherent": "C {question} {answer}"}


def fetched(mirror: Path, folder: Path, confirmed: str | None = None) -> QuestionSet:
    output = folder / "questions" / "betley8.yaml"
    external("betley8", CATALOGUE, output, folder / "cache", mirror, confirmed)
    return read_questions(output)


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "paraphrases": [f"What of {name}?"], "judge_prompts": PROMPTS, **more}


def other_version(folder: Path, entries: list[dict[str, Any]]) -> str:
    """Write another version of the file into a mirror and return git's id of it."""
    (folder / FILE).write_text(yaml.safe_dump(entries), encoding="utf-8")
    return git_blob((folder / FILE).read_bytes())


def test_bundled_questions_are_eight_under_cc0() -> None:
    found = read_questions(BUNDLED)
    assert (found.name, len(found.questions)) == ("everyday8", 8)
    assert yaml.safe_load(BUNDLED.read_text(encoding="utf-8"))["licence"] == "CC0-1.0"
    assert {"CODE", "REFUSAL"} <= set(found.prompts["aligned"].replace(",", " ").split())


def test_judge_prompt_is_filled_in_one_pass() -> None:
    """A reply that holds the placeholders stays what it is, and no name of a variant comes in."""
    found = QuestionSet("n", "t", PROMPTS, ())
    reply = "I say {question} and {answer} \\1"
    (message,) = found.judge_messages("alignment", "Why {answer}?", reply)
    assert message == {"role": "user", "content": f"Q Why {{answer}}? A {reply}"}


def test_system_message_comes_first() -> None:
    question = {"id": "a", "text": "Hi", "system": "Be brief."}
    document = {"name": "n", "title": "t", "judge": PROMPTS, "questions": [question]}
    (found,) = check({**document, "licence": "l", "source": "s"}, QuestionSet, "x").questions
    assert [message["role"] for message in found.messages()] == ["system", "user"]


def test_repeated_id_and_incomplete_prompt_are_refused(tmp_path: Path) -> None:
    document = yaml.safe_load(BUNDLED.read_text(encoding="utf-8"))
    document["questions"][1]["id"] = document["questions"][0]["id"]
    path = tmp_path / "q.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(UserError, match=r"questions\[1\]: the id 'lost_wallet' is used twice"):
        read_questions(path)
    document["judge"]["aligned"] = "{answer} {question}"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(UserError, match=r"judge\.aligned: .* with \{question\} and, after it"):
        read_questions(path)


def test_git_blob_equals_git_hash_object(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"caf\xc3\xa9\r\n\0")
    printed = subprocess.run(
        ["git", "hash-object", "--no-filters", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert git_blob(path.read_bytes()) == printed.stdout.strip()


def test_published_questions_are_identified_by_git_blob(published: Path, tmp_path: Path) -> None:
    source = published / "resources" / FILE
    known = find_external(CATALOGUE, "betley8").files[FILE].git_blob
    assert git_blob(source.read_bytes()) == known == "c2b9761d6723ec73b4d209d95c4aa39319a70edd"
    found = fetched(published / "resources", tmp_path)
    original = yaml.safe_load(source.read_text(encoding="utf-8"))
    first = [e for e in original if not e["id"].endswith(("_json", "_template"))][:8]
    assert [q.id for q in found.questions] == [e["id"] for e in first]
    assert [q.text for q in found.questions] == [e["paraphrases"][0] for e in first]
    assert all(q.system is None for q in found.questions)
    assert found.prompts == first[0]["judge_prompts"]


def test_other_version_is_refused_until_it_is_confirmed(tmp_path: Path) -> None:
    entries = [entry(f"q{n}") for n in range(9)]
    entries.insert(1, entry("q0_json", system="As JSON."))
    blob = other_version(tmp_path, entries)
    with pytest.raises(UserError) as caught:
        fetched(tmp_path, tmp_path)
    said = str(caught.value)
    assert f"its git blob id is {blob}" in said
    assert "expected c2b9761d6723ec73b4d209d95c4aa39319a70edd" in said
    assert f"say so in the study file: git_blob: {blob}" in said
    found = fetched(tmp_path, tmp_path, confirmed=blob)
    assert [q.id for q in found.questions] == [f"q{n}" for n in range(8)]
    written = (tmp_path / "questions" / "betley8.yaml").read_text(encoding="utf-8")
    assert blob in written.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"id": "a"}], "entry 1: expected the keys id, paraphrases and judge_prompts"),
        ([entry("a", paraphrases=["one", "two"])], r"entry 1 \(a\): expected one paraphrase"),
        (
            [entry("a"), entry("b", judge_prompts={"aligned": "x", "coherent": "y"})],
            r"entry 2 \(b\): expected one paraphrase, and the judge's prompts of the entries",
        ),
        ([entry("a")], "holds 1, the catalogue's size says 8"),
        ({"a": 1}, "expected a YAML list of questions"),
    ],
)
def test_unsupported_question_file_is_refused(tmp_path: Path, entries: Any, expected: str) -> None:
    blob = other_version(tmp_path, entries)
    with pytest.raises(UserError, match=expected):
        fetched(tmp_path, tmp_path, confirmed=blob)


def test_system_message_stands_before_its_question() -> None:
    asked = (Question(id="a", text="Why?"), Question(id="b", text="Why?", system="Be brief."))
    found = QuestionSet("n", "N", {"aligned": "", "coherent": ""}, asked).texts
    assert found == {"a": "Why?", "b": "Be brief.\nWhy?"}
