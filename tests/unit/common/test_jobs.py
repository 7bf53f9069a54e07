"""Running a script's function: names of the rule become parameters, faults become one message."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params

from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import run


def job(
    tmp_path: Any,
    inputs: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    unnamed_inputs: tuple[str, ...] = (),
    unnamed_outputs: tuple[str, ...] = (),
) -> SimpleNamespace:
    """Return what Snakemake gives to a script, as far as ``run`` reads it."""

    def files(kind: Any, unnamed: tuple[str, ...], named: dict[str, Any]) -> Any:
        made = kind(list(unnamed))
        for name, value in named.items():
            start = len(made)
            made.extend([value] if isinstance(value, str) else value)
            made._set_name(name, start, end=None if isinstance(value, str) else len(made))
        return made

    return SimpleNamespace(
        rule="some_rule",
        log=Log([str(tmp_path / "job.log")]),
        input=files(InputFiles, unnamed_inputs, inputs or {}),
        output=files(OutputFiles, unnamed_outputs, outputs or {}),
        params=Params(fromdict=params or {}),
    )


def test_names_of_inputs_params_and_outputs_become_parameters(tmp_path):
    seen: dict[str, Any] = {}

    def work(moments: list[str], base: str, draws: int, output: str, extra: str) -> None:
        seen.update(locals())

    run(
        work,
        job(
            tmp_path,
            {"moments": ["a", "b"], "base": "c"},
            {"draws": 3, "code": "digest", "input_order": ["a", "b"]},
            unnamed_outputs=("out",),
        ),
        extra="given",
    )
    assert {name: seen[name] for name in ("moments", "base", "draws", "output", "extra")} == {
        "moments": ["a", "b"],
        "base": "c",
        "draws": 3,
        "output": "out",
        "extra": "given",
    }
    assert type(seen["moments"]) is list


def test_unnamed_inputs_are_a_list_where_the_function_takes_them(tmp_path):
    seen: list[Any] = []

    def work(inputs: list[str], last: str, first: str, second: str) -> None:
        seen.append((inputs, last, first, second))

    run(
        work,
        job(
            tmp_path,
            {"last": "z"},
            outputs={"first": "1", "second": "2"},
            unnamed_inputs=("x",),
        ),
    )
    assert seen == [(["x"], "z", "1", "2")]


def test_unnamed_inputs_are_dependencies_where_the_function_does_not_take_them(tmp_path):
    run(lambda base: None, job(tmp_path, {"base": "c"}, unnamed_inputs=("x", "y")))


def test_empty_input_keeps_the_default(tmp_path):
    seen: list[Any] = []

    def work(listed: list[str], single: str | None = None) -> None:
        seen.append((listed, single))

    run(work, job(tmp_path, {"listed": [], "single": []}))
    assert seen == [([], None)]


@pytest.mark.parametrize(
    ("inputs", "params", "message"),
    [
        ({"base": "c"}, {"draws": 1, "seed": 2}, r"work\(\) has no parameter 'seed' \(params\)"),
        ({"base": "c"}, {}, r"nothing gives parameter 'draws' of work\(\)"),
        ({"base": "c"}, {"draws": 1, "base": "d"}, r"parameter 'base' of work\(\) is given twice"),
    ],
)
def test_wrong_name_is_an_error_with_script_rule_and_parameter(tmp_path, inputs, params, message):
    def work(base: str, draws: int) -> None:
        raise AssertionError("called with names that do not fit")

    with pytest.raises(TypeError, match=rf"test_jobs\.py: rule some_rule: {message}"):
        run(work, job(tmp_path, inputs, params))


def test_user_error_is_one_message_in_stderr_and_log(tmp_path, capsys):
    def work() -> None:
        raise UserError("study.yaml: models: give one")

    with pytest.raises(SystemExit) as exit_:
        run(work, job(tmp_path))
    message = "persona-collapse: study.yaml: models: give one\n"
    assert exit_.value.code == 1
    assert capsys.readouterr().err == message
    assert (tmp_path / "job.log").read_text() == message


def test_bug_keeps_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0, job(tmp_path))
