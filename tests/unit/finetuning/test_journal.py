"""The journal of fine-tunes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.journal import GONE, ID, INTENT, REFUSED, known_id, open_intent
from persona_collapse.common.hashing import canonical
from persona_collapse.finetuning import journal as log
from persona_collapse.finetuning.journal import ending, journal_of

EVENTS = (INTENT, ID, REFUSED, GONE, log.FINISHED, log.FAILED, log.CANCELLED)


def test_journal_merges_files_of_processes_and_skips_incomplete_lines(tmp_path: Path) -> None:
    first, second = (journal_of(tmp_path, "job", "ab" * 32) for _ in range(2))
    first.write(INTENT, usd=1.0)
    second.write(ID, id="ftjob-1")
    (path, _) = sorted(first.folder.glob("*.jsonl"), key=lambda path: path.read_bytes())
    first.close()
    second.close()
    with path.open("ab") as file:
        file.write(b'{"at": "9999", "event": "gone"')
    entries = first.entries()
    assert [entry["event"] for entry in entries] == [INTENT, ID]
    assert known_id(entries) == "ftjob-1"
    assert open_intent(entries) is None
    assert not list((tmp_path / log.FOLDER).glob("*.jsonl"))  # no stream of answers


def test_flipped_bit_changes_no_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The damaged line is dropped: what it said is looked up at the server."""
    journal = journal_of(tmp_path, "job", "ab" * 32)
    written = [journal.write(INTENT, usd=1.0), journal.write(ID, id="ftjob-1")]
    journal.close()
    (path,) = journal.folder.glob("*.jsonl")
    whole = path.read_bytes()
    assert journal.entries() == written
    for bit in range(0, 8 * len(whole), 23):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        left = journal.entries()
        assert len(left) < 2
        assert all(entry in written for entry in left)
    lines = {text.partition(": ")[0] for text in caplog.messages}
    assert {f"{path}, line {number}" in lines for number in (1, 2)} == {True}
    assert f"{path}, line 0" not in lines


def test_journal_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, "job", "ab" * 32)
    written = journal.write(ID, id="ftjob-1")
    journal.close()
    (path,) = journal.folder.glob("*.jsonl")
    path.write_bytes(canonical(written).encode() + b"\n")
    assert journal.entries() == [written]


@given(st.lists(st.sampled_from(EVENTS), max_size=8))
def test_state_of_a_journal_follows_from_its_last_events(events: list[str]) -> None:
    entries: list[dict[str, Any]] = [
        {"event": event, "id": str(number)} for number, event in enumerate(events)
    ]
    about_id = [entry for entry in entries if entry["event"] in (ID, GONE)]
    expected = about_id[-1]["id"] if about_id and about_id[-1]["event"] == ID else None
    assert known_id(entries) == expected
    creating = [e for e in entries if e["event"] in (INTENT, ID, REFUSED, GONE)]
    last = creating[-1] if creating and creating[-1]["event"] == INTENT else None
    assert open_intent(entries) is last
    end = ending(entries)
    assert (end is None) == (not set(events) & set(log.ENDS))
    if log.FINISHED in events:
        assert end is not None
        assert end["event"] == log.FINISHED
