"""The study behind a run: its jobs with their amounts, its first line, command and spending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from persona_collapse.asking.budget import Budget
from persona_collapse.plan.answers import Places
from persona_collapse.plan.study import Plan
from persona_collapse.study.load import load_study
from persona_collapse.terminal.about import About
from persona_collapse.terminal.work import Planned, work_of
from tests.conftest import ROOT


def plan_of(study: str, folder: Path = Path("somewhere")) -> Plan:
    places = Places(str(folder / "results" / study), str(folder / "store"))
    return Plan(load_study(ROOT / "config" / "studies" / f"{study}.yaml"), places)


@pytest.fixture(scope="module")
def demo() -> Plan:
    return plan_of("demo")


def about_of(plan: Plan, argv: Sequence[str] = ("snakemake",)) -> About:
    return About(plan, argv, lambda: [], lambda: False)


def planned(rule: str, rules: str, outputs: Sequence[str] = ("out",), **names: str) -> Planned:
    return Planned(1, rule, rules, names, outputs, True)


def test_shards_have_the_answers_of_the_study(demo: Plan) -> None:
    jobs = [
        work_of(
            demo,
            planned(
                *("answer_shard", "answers"),
                model=shard.model,
                variant=shard.variant,
                probe=shard.probe,
                shard=shard.name,
            ),
        )
        for shards in demo.answers.shards.values()
        for shard in shards
    ]
    counts = [demo.answers.counts(unit) for unit in demo.answers.shards]
    whole = sum((people or 1) * items * repetitions for people, items, repetitions in counts)
    assert sum(job.amount for job in jobs) == whole == 373_200
    assert {job.stage for job in jobs} == {"ask"}


def test_checks_have_the_replies_of_a_variant(demo: Plan) -> None:
    names = {"model": "gpt-4o", "variant": "base"}
    job = work_of(demo, planned("check_variant", "misalignment", **names))
    assert (job.stage, job.amount) == ("judge", 240)
    assert job.labels[0] == ("gpt-4o base open questions",)


@pytest.mark.parametrize(
    ("rule", "rules", "outputs", "stage", "amount"),
    [
        ("figures_bars", "figures", ["a.svg", "b.svg", "a.pdf", "a.png"], "draw", 2),
        ("table_misalignment", "misalignment", ["t.csv"], "measure", 1),
        ("fetch_dataset", "finetune", ["d.jsonl"], "fetch", 1),
        ("upload_dataset", "finetune", ["u.json"], "train", 0),
        ("make_variant", "finetune", ["m.json"], "train", 1),
        ("fill_by_batch", "answers", ["b.json"], "batch", 1),
        ("report_page", "report", ["index.html"], "write", 1),
        ("all", "Snakefile", [], None, 1),
        ("plan", "commands", [], None, 1),
    ],
)
def test_rules_have_a_stage_and_an_amount(
    rule: str, rules: str, outputs: list[str], stage: str | None, amount: int, demo: Plan
) -> None:
    job = work_of(demo, planned(rule, rules, outputs))
    assert (job.stage, job.amount) == (stage, amount)
    assert job.command == (rules == "commands")


def test_first_line_says_what_the_study_is(demo: Plan) -> None:
    assert about_of(demo).title[1:] == [
        *("study demo", "4 models x 3 variants", "simulated respondents"),
    ]


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/x/bin/snakemake", "--config", "study=a b"], "snakemake --config 'study=a b'"),
        ([".venv/bin/snakemake", "-c1"], ".venv/bin/snakemake -c1"),
        (["/x/site-packages/snakemake/__main__.py", "-c1"], "snakemake -c1"),
    ],
)
def test_command_can_be_given_again(argv: list[str], command: str, demo: Plan) -> None:
    assert about_of(demo, argv).command == command


@pytest.mark.parametrize(
    ("budget", "spent"),
    [
        ({}, ""),
        ({"max_usd": 50}, "$0.50 of $50.00"),
        ({"max_requests": 2000}, "1 of 2,000 requests"),
    ],
)
def test_spending_is_that_of_all_processes(
    budget: dict[str, int], spent: str, tmp_path: Path
) -> None:
    plan = plan_of("quick", tmp_path)
    plan.answers.study = replace(plan.answers.study, budget=budget)
    if budget:
        ours = Budget(tmp_path / "store", "quick", budget, 1)
        ours.take(0.5)
        ours.close()
    assert about_of(plan).spent() == spent
