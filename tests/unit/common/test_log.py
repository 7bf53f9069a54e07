"""Messages go to stderr and to the log file of the running job."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import reported
from persona_collapse.common.log import LOG


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
