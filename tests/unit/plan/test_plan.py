"""The plan of a whole study: which outputs it has, run settings of its jobs, slots they claim."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from persona_collapse.asking.settings import JOB_IN_FLIGHT
from persona_collapse.common.errors import UserError
from persona_collapse.figures.catalogue import FIGURES
from persona_collapse.plan.answers import Places
from persona_collapse.plan.outputs import _claims
from persona_collapse.plan.study import Plan
from persona_collapse.study.load import find_study, load_study
from tests.helpers.studies import CHECKED, RECORDED_VARIANT, load_changed

PLACES = Places("results/some", "some_store", "some_prices.yaml", "stops")
CLAIMS = Path("resources/benchmarks/paper_claims.yaml")


def plan_of(name: str) -> Plan:
    return Plan(load_study(find_study(name)), PLACES)


def changed_plan(tmp_path: Path, change: dict[str, Any]) -> Plan:
    return Plan(load_changed(CHECKED, tmp_path, change), PLACES)


@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        ("quick", {"metrics", "toxic"}, {"trajectory", "losses", "misalignment", "logprobs"}),
        ("trajectory", {"trajectory"}, {"losses", "misalignment", "replicates"}),
        ("demo", {"losses", "misalignment", "coherence_loss"}, {"trajectory", "temperature"}),
    ],
)
def test_tables_of_a_study_are_those_it_has_data_for(
    name: str, present: set[str], absent: set[str]
) -> None:
    outputs = plan_of(name).outputs
    assert present <= set(outputs.tables)
    assert not absent & set(outputs.tables)
    assert "band" not in outputs.tables  # no earlier model was asked moral30
    assert set(outputs.table_files()) == {f"results/some/tables/{n}.csv" for n in outputs.tables}


def test_look_has_the_words_of_the_roleplay_instrument() -> None:
    look = plan_of("quick").outputs.look
    assert look["domain_word"] == "foundation"
    assert look["construct"] == "moral"
    captions = plan_of("quick").outputs.captions()
    assert captions["profiles"] == [
        ["Profiles per foundation", captions["profiles"][0][1]],
    ]
    assert any("per foundation" in caption for _, caption in captions["figures_changes"])
    assert not any("domain" in title for title, _ in captions["figures_changes"])


def test_run_settings_are_keyed_by_the_wildcards_of_jobs() -> None:
    settings = plan_of("paper").run_settings("a/mirror")
    asked = settings["answer_shard"]["gpt-4o base roleplay"]
    assert asked["model"] == "gpt-4o-2024-08-06"
    assert (asked["store"], asked["prices"]) == ("some_store", "some_prices.yaml")
    assert asked["stops"] == "stops"
    checked = settings["check_variant"]["gpt-4o insecure"]
    assert set(checked) == {"replies", "judge"}
    assert settings["make_variant"]["gpt-4o insecure"]["store"] == "some_store"
    assert settings["fetch_dataset"] == {"": {"mirror": "a/mirror"}}


def test_simulated_shards_have_no_run_settings_and_keep_journals_with_the_results() -> None:
    settings = plan_of("demo").run_settings(None)
    assert settings["answer_shard"] == {}
    assert {made["store"] for made in settings["make_variant"].values()} == {
        "results/some/finetune/simulated"
    }


def test_jobs_claim_slots_of_their_own_endpoint_only() -> None:
    plan = plan_of("paper")
    claims = plan.claims(plan.answers.endpoint_name)
    job = SimpleNamespace(model="gpt-4o", variant="base", probe="roleplay")
    claimed = {name: claim(job) for name, claim in claims.items()}
    own = f"api_slots_{plan.answers.endpoint_name(job)}"
    assert set(claimed) == {f"api_slots_{name}" for name in plan.slots()}
    assert {name for name, slots in claimed.items() if slots} == {own}


def test_shard_that_is_not_in_the_study_is_refused() -> None:
    names: Any = {"model": "gpt-4o", "variant": "base", "probe": "roleplay"}
    job = SimpleNamespace(**names, shard="p900-999_i01-30_r01-05")
    with pytest.raises(UserError, match="the study 'quick' has no shard gpt-4o/base/roleplay/p900"):
        plan_of("quick").answers.task(job)


def test_job_claims_a_part_of_what_its_endpoint_grants_to_all(tmp_path: Path) -> None:
    sizes = {"server": JOB_IN_FLIGHT + 9, "other": JOB_IN_FLIGHT - 1}
    change = {f"endpoints/{name}/max_in_flight": size for name, size in sizes.items()}
    plan = changed_plan(tmp_path, change)
    assert plan.slots() == {"other": JOB_IN_FLIGHT - 1, "server": JOB_IN_FLIGHT + 9}
    check = plan.misalignment
    claims = plan.claims(check.reply_endpoint, check.judge_endpoint)
    job = SimpleNamespace(model="m", variant="base")
    assert {name: claim(job) for name, claim in claims.items()} == {
        "api_slots_other": JOB_IN_FLIGHT - 1,
        "api_slots_server": JOB_IN_FLIGHT,
    }
    judged = {name: claim(job) for name, claim in plan.claims(check.judge_endpoint).items()}
    assert judged == {"api_slots_other": JOB_IN_FLIGHT - 1, "api_slots_server": 0}


def test_study_spends_where_answers_or_replies_are_asked(tmp_path: Path) -> None:
    planted = {"planted": {"S": 1, "R": 9}}
    drawn = {
        f"models/m/variants/{name}": {"endpoint": "simulated", **planted}
        for name in ("base", "insecure")
    }
    assert changed_plan(tmp_path, {}).spends
    assert changed_plan(tmp_path, {"misalignment": None}).spends
    assert not changed_plan(tmp_path, {"misalignment": None, **drawn}).spends
    (tmp_path / "a.csv").write_text("", encoding="utf-8")
    recorded: dict[str, Any] = {
        f"models/m/variants/{name}": RECORDED_VARIANT for name in ("base", "insecure")
    }
    recorded["endpoints/files/root"] = str(tmp_path)
    assert not changed_plan(tmp_path, {"misalignment": None, **recorded}).spends


@pytest.mark.parametrize(
    ("given", "files"),
    [(None, []), ("", []), ("a.jsonl, b.jsonl,", ["a.jsonl", "b.jsonl"]), (["a,b"], ["a,b"])],
)
def test_files_of_batch_results_are_given_with_commas_or_as_a_list(
    given: str | list[str] | None, files: list[str]
) -> None:
    assert Plan.batch_results(given) == files


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 7])
def test_relations_between_models_need_enough_of_them(tmp_path: Path, count: int) -> None:
    model = {
        "label": "M",
        "variants": {
            name: {"endpoint": "server", "model": name} for name in ("base", "secure", "insecure")
        },
    }
    models = {f"models/m{n}": {**model, "label": f"M{n}"} for n in range(1, count)}
    conditions = changed_plan(tmp_path, {"models/m": model, **models}).outputs.conditions
    needed = {"models": 2, "moderation": 5, "coherence_models": 6}
    assert {name: conditions[name] for name in needed} == {
        name: count >= least for name, least in needed.items()
    }


def test_figures_are_given_what_the_study_aims_at(tmp_path: Path) -> None:
    outputs = plan_of("quick").outputs
    with_scale = [figure for figure in FIGURES.values() if "scale" in figure.extra]
    with_design = [figure for figure in FIGURES.values() if "design" in figure.extra]
    found = outputs.figure_arguments([*with_scale, *with_design])
    quick = outputs.study
    for figure in with_scale:
        assert found[figure.name]["extra"]["scale"] == [0, 5]
    for figure in with_design:
        probe = quick.probes["roleplay"]
        assert found[figure.name]["extra"]["design"] == [probe.persona_count, probe.repetitions]
    bare = changed_plan(tmp_path, {}).outputs  # without an unconditioned probe there is no scale
    assert bare.figure_arguments(with_scale)[with_scale[0].name]["extra"]["scale"] == []


def test_printed_numbers_of_claims_must_be_there(tmp_path: Path) -> None:
    assert changed_plan(tmp_path, {}).outputs.claim_inputs() == []
    outputs = changed_plan(tmp_path, {"analysis": {"claims": str(CLAIMS)}}).outputs
    assert "results/some/tables/metrics.csv" in outputs.claim_inputs()
    assert outputs.printed_numbers in outputs.sources()
    claims = tmp_path / "claims.yaml"
    claims.write_text(CLAIMS.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match=r"claims\.yaml: numbers: there is no file .*paper_"):
        _claims(str(claims))
