"""Messages go to stderr and to the log file of the running job."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import reported
from persona_collapse.common.log import LOG, plain_text


def test_message_goes_to_stderr_and_the_jobs_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "logs" / "job.log"
    with reported(str(path)):
        LOG.info("%s: %d rows", "a file", 3)
        LOG.debug("for the file alone")
    LOG.info("after the job")
    assert path.read_text(encoding="utf-8") == "a file: 3 rows\nfor the file alone\n"
    assert capsys.readouterr().err == "a file: 3 rows\nafter the job\n"


def test_inner_job_logs_to_its_own_file(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.log", tmp_path / "inner.log"
    with reported(str(outer)):
        with reported(str(inner)):
            LOG.info("inside")
        LOG.info("outside")
    assert (outer.read_text(), inner.read_text()) == ("outside\n", "inside\n")


def test_log_that_cannot_be_written_does_not_stop_the_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "job.log"

    def job() -> None:
        path.unlink()
        path.mkdir()
        raise UserError("it ends")

    with pytest.raises(SystemExit), reported(str(path)):
        job()
    assert capsys.readouterr().err == "persona-collapse: it ends\n"


HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear": "\x1b[2J\x1b[Hred",
    "title": "\x1b]0;owned\x07red",
    "link": "\x1b]8;;http://evil\x1b\\red\x1b]8;;\x1b\\",
    "title without an end": "red\x1b]0;owned",
    "eight bits": "\x9b31mr\x9d0;owned\x9ced",
    "charset": "\x1b(0r\x1bced\x1b7",
    "controls": "r\x08\x00e\x7f\rd\x1b",
    "direction": "\u202er\u2066ed\u202c",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_terminal_acts_on_reaches_neither_terminal_nor_log(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "job.log"

    def job() -> None:
        with reported(str(path)):
            LOG.info("the server says: %s", HOSTILE[name])
            raise UserError(HOSTILE[name])

    with pytest.raises(SystemExit):
        job()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == path.read_text() == "the server says: red\npersona-collapse: red\n"


@given(st.text())
def test_plain_text_has_no_control_characters_and_keeps_the_rest(text: str) -> None:
    left = plain_text(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", left)
    assert plain_text(left) == left
    assert plain_text("naïve – 模型 é\tα\n") == "naïve – 模型 é\tα\n"
