"""Run tests in forks of one process that has loaded the libraries; see which functions they call.

``tests/mutants.py`` starts it in the environment of the tests and sends it one request a line: what
to run, in which order. A fork is ready within milliseconds, a new process takes seconds.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import hypothesis.strategies
import numpy as np
import polars as pl
import pydantic
import pytest
import scipy.stats

LOADED = (hypothesis.strategies, np, pl, pydantic, scipy.stats)
ARGUMENTS = ["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider"]


class Watch:
    """Which functions of the package each test calls, and the seconds of CPU that it takes."""

    def __init__(self, package: Path) -> None:
        self.prefix = f"{package}{os.sep}"
        self.calls: set[CodeType] = set()
        self.tests: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Watch one test, from its setup to its teardown."""
        self.calls.clear()
        sys.settrace(self.called)
        threading.settrace(self.called)
        start = os.times()
        result = yield
        end = os.times()
        seconds = sum(end[:4]) - sum(start[:4])  # its own and that of processes it waited for
        places = sorted({(code.co_filename, code.co_firstlineno) for code in self.calls})
        self.tests[item.nodeid] = {"seconds": seconds, "places": places}
        return result

    def called(self, frame: FrameType, event: str, argument: object) -> None:
        """Note a call of a function of the package; lines are not watched."""
        if frame.f_code.co_filename.startswith(self.prefix):
            self.calls.add(frame.f_code)


class Order:
    """Runs the named tests, in this order, and then all others of the files."""

    def __init__(self, first: list[str], others: bool) -> None:
        self.rank = {name: rank for rank, name in enumerate(first)}
        self.others = others

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort and select what was collected."""
        last = len(self.rank)
        items.sort(key=lambda item: self.rank.get(item.nodeid, last))
        if not self.others:
            items[:] = [item for item in items if item.nodeid in self.rank]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run the tests of a request in a fork; return its exit status and what it found."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_s"], request["cpu_s"]))
        signal.alarm(request["wall_s"])
        with os.fdopen(writing, "w") as stream:
            json.dump(_run(request), stream)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        found = stream.read()
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a test that was cut off had started
    return json.loads(found) if found else {"status": "cut off", "tests": {}}


def _run(request: dict[str, Any]) -> dict[str, Any]:
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    sys.dont_write_bytecode = not request["watch"]
    watch, order = Watch(Path(request["package"])), Order(request["first"], request["others"])
    plugins: list[object] = [order, watch] if request["watch"] else [order]
    status = pytest.main([*ARGUMENTS, *request["files"]], plugins)
    sys.settrace(None)
    return {"status": int(status), "tests": watch.tests}


def main() -> None:
    """Answer requests, one a line, until there are no more."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
