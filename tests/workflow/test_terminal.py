"""What a run shows: on a terminal and without one, when it ends, fails or is stopped."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persona_collapse.asking.progress import Count, counts
from tests.helpers import scripted_server as scripted
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.terminals import CTRL_C, Terminal
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project
from tests.workflow.rerun_study import ITEMS
from tests.workflow.test_asked import (
    ANSWERS,
    CELLS,
    REPETITIONS,
    TOO_LONG,
    VARIABLE,
    make_study,
    refuses,
    second_person,
)

pytestmark = pytest.mark.slow

SNAKEMAKE = (sys.executable, "-m", "snakemake", "--cores", "2")
ALL = CELLS * REPETITIONS
QUICK = ("--config", "study=quick")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv(VARIABLE, KEY)
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def quick(project: Project) -> tuple[Project, str]:
    """Return a checkout with the finished study ``quick``, and what its run said."""
    return project, project.run(*QUICK)


def own_lines(text: str) -> list[str]:
    """Return the lines of a run without Snakemake's about its profile."""
    return [line for line in text.splitlines() if line and "workflow specific" not in line]


def after(screen: str, word: str) -> list[str]:
    """Return the lines from the last with a word on."""
    lines = [line for line in screen.splitlines() if line.strip()]
    at = max(number for number, line in enumerate(lines) if word in line)
    return lines[at:]


def test_run_without_a_terminal_says_one_line_per_stage_then_the_verdict(
    quick: tuple[Project, str],
) -> None:
    project, said = quick
    lines = own_lines(said)
    assert "study quick   1 model x 3 variants   simulated respondents" in lines[0]
    stages = {line.split()[0] for line in lines if re.match("  [a-z]", line)}
    assert stages == {"ask", "measure", "draw", "write"}
    assert re.search(r"^  ask +18,450 answers", said, re.M)
    verdict = r"^  GPT-4o   Collapse   S \+\d+ % \[\d+, \d+\]   R +-\d+ % \[-\d+, -\d+\]$"
    assert re.search(verdict, said, re.M)
    assert "Simulated respondents: these numbers say nothing about any model." in said
    assert lines[-1].startswith("Read results/quick/report/index.html   (")
    assert lines[-1].endswith("full log: results/quick/logs/run.log)")
    assert len(lines) <= 12
    assert "\x1b" not in said
    log = (project.root / "results/quick/logs/run.log").read_text()
    assert "Finished jobid" in log
    assert "localrule answer_shard:" in log


def test_run_with_nothing_to_do_says_so_and_shows_the_verdict(
    quick: tuple[Project, str],
) -> None:
    project, before = quick
    log = (project.root / "results/quick/logs/run.log").read_bytes()
    said = project.run(*QUICK)
    assert "Nothing to be done: every file is there and up to date." in said
    assert next(line for line in said.splitlines() if "GPT-4o" in line) in before
    assert own_lines(said)[-1] == "Read results/quick/report/index.html"
    assert (project.root / "results/quick/logs/run.log").read_bytes() == log


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["-n", "--forceall"], "This was a dry-run"),
        (["--verbose", "--force", "all_tables"], "Finished jobid: 0 (Rule: all_tables)"),
        (["-p", "--force", "all_tables"], "Finished jobid: 0 (Rule: all_tables)"),
        (["--lint"], ""),
        (["--summary"], "output_file"),
        (["--list-rules"], "answer_shard"),
        (["--unlock"], "Unlocked"),
        (["--dag"], "digraph"),
        (["--report", "report.zip"], "Report created"),
    ],
)
def test_other_ways_to_call_snakemake_show_what_it_says(
    words: list[str], shown: str, quick: tuple[Project, str]
) -> None:
    project, _ = quick
    said = project.run(*words, *QUICK)
    assert shown in said
    assert "study quick   1 model" not in said


PLUGIN = """
from snakemake_interface_logger_plugins.base import LogHandlerBase


class LogHandler(LogHandlerBase):
    def __post_init__(self):
        self.has_stream = True

    def emit(self, record):
        print("PLUGIN", record.getMessage())

    writes_to_stream, writes_to_file = True, False
    has_filter, has_formatter, needs_rulegraph = True, True, False
"""


def test_logger_of_the_user_takes_the_terminal(
    quick: tuple[Project, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = quick
    package = tmp_path / "snakemake_logger_plugin_own"
    package.mkdir()
    (package / "__init__.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = project.run("--logger", "own", "--force", "all_tables", *QUICK)
    assert "PLUGIN Finished jobid" in said
    assert "study quick   1 model" not in said


MODULE = """
module study:
    snakefile: "Snakefile"

use rule * from study

rule everything:
    input: rules.all.input
    default_target: True
"""


def test_workflow_that_uses_this_one_as_a_module_keeps_its_terminal(
    quick: tuple[Project, str],
) -> None:
    project, _ = quick
    (project.root / "own.smk").write_text(MODULE, encoding="utf-8")
    said = project.run("-s", "own.smk", "--force", "all_tables", *QUICK)
    assert "Finished jobid: 0 (Rule: all_tables)" in said
    assert "study quick   1 model" not in said


def test_other_snakefile_of_the_project_shows_the_same(quick: tuple[Project, str]) -> None:
    project, before = quick
    said = project.run("-s", "workflow/Snakefile", *QUICK)
    assert next(line for line in said.splitlines() if "GPT-4o" in line) in before


def test_quiet_run_shows_the_verdict_and_a_silent_one_nothing(
    quick: tuple[Project, str],
) -> None:
    project, _ = quick
    page = project.root / "results/quick/report/index.html"
    page.unlink()
    said = project.run("--quiet", "progress", *QUICK)
    assert "GPT-4o" in said
    assert "write" not in said
    page.unlink()
    assert own_lines(project.run("--quiet", "all", *QUICK)) == []
    assert page.is_file()


def test_command_prints_its_result_alone(quick: tuple[Project, str]) -> None:
    project, _ = quick
    said = project.run("plan", *QUICK)
    assert "study quick   1 model" not in said
    assert "Done" not in said
    assert "asks nothing" in said or "simulated" in said


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_terminal_shows_one_block_that_stays(
    variables: dict[str, str], quick: tuple[Project, str]
) -> None:
    project, _ = quick
    run = Terminal(
        [*SNAKEMAKE, "--forcerun", "render_table", *QUICK], project.root, 80, **variables
    )
    run.read_until(lambda: b"write" in run.said)
    time.sleep(0.3)
    run.resize(60)
    assert run.finish() == 0
    shown = run.screen()
    stages = [line for line in shown.splitlines() if re.match(r"  write ", line)]
    assert len(stages) == 1, shown
    assert "GPT-4o   Collapse" in shown
    coloured = b"\x1b[32m" in run.said
    assert coloured == (not variables)
    assert (b"####" in run.said) == ("TERM" not in variables)


def asking(project: Project, study: str) -> list[Count]:
    """Return the counts of the jobs that have requests in flight."""
    folders = project.root.glob(f"results/{study}/logs/stops/*")
    return [count for folder in folders for count in counts(folder) if count.in_flight]


def read_until_stopping(run: Terminal, project: Project, study: str, jobs: list[Count]) -> None:
    """Read until the run and all of these jobs have answered a signal."""

    def answered() -> bool:
        logs = project.root.glob(f"results/{study}/logs/answers/**/*.log")
        said = "".join(log.read_text(encoding="utf-8") for log in logs)
        return b"Stopping" in run.said and all(f"{job.label}: stopping" in said for job in jobs)

    run.read_until(answered)


def begun(
    project: Project, server: ScriptedServer, study: str, **endpoint: int
) -> tuple[Terminal, list[Count]]:
    """Start a study; return its terminal and the jobs that ask once the server holds requests."""
    server.hold_from = 0
    config = make_study(project, server, study, endpoint={**endpoint, "timeout_s": 600})
    run = Terminal([*SNAKEMAKE, "--config", config], project.root, 100)
    run.read_until(lambda: bool(asking(project, study)))
    return run, asking(project, study)


def test_ctrl_c_while_asking_says_what_is_safe_in_three_lines(
    project: Project, server: ScriptedServer
) -> None:
    run, jobs = begun(project, server, "asking", max_in_flight=4)
    run.press(CTRL_C)
    read_until_stopping(run, project, "asking", jobs)
    server.open()
    assert run.finish() != 0
    lines = after(run.screen(), "Stopping")
    assert len(lines) == 3, lines
    flying = re.fullmatch(r"Stopping\. (\d+) requests on their way \(at most 600 s\); .*", lines[0])
    assert flying, lines
    assert 1 <= int(flying[1]) <= 4
    kept = re.match(rf"Stopped\. (\d+) of {ALL} answers are stored; nothing is lost\.", lines[1])
    assert kept, lines
    assert int(kept[1]) == server.choices
    assert lines[2].startswith("To go on: snakemake --cores 2 --config study=asking")
    project.run("--config", "study=asking", *ANSWERS)
    assert server.count == CELLS


def test_further_ctrl_c_drop_requests_in_five_lines(
    project: Project, server: ScriptedServer
) -> None:
    """The third, unless a busy process takes two for one; its words are held by a unit test."""
    run, jobs = begun(project, server, "dropped", max_in_flight=4)
    run.press(CTRL_C)
    read_until_stopping(run, project, "dropped", jobs)
    while run.goes_on(3.0):
        run.press(CTRL_C)
    assert run.finish() != 0
    lines = after(run.screen().replace("^C", ""), "Stopping")
    assert len(lines) <= 5, lines
    assert lines[0].startswith("Stopping. ")
    assert f"0 of {ALL} answers are stored" in lines[-2]
    logs = (project.root / "results/dropped/logs/answers").rglob("*.log")
    assert "requests are dropped on their way" in "".join(log.read_text() for log in logs)


@contextmanager
def measuring_as(project: Project, old: str, new: str) -> Iterator[None]:
    """Change the script that measures, which the tests share."""
    script = project.root / "workflow/scripts/measure_unit.py"
    text = script.read_text(encoding="utf-8")
    assert old in text
    script.write_text(text.replace(old, new), encoding="utf-8")
    try:
        yield
    finally:
        script.write_text(text, encoding="utf-8")


def test_ctrl_c_while_measuring_loses_nothing(project: Project, server: ScriptedServer) -> None:
    config = make_study(project, server, "measuring")
    folder = project.root / "results/measuring/metrics"
    long = '    Path(metrics).with_name("begun").touch()\n    __import__("time").sleep(3600)\n'
    first = "    questionnaire = "
    with measuring_as(project, first, long + first):
        run = Terminal([*SNAKEMAKE, "--config", config], project.root, 80)
        run.read_until(lambda: any(folder.glob("**/begun")))
        run.press(CTRL_C)
        assert run.finish() != 0
    lines = after(run.screen(), "Stopping")
    assert lines[0] == "Stopping."
    assert lines[1] == "Stopped. Every answer is stored; nothing is lost."
    assert len(lines) == 3


@pytest.mark.parametrize("whole_group", [False, True])
def test_sigterm_stops_the_run_likewise(
    whole_group: bool, project: Project, server: ScriptedServer
) -> None:
    name = f"ended{whole_group}"
    run, jobs = begun(project, server, name, max_in_flight=2)
    (os.killpg if whole_group else os.kill)(run.process, signal.SIGTERM)
    read_until_stopping(run, project, name, jobs)
    server.open()
    assert run.finish() != 0
    lines = after(run.screen(), "Stopping")
    assert len(lines) == 3, lines
    assert f"{server.choices} of {ALL} answers are stored" in lines[1]
    assert server.count < CELLS


def test_refused_key_is_said_once(project: Project, server: ScriptedServer) -> None:
    server.always = scripted.status(401, message="Incorrect API key provided")
    shards = {"personas": 1, "items": ITEMS, "repetitions": REPETITIONS}
    config = make_study(project, server, "refused", endpoint={"max_in_flight": 2}, shards=shards)
    said = project.fail("--config", config)
    assert said.count("Incorrect API key provided") == 1
    assert "Log: results/refused/logs/answers/alpha/" in said
    assert "Failed: 8 of 8 jobs of ask, for 1 reason, above; " in said
    assert "Mend the cause, then go on: snakemake --cores 2 --config study=refused" in said
    assert len(own_lines(said)) <= 10


def test_failed_answers_are_summed_at_the_end(project: Project, server: ScriptedServer) -> None:
    shards = {"personas": 2, "items": ITEMS, "repetitions": REPETITIONS}
    config = make_study(project, server, "refusing", shards=shards)
    server.always = refuses(second_person(project), 400)
    said = project.fail("--config", config)
    for variant in ("base", "insecure"):
        why = rf"HTTP 400 \(Bad Request\): {TOO_LONG}"
        missing = rf"alpha {variant} +roleplay +8 answers missing in 4 cells: {why}"
        assert re.search(missing, said), said
    assert said.count("slots have no answer") == 1
    assert "The same command asks for exactly these again" in said


def test_unexpected_error_of_a_job_names_its_log(project: Project, server: ScriptedServer) -> None:
    config = make_study(project, server, "broken")
    with measuring_as(project, "run(measure_unit", "run(len"):
        said = project.fail("--config", config)
    assert "TypeError: " in said
    assert "(unexpected: its traceback is in the log)" in said
    log = re.search(r"Log: (\S+)", said)
    assert log
    assert "Traceback" in (project.root / Path(log[1])).read_text()
