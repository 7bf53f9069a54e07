"""Requests without an answer: what is named, what is counted, and whether the job fails."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.progress import failures
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import ReplyJob
from persona_collapse.asking.unanswered import Failed, failed_of, note_of, refuse
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt, Choice

CELLS = [f"{number:02d}" * 20 for number in range(8)]


def failure(repetitions: tuple[int, ...], detail: str | None) -> Attempt:
    return Attempt("c", repetitions, 9, "2026", cause="http_500", detail=detail)


def job(cell: str, *attempts: Attempt, repetitions: tuple[int, ...] = (1, 2)) -> ReplyJob:
    return ReplyJob(cell, [], repetitions, list(attempts), 9)


def settings(tmp_path: Path, **changes: Any) -> Settings:
    given = {"base_url": "https://a.test/v1", "model": "m", "stops": str(tmp_path / "stops")}
    return Settings.of({**given, "store": "the-store", **changes})


def test_jobs_that_lack_replies_are_failed_with_their_last_reason() -> None:
    replied = Attempt("c", (1, 2), 9, "2026", choices=(Choice(0, "a"), Choice(1, "b")))
    first = Attempt("c", (1,), 9, "2026", choices=(Choice(0, "a"),))
    found = failed_of(
        [
            job(CELLS[0], replied),
            job(CELLS[1], failure((2,), "early"), failure((1, 2), "late"), failure((3,), "other")),
            job(CELLS[2], first, failure((2,), "of the second"), failure((1,), "of the first")),
            job(CELLS[3]),
        ],
        {CELLS[1]: "person 1, item 1"},
    )
    assert found == [
        Failed("person 1, item 1", (1, 2), "HTTP 500 (Internal Server Error): late"),
        Failed(
            f"request {CELLS[2][:12]}", (1, 2), "HTTP 500 (Internal Server Error): of the second"
        ),
        Failed(f"request {CELLS[3][:12]}", (1, 2), None),
    ]


def test_missing_replies_fail_the_job_with_counts_cells_and_reasons(tmp_path: Path) -> None:
    given = settings(tmp_path)
    failed = [
        *(Failed(f"cell {n}", (1, 2), f"reason {n % 4}") for n in range(6)),
        Failed("cell 0", (3,), None),
    ]
    with pytest.raises(UserError) as fault:
        refuse("m base", 50, failed, given)
    text = str(fault.value)
    assert text.startswith(
        "m base: 13 of 50 slots have no answer, of cell 0, cell 1, cell 2, cell 3, cell 4 and 1 "
        "more cells. reason 0 (4), reason 1 (4), reason 2 (2) and 2 more reasons. "
    )
    assert "accept_errors=true" in text
    (note,) = failures(tmp_path / "stops")
    assert (note.label, note.asked, note.missing, note.cells) == ("m base", 50, 13, 6)
    assert sorted(note.reasons.values()) == [1, 2, 2, 4, 4]
    with pytest.raises(UserError, match=r"cell 0\. no reply is in the-store: .*moved.* \(1\)\. E"):
        refuse("m base", 50, failed[-1:], given)


def test_as_many_cells_and_reasons_as_are_named_leave_no_others(tmp_path: Path) -> None:
    failed = [Failed(f"cell {n}", (1,), f"reason {n % 3}") for n in range(5)]
    with pytest.raises(UserError) as fault:
        refuse("m base", 5, failed, settings(tmp_path))
    assert "cell 4. reason 0 (2), reason 1 (2), reason 2 (1). Every" in str(fault.value)
    assert "more" not in str(fault.value)


def test_accepted_errors_are_noted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = str(tmp_path / "accepted")
    failed = [Failed("cell", (1,), "why")]
    refuse("m base", 4, failed, settings(tmp_path, accept_errors=True, accepted=accepted))
    text = "m base: 1 of 4 slots have no answer, of cell. why (1)"
    assert note_of(accepted, "m base").read_text() == f"{text}\n"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert text in caplog.messages[0]
    refuse("m base", 4, failed, settings(tmp_path, accept_errors=True))  # a check: no note
