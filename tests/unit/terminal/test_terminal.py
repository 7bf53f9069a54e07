"""Records in, lines out: stages, errors, signals and verdicts of a run."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.breaker import HALT
from persona_collapse.asking.progress import Failures, Progress, counts, note_failures
from persona_collapse.common.errors import UserError
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.tables import contract, write
from persona_collapse.terminal import show
from persona_collapse.terminal.ending import SIMULATED, verdict_lines
from persona_collapse.terminal.handler import RunHandler
from persona_collapse.terminal.screen import bar, wrapped
from persona_collapse.terminal.tally import Line, Tally
from persona_collapse.terminal.work import Job
from tests.conftest import ROOT
from tests.helpers.terminals import Terminal


def ask(number: int, amount: int = 10, needed: bool = True) -> Job:
    label = f"m v roleplay {number}"
    return Job(number, f"answer_shard {label}", "ask", amount, ((label,),), needed)


def measure(number: int) -> Job:
    return Job(number, f"table_{number}", "measure", 1, ((f"t{number}",),), True)


@dataclass
class Run:
    """What the handler is told of a run, in place of ``terminal.about.About``."""

    folder: Path
    made: Sequence[Job] = (ask(1), ask(2), measure(3))
    last: Sequence[str] = ()
    is_dry: bool = False
    title: list[str] = field(default_factory=lambda: ["persona-collapse", "study s"])
    command: str = "snakemake --config study=s"

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    @property
    def log(self) -> Path:
        return self.folder / "run.log"

    @property
    def page(self) -> Path:
        return Path("results/s/report/index.html")

    def jobs(self) -> list[Job]:
        return list(self.made)

    def dry(self) -> bool:
        return self.is_dry

    def spent(self) -> str:
        return "$2.31 of $50.00"

    def verdicts(self) -> list[str]:
        return list(self.last)


class Workflow:
    """Gives records as Snakemake does."""

    def __init__(self, run: Run, **how: Any) -> None:
        self.run = run
        self.file = (run.folder / "terminal.txt").open("w", encoding="utf-8")
        self.original = logging.StreamHandler(self.file)
        self.handler = RunHandler(self.original, **how)
        self.handler.about = run  # type: ignore[assignment]

    def say(
        self, text: str, event: str | None = None, level: int = logging.INFO, **of: Any
    ) -> None:
        record = logging.LogRecord("snakemake", level, "", 0, text, None, None)
        record.__dict__.update({"event": event, **of})
        self.handler.handle(record)

    def start(self) -> None:
        self.say("Workflow has started!", "workflow_started")
        self.say("Building DAG of jobs...")
        self.say("Job stats: ...", "run_info")

    def job(self, number: int, *logs: Path) -> None:
        self.say("rule", "job_info", jobid=number, log=[str(log) for log in logs])

    def done(self, *numbers: int) -> None:
        for number in numbers:
            self.say("Finished", "job_finished", job_id=number)

    def fails(self, number: int, log: Path | None = None, status: str = "1", **of: Any) -> None:
        self.say(f"Command 'x' returned non-zero exit status {status}.", "error", logging.ERROR)
        logs = [str(log)] if log else []
        self.say("Error", "job_error", logging.ERROR, jobid=number, log=logs, **of)

    def end(self) -> list[str]:
        self.handler.close()
        self.original.flush()
        text = (self.run.folder / "terminal.txt").read_text(encoding="utf-8")
        return [line for line in text.splitlines() if line]


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[Workflow]:
    made = Workflow(Run(tmp_path))
    yield made
    made.handler.close()


def test_end_of_asking_says_how_many_answers_hold_no_rating(workflow: Workflow) -> None:
    workflow.start()
    for number, unrated in ((1, 0), (2, 12)):
        progress = Progress(f"m v roleplay {number}", 20, folder=str(workflow.run.notes))
        progress.add(20, failed=False, filtered=3, unrated=unrated)
        progress.close()
        workflow.job(number)
        workflow.done(number)
    last = "  ask              20 answers   done after 0 s; 6 filtered, 12 without a rating"
    assert workflow.end()[1] == last


def test_stage_is_one_line_when_its_last_job_ends(workflow: Workflow) -> None:
    workflow.run.last = ["M   Collapse   S +1 %", "Simulated"]
    workflow.start()
    for number in (1, 2, 3):
        workflow.job(number)
        workflow.done(number)
    assert workflow.end() == [
        "persona-collapse   study s",
        "  ask              20 answers   done after 0 s",
        "  measure           1 table     done after 0 s",
        "  M   Collapse   S +1 %",
        "  Simulated",
        f"Read results/s/report/index.html   (0 s; full log: {workflow.run.log})",
    ]


def test_log_has_every_record_and_what_jobs_write_to_standard_error(workflow: Workflow) -> None:
    workflow.start()
    os.write(2, b"a job's line\n")
    workflow.done(1)
    said = workflow.end()
    log = workflow.run.log.read_text(encoding="utf-8")
    assert [line for line in log.splitlines() if line] == [
        *("Workflow has started!", "Building DAG of jobs...", "Job stats: ..."),
        *("a job's line", "Finished"),
    ]
    assert "a job's line" not in said


def test_before_a_run_and_in_a_dry_run_the_original_handler_shows_records(
    tmp_path: Path,
) -> None:
    workflow = Workflow(Run(tmp_path, is_dry=True))
    workflow.say("Config file config.yaml is extended")
    workflow.say("Unlocked working directory.")
    workflow.start()
    said = workflow.end()
    assert said[:2] == ["Unlocked working directory.", "Workflow has started!"]
    assert not workflow.run.log.exists()


def test_like_errors_are_shown_once_and_counted(workflow: Workflow, tmp_path: Path) -> None:
    workflow.start()
    for number, text in enumerate(["wrong key", "no request was sent for this shard: wrong key"]):
        log = tmp_path / f"{number}.log"
        log.write_text(f"noise\npersona-collapse: {text}\n", encoding="utf-8")
        workflow.job(number + 1, log)
        workflow.fails(number + 1, log)
    workflow.say("At least one job did not complete successfully.", "error", logging.ERROR)
    assert workflow.end()[1:] == [
        "Error in answer_shard m v roleplay 1:",
        "  wrong key",
        f"  Log: {tmp_path / '0.log'}",
        "Failed: 2 of 2 jobs of ask, for 1 reason, above; 1 more did not run. "
        "All else is done and kept.",
        "Mend the cause, then go on: snakemake --config study=s",
        f"Full log: {workflow.run.log}",
    ]


@pytest.mark.parametrize(
    ("log", "status", "of", "shown"),
    [
        ("", "137", {}, "Its process was ended by SIGKILL, perhaps since memory ran out."),
        ("", "1", {"rule_msg": "SLURM status is: TIMEOUT"}, "SLURM status is: TIMEOUT"),
        ("", "1", {}, "It ended without a message."),
        (
            "Traceback (most recent call last):\n  File\nKeyError: 'x'\n",
            *("1", {}, "KeyError: 'x' (unexpected: its traceback is in the log)"),
        ),
    ],
)
def test_job_that_ends_without_a_users_error_is_explained(
    log: str, status: str, of: dict[str, str], shown: str, workflow: Workflow, tmp_path: Path
) -> None:
    path = tmp_path / "job.log"
    path.write_text(log, encoding="utf-8")
    workflow.start()
    workflow.fails(3, path, status, **of)
    assert f"  {shown}" in workflow.end()


def test_job_that_succeeds_when_tried_again_is_no_failure(workflow: Workflow) -> None:
    workflow.start()
    workflow.fails(3)
    workflow.say("Trying to restart job 3.")
    for number in (1, 2, 3):
        workflow.job(number)
        workflow.done(number)
    said = workflow.end()
    assert "  It is tried again." in said
    assert said[-1].startswith("Done   (")


def test_table_of_another_version_is_named_at_the_end(workflow: Workflow) -> None:
    def refuse() -> list[str]:
        raise UserError("verdict.csv: column 'S_target' is missing")

    workflow.run.verdicts = refuse  # type: ignore[method-assign]
    workflow.start()
    workflow.done(1, 2, 3)
    assert "verdict.csv: column 'S_target' is missing" in workflow.end()


def test_warnings_of_a_job_and_of_the_workflow_are_shown_once(
    workflow: Workflow, tmp_path: Path
) -> None:
    log = tmp_path / "job.log"
    log.write_text("Warning: 2 damaged lines\nm: 5 of 9 answers\n", encoding="utf-8")
    workflow.start()
    for number in (1, 2):
        workflow.job(number, log)
        workflow.done(number)
        workflow.say("the code has changed", level=logging.WARNING)
    said = workflow.end()
    assert said.count("Warning: 2 damaged lines") == 1
    assert said.count("the code has changed") == 1


def test_missing_answers_are_summed_by_unit(workflow: Workflow) -> None:
    workflow.start()
    for shard, missing in (("p0", 3), ("p1", 4)):
        note_failures(
            str(workflow.run.notes),
            Failures(f"m v roleplay {shard}", 10, missing, 2, {"http_400: too long": missing}),
        )
    workflow.fails(1)
    said = workflow.end()
    assert "  m v roleplay   7 answers missing in 4 cells: http_400: too long" in said
    assert any("asks for exactly these again" in line for line in said)
    assert not workflow.run.notes.exists()


def test_nothing_to_be_done_is_said_with_the_verdicts(workflow: Workflow) -> None:
    workflow.run.last = ["M   Collapse"]
    workflow.say("Workflow has started!", "workflow_started")
    workflow.say("Nothing to be done (all requested files are present and up to date).")
    assert workflow.end() == [
        "persona-collapse   study s",
        "Nothing to be done: every file is there and up to date.",
        "  M   Collapse",
        "Read results/s/report/index.html",
    ]


def test_command_shows_nothing_but_its_own_error(tmp_path: Path) -> None:
    command = Job(1, "plan", None, 1, (("",),), True, command=True)
    workflow = Workflow(Run(tmp_path, made=[command]))
    log = tmp_path / "plan.log"
    log.write_text("persona-collapse: no price\n", encoding="utf-8")
    workflow.start()
    workflow.fails(1, log)
    assert workflow.end() == ["no price"]


@pytest.mark.parametrize(("how", "lines"), [({"quiet": True}, 2), ({"silent": True}, 0)])
def test_quiet_runs_show_less(how: dict[str, bool], lines: int, tmp_path: Path) -> None:
    workflow = Workflow(Run(tmp_path, last=["M   Collapse"]), **how)
    workflow.start()
    workflow.done(1, 2, 3)
    workflow.say("a note", level=logging.WARNING)
    assert len(workflow.end()) == lines + bool(how.get("quiet"))


def note_in_flight(workflow: Workflow, answers: int = 0) -> None:
    """Note three requests in flight as a job does."""
    progress = Progress("m v roleplay 2", 8, folder=str(workflow.run.notes), timeout_s=60.0)
    progress.answers, progress.in_flight = answers, lambda: 3
    progress.note()


def test_interrupt_says_what_is_safe_and_how_to_go_on(workflow: Workflow) -> None:
    workflow.start()
    workflow.done(1)
    note_in_flight(workflow, answers=4)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert (workflow.run.notes / HALT).exists()
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    workflow.fails(2)
    said = workflow.end()
    assert said[1:] == [
        "Stopping. 3 requests on their way (at most 60 s); Ctrl-C twice more drops them.",
        "Answers on their way are paid for; Ctrl-C once more in 10 s drops them.",
        "Requests on their way are dropped; the next run asks them again.",
        "Stopped. 16 of 20 answers are stored; nothing is lost.",
        "To go on: snakemake --config study=s",
    ]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_second_interrupt_before_the_first_is_answered_waits_for_its_turn(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow.start()
    note_in_flight(workflow)
    presses = [signal.SIGINT]

    def spent(run: Run) -> str:
        if presses:
            signal.raise_signal(presses.pop())
        return ""

    monkeypatch.setattr(Run, "spent", spent)
    show = workflow.handler.show
    assert show is not None
    show._spent_at = float("-inf")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not presses
    workflow.fails(2)
    said = workflow.end()
    assert said[1].startswith("Stopping. 3 requests on their way")
    assert said[2].startswith("Answers on their way are paid for; ")
    assert said[3].startswith("Stopped. ")


def test_interrupt_long_after_the_warning_warns_again_and_drops_nothing(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow.start()
    note_in_flight(workflow)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(show, "DROP_S", -1.0)
    signal.raise_signal(signal.SIGINT)
    monkeypatch.undo()
    for _ in range(2):
        signal.raise_signal(signal.SIGINT)
    said = workflow.end()
    assert [line.split()[0] for line in said[1:5]] == [
        *("Stopping.", "Answers", "Answers", "Requests"),
    ]
    assert sum("dropped" in line for line in said) == 1


def test_counts_of_ended_jobs_leave_the_disk_and_stay_known(workflow: Workflow) -> None:
    workflow.start()
    for number in (1, 2):
        progress = Progress(f"m v roleplay {number}", 8, folder=str(workflow.run.notes))
        progress.add(3, failed=True)
        progress.note()
    workflow.done(1)
    workflow.fails(2)
    assert counts(workflow.run.notes) == []
    show = workflow.handler.show
    assert show is not None
    assert show.tally.failures == 2
    assert show.tally.lines()[0].done == 10 + 5


GONE = """
import contextlib, pathlib, signal, sys
from persona_collapse.terminal.screen import Line, Screen, bar
signal.signal(signal.SIGHUP, signal.SIG_IGN)
screen = Screen(sys.stderr)
screen.say("here")
with contextlib.suppress(OSError):
    sys.stdin.read()
screen.show([bar(Line("ask", 1, 3, True, False), 80)])
screen.say("gone")
screen.close()
pathlib.Path("{done}").touch()
"""


def test_terminal_that_is_gone_stops_no_run(tmp_path: Path) -> None:
    program = GONE.format(done=tmp_path / "done")
    run = Terminal([sys.executable, "-c", program], ROOT, 80)
    run.read_until(lambda: b"here" in run.said)
    os.close(run.end)
    os.waitpid(run.process, 0)
    assert (tmp_path / "done").exists()


def test_interrupt_while_planning_says_that_nothing_was_asked(workflow: Workflow) -> None:
    workflow.say("Workflow has started!", "workflow_started")
    with pytest.raises(SystemExit, match="nothing was asked"):
        signal.raise_signal(signal.SIGINT)


def test_counts_are_read_as_they_were_written(tmp_path: Path) -> None:
    progress = Progress("a b", 10, folder=str(tmp_path))
    progress.add(4, failed=True)
    progress.say("the server asks to wait")
    (count,) = counts(tmp_path)
    assert (count.label, count.total, count.answers, count.failures) == ("a b", 10, 4, 1)
    assert count.said == "the server asks to wait"


# Tally


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 50)), min_size=1))
def test_done_never_exceeds_total_and_reaches_it_with_the_last_job(
    given_jobs: list[tuple[bool, bool, int]],
) -> None:
    jobs = [ask(number, size, needed) for number, (needed, _, size) in enumerate(given_jobs)]
    tally = Tally(jobs)
    for job, (needed, finishes, _) in zip(jobs, given_jobs, strict=True):
        if needed and finishes:
            tally.begin(job.number)
            tally.finish(job.number)
    for line in tally.lines():
        assert 0 <= line.done <= line.total
        everything = all(ended or not needed for needed, ended, _ in given_jobs)
        assert (line.done == line.total) == everything == line.ended


def test_rate_and_time_left_come_from_answers_of_late(tmp_path: Path) -> None:
    now = [0.0]
    tally = Tally([ask(1, 1000)], now=lambda: now[0])
    assert tally.left() is None
    tally.begin(1)
    progress = Progress("m v roleplay 1", 900, folder=str(tmp_path))
    for second in range(11):
        now[0] = float(second)
        progress.answers = 10 * second
        progress.note()
        tally.look(counts(tmp_path))
    assert tally.rate == pytest.approx(10.0)
    assert tally.left() == pytest.approx(80.0)
    assert tally.lines()[0].done == 200


def test_time_left_of_other_jobs_comes_from_those_that_ended() -> None:
    now = [0.0]
    tally = Tally([measure(number) for number in range(10)], now=lambda: now[0])
    for number in range(4):
        tally.begin(number)
        now[0] += 3.0
        tally.finish(number)
    assert tally.left() == pytest.approx(6 * 3.0)


# Screen


@given(st.integers(20, 200), st.integers(0, 10**7), st.integers(1, 10**7))
def test_stage_fits_wide_terminals(width: int, done: int, total: int) -> None:
    line = Line("measure", min(done, total), total, True, False)
    assert len(bar(line, width)) < max(width, 55)


NARROWS = """
import sys, time
from persona_collapse.terminal.screen import Line, Screen, bar
screen = Screen(sys.stderr)
line = Line("ask", 1, 3, True, False)
screen.show([bar(line, screen.width)] * 2)
while screen.width == 80:
    time.sleep(0.02)
screen.show([bar(line, screen.width)] * 2)
screen.say("above")
screen.close()
screen.say("below")
"""


def test_block_that_narrows_leaves_no_row_behind() -> None:
    run = Terminal([sys.executable, "-c", NARROWS], ROOT, 80)
    run.read_until(lambda: run.said.count(b"ask") == 2)
    run.resize(60)
    assert run.finish() == 0
    lines = [line for line in run.screen().splitlines() if line]
    assert [line.split()[0] for line in lines] == ["above", "ask", "ask", "below"]


# Verdict lines


def verdict_row(model: str, label: str, **numbers: float | None) -> dict[str, Any]:
    table = contract("verdict")
    row: dict[str, Any] = dict.fromkeys(table.schema)
    kinds = {pl.Boolean(): False, pl.Float64(): 1.0, pl.Int64(): 1, pl.String(): "x"}
    row = {name: kinds.get(kind) for name, kind in table.schema.items()}
    return {**row, "model": model, "target": "insecure", "label": label, **numbers}


def test_verdicts_are_lines_in_the_order_of_the_study(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    S = {"S_target": 115.3, "S_target_lo": 107.9, "S_target_hi": 122.2}
    R = {"R_target": -67.9, "R_target_lo": -70.7, "R_target_hi": -64.9}
    rows = [
        verdict_row("a", "not_specific", simulated=True, **S, **R),
        verdict_row("b", "collapse", **{**S, **R, "R_target": None}),
    ]
    table = contract("verdict")
    write(table, pl.DataFrame(rows, schema=table.schema), tmp_path / "tables/verdict.csv")
    models = (ModelLook("b", "B-1", "f"), ModelLook("a", "Alpha", "f"))
    assert verdict_lines(tmp_path, Look(models, ("base", "insecure", "secure"))) == [
        "B-1     Collapse       S +115 % [108, 122]   R unknown",
        "Alpha   Not specific   S +115 % [108, 122]   R  -68 % [-71, -65]",
        SIMULATED,
    ]


def test_verdict_line_is_broken_between_metrics_alone() -> None:
    line = "  GPT-4o   Collapse   S +113 % [100, 126]   R  -70 % [-74, -64]"
    assert wrapped(line, 59).split("\n") == [
        "  GPT-4o   Collapse   S +113 % [100, 126]",
        "  R  -70 % [-74, -64]",
    ]
