"""Every rule gives its script's function the parameters it takes, and runs where it is meant to."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.jobs import bind
from tests.conftest import ROOT
from tests.helpers.workflow import opened

RULES = ROOT / "workflow" / "rules"


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the planned workflow of the demo, which fine-tunes, judges and measures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        with opened(tmp_path_factory.mktemp("planned"), study="demo") as planned:
            yield planned


def called(script: Path) -> tuple[Callable[..., object], list[str]]:
    """Return the function that a script runs, and the names that it adds to the rule's."""
    text = script.read_text(encoding="utf-8")
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    calls = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "run"
    ]
    assert len(calls) == 1, f"{script.name}: call run() once"
    function, snakemake = calls[0].args
    assert isinstance(function, ast.Name)
    assert isinstance(snakemake, ast.Name)
    given = []
    for keyword in calls[0].keywords:
        # `**run_settings(...)`: the names are in the config.
        given += [keyword.arg] if keyword.arg else []
    return getattr(module, function.id), given


def named(files: Any, unnamed: str) -> dict[str, Any]:
    """Return the names of a rule's or job's inputs or outputs, with a stand-in for each value."""
    found = dict.fromkeys((name for name, _ in files.items()), "file")
    count = sum(
        1 if isinstance(value, str) or callable(value) else len(value) for _, value in files.items()
    )
    return found | ({unnamed: "file"} if len(files) > count else {})


def test_names_of_every_rule_equal_the_parameters_of_its_script(workflow: Any) -> None:
    jobs = {job.rule.name: job for job in workflow.dag.jobs}
    settings = workflow.config["run"]
    checked = set()
    for rule in workflow.rules:
        if rule.script is None:
            continue
        source = jobs.get(rule.name, rule)
        function, given = called(ROOT / "workflow" / "rules" / rule.script)
        if rule.name in ("external_resource", "fetch_dataset", "upload_dataset"):
            given = [*given, *next(iter(settings[rule.name].values()))]
        bind(
            function,
            f"rule {rule.name}",
            inputs=named(source.input, "inputs"),
            params=dict(source.params.items()),
            outputs=named(source.output, "output"),
            given=dict.fromkeys(given, "given"),
        )
        checked.add(Path(rule.script).name)
    scripts = {path.name for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert checked >= scripts, "a script without a rule"


def test_rule_files_define_no_functions() -> None:
    for path in (ROOT / "Snakefile", *RULES.glob("*.smk")):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if line.lstrip().startswith("def ")], path.name


def test_every_rule_has_a_log_an_environment_and_a_docstring(workflow: Any) -> None:
    for rule in workflow.rules:
        if rule.script is not None:
            assert rule.log, rule.name
            assert rule.conda_env, rule.name
            assert rule.docstring, rule.name


def test_only_cluster_jobs_have_resources(
    workflow: Any,
) -> None:
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    grown = profile["set-resources"]
    local = {rule.name for rule in workflow.rules if rule.name in workflow._localrules}
    assert {rule.name for rule in workflow.rules} == set(grown) | local
    assert not set(grown) & local
    for asked in (*grown.values(), profile["default-resources"]):
        assert all(asked[name].startswith("attempt * ") for name in ("mem_mb", "runtime"))
    for rule in workflow.rules:
        own = {"mem_mb", "runtime"} & set(rule.resources)
        assert own == (set() if rule.name in local else {"mem_mb", "runtime"}), rule.name
