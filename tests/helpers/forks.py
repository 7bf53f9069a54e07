"""Collect tests once, then run some of them in forks, each with one function's code replaced.

``tests/mutants.py`` starts it in the environment of the tests, with folders or files of tests as
arguments, and sends it one request a line. A fork is ready within milliseconds, and has imported
everything; a new process of pytest takes seconds.
"""

import contextlib
import gc
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, TextIO

import pytest

PACKAGE = Path(__file__).parents[2] / "persona_collapse"


class Forks:
    """Answers requests in place of pytest's own loop over the tests."""

    def __init__(self, requests: TextIO, answers: TextIO) -> None:
        self.requests = requests
        self.answers = answers
        self.functions: dict[Key, list[FunctionType]] = {}
        self.calls: set[CodeType] = set()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answer requests until there are no more."""
        items = {item.nodeid: item for item in session.items}
        for found in gc.get_objects():
            if isinstance(found, FunctionType) and self._own(found.__code__):
                self.functions.setdefault(_key(found.__code__), []).append(found)
        self._tell({"tests": list(items)})
        gc.freeze()  # so that forks share the memory of what was imported
        for line in self.requests:
            self._tell(self._answer(json.loads(line), items))
        return True

    def _tell(self, answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=self.answers, flush=True)

    def _answer(self, request: dict[str, Any], items: dict[str, pytest.Item]) -> dict[str, Any]:
        """Return what a fork found; ``failed`` is its first failed test, or why there is none."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_s"], request["cpu_s"]))
            signal.alarm(request["wall_s"])
            with os.fdopen(writing, "w") as stream:
                json.dump(self._found(request, items), stream)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as stream:
            found = stream.read()
        os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what a test that was cut off had started
        return json.loads(found) if found else {"failed": "cut off", "tests": {}}

    def _found(self, request: dict[str, Any], items: dict[str, pytest.Item]) -> dict[str, Any]:
        if request["module"]:
            try:
                self._replace(Path(request["module"]), request["source"], request["line"])
            except LookupError as fault:
                return {"failed": None, "tests": {}, "fault": str(fault)}
        chosen = [items[name] for name in request["tests"]]
        tests: dict[str, Any] = {}
        for place, item in enumerate(chosen):
            self.calls.clear()
            if request["watch"]:
                sys.settrace(self._called)
                threading.settrace(self._called)
            start = os.times()
            following = chosen[place + 1] if place + 1 < len(chosen) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            end = os.times()
            tests[item.nodeid] = {
                "seconds": sum(end[:4]) - sum(start[:4]),  # with processes that it waited for
                "places": sorted({(c.co_filename, c.co_firstlineno) for c in self.calls}),
            }
            if item.session.testsfailed:
                return {"failed": item.nodeid, "tests": tests}
        return {"failed": None, "tests": tests}

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        """Note a call of a function of the package; lines are not watched."""
        if self._own(frame.f_code):
            self.calls.add(frame.f_code)

    def _own(self, code: CodeType) -> bool:
        return code.co_filename.startswith(f"{PACKAGE}{os.sep}")

    def _replace(self, module: Path, source: str, line: int) -> None:
        """Give the function that holds a line of a module its code in another source.

        Raises ``LookupError`` where the line is outside of functions, whose code ran at the import.
        """
        path = str(module)
        old = _outermost(compile(module.read_text(encoding="utf-8"), path, "exec"), line)
        new = {_key(code): code for code in _outer(compile(source, path, "exec"))}[_key(old)]
        if new == old:
            raise LookupError("it is a default, which ran at the import")
        if _key(old) not in self.functions:
            raise LookupError("no test has imported it")
        for function in self.functions[_key(old)]:
            function.__code__ = new


Key = tuple[str, str, int]


def _key(code: CodeType) -> Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _outer(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of functions of a module and of methods of its classes."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            if part.co_flags & 2:  # CO_NEWLOCALS: a function; else the body of a class
                yield part
            else:
                yield from _outer(part)


def _outermost(code: CodeType, line: int) -> CodeType:
    for part in _outer(code):
        lines = _lines(part)
        if min(lines) < line <= max(lines) or (line == min(lines) == max(lines)):
            return part
    raise LookupError(f"line {line} is outside of functions")


def _lines(code: CodeType) -> set[int]:
    found = {line for _, _, line in code.co_lines() if line is not None}
    for part in code.co_consts:
        if isinstance(part, CodeType):
            found |= _lines(part)
    return found


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(null, 0)
    options = ["-q", "-m", "not slow", "-p", "no:cacheprovider"]
    sys.exit(pytest.main([*options, *sys.argv[1:]], plugins=[Forks(requests, answers)]))
