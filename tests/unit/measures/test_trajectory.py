"""Checkpoints: their steps in the study, and their table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.trajectory import changes_of, trajectory_of
from persona_collapse.plan.answers import Layout
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.resolved import Study, Unit
from persona_collapse.tables.contracts.diagnostics import TABLE as DIAGNOSTICS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.trajectory import TABLE
from tests.helpers import contrasts_data
from tests.helpers.contrasts_data import OF

STEPS = [("m", "base", 0), ("m", "late", 50), ("m", "early", 400)]


def study_with(tmp_path: Path, steps: dict[str, int | None]) -> Study:
    document = yaml.safe_load(Path("config/studies/trajectory.yaml").read_text(encoding="utf-8"))
    planted = {"endpoint": "simulated", "planted": {"S": 0.8, "R": 10}}
    variants = {
        name: {**planted, **({} if step is None else {"step": step})}
        for name, step in steps.items()
    }
    document["models"] = {"m": {"variants": variants}}
    document["analysis"] = {}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return load_study(path)


def test_the_baseline_is_step_0_where_others_have_a_step(tmp_path: Path) -> None:
    assert study_with(tmp_path, {"base": None, "b": 400, "a": 50, "secure": None}).steps() == [
        ("m", "base", 0), ("m", "a", 50), ("m", "b", 400),
    ]  # fmt: skip
    assert study_with(tmp_path, {"base": 10, "a": 50}).steps()[0] == ("m", "base", 10)
    assert study_with(tmp_path, {"a": 50}).steps() == [("m", "a", 50)]
    assert study_with(tmp_path, {"base": None, "insecure": None}).steps() == []


def test_two_variants_of_one_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"models\.m\.variants\.b\.step: 'a' has the step 50"):
        study_with(tmp_path, {"base": None, "a": 50, "b": 50})
    with pytest.raises(UserError, match=r"variants\.a\.step: 'base' has the step 0"):
        study_with(tmp_path, {"base": None, "a": 0})
    with pytest.raises(UserError, match="step"):
        study_with(tmp_path, {"base": None, "a": -1})


def test_a_step_is_told_and_changes_no_answer(tmp_path: Path) -> None:
    params = []
    for step in (50, 60):
        study = study_with(tmp_path, {"base": None, "a": step})
        assert study.resolved()["models"]["m"]["variants"]["a"]["step"] == step
        shards = Layout(study).shards[Unit("m", "a", "roleplay")]
        params.append([Layout(study).shard_params(shard) for shard in shards])
    assert params[0] == params[1]


def test_the_shipped_study_has_a_baseline_and_five_checkpoints() -> None:
    study = load_study(find_study("trajectory"))
    Layout(study).check_endpoints()
    assert [step for _, _, step in study.steps()] == [0, 50, 100, 200, 400, 800]


def metrics_row(variant: str, domain: str, probe: str = "roleplay", **values: Any) -> dict:
    names = {"model": "m", "variant": variant, "probe": probe, "domain": domain}
    return {**names, "S": 0.8, "R": 10.0, "sigma_bar": 0.1, "simulated": False, **values}


def saturation_row(variant: str, value: float, **values: Any) -> dict:
    names = {"model": "m", "variant": variant, "probe": "unconditioned", "domain": "overall"}
    found = {"measure": "saturation", "value": value, "lo": value - 0.1, "hi": value + 0.1}
    return {**names, **found, "simulated": False, **values}


def table_of(metrics: list[dict], diagnostics: list[dict]) -> pl.DataFrame:
    schema = DIAGNOSTICS.schema
    return trajectory_of(
        pl.DataFrame(metrics, schema=METRICS.schema),
        pl.DataFrame(diagnostics, schema=schema),
        changes_of({}, OF, "base", 1, 10),
        STEPS,
        "roleplay",
        "unconditioned",
    )


def test_the_table_joins_metrics_and_saturation_in_order_of_the_steps() -> None:
    variants = ("early", "base", "final", "late")
    found = table_of(
        [metrics_row(v, f) for v in variants for f in ("overall", "Harm/Care")]
        + [metrics_row("base", "overall", probe="toxic", S=9.0)],
        [
            saturation_row("base", 0.5),
            saturation_row("late", 0.7, simulated=True),
            saturation_row("base", 0.1, probe="other"),
            saturation_row("base", 0.2, measure="ceiling_gap"),
        ],
    )
    assert found.columns == list(TABLE.schema)
    assert found.select("variant", "step", "domain").rows() == [
        ("base", 0, "overall"), ("base", 0, "Harm/Care"),
        ("late", 50, "overall"), ("late", 50, "Harm/Care"),
        ("early", 400, "overall"), ("early", 400, "Harm/Care"),
    ]  # fmt: skip
    assert found["saturation"].to_list() == [0.5, None, 0.7, None, None, None]
    assert found["saturation_hi"][0] == pytest.approx(0.6)
    assert found["S"].to_list() == [0.8] * 6
    assert found["simulated"].to_list() == [False, False, True, False, False, False]
    assert set(found["probe"]) == {"roleplay"}


def test_a_checkpoint_without_personas_keeps_its_saturation() -> None:
    found = table_of([metrics_row("base", "overall")], [saturation_row("late", 0.7)])
    late = found.filter(pl.col("variant") == "late").row(0, named=True)
    assert (late["step"], late["domain"], late["S"], late["saturation"]) == (
        50, "overall", None, 0.7,
    )  # fmt: skip


def test_changes_are_those_of_contrasts_with_the_baseline() -> None:
    frames = {frame["variant"][0]: frame for frame in contrasts_data.study(["m"])}
    moments = {("m", name): frame for name, frame in frames.items()}
    found = changes_of(moments, OF, "base", 7, 200)
    paired = paired_of(list(frames.values()), OF, 7, contrasts_data.ANALYSIS)
    for row in contrasts_of(paired).filter(model="m").iter_rows(named=True):
        variant, _, second = row["contrast"].partition("-")
        if second == "base" and row["metric"] != "sigma_bar":
            own = found.row(
                by_predicate=(pl.col("variant") == variant) & (pl.col("domain") == row["domain"]),
                named=True,
            )
            for end in ("", "_lo", "_hi"):
                named = f"{row['metric']}_percent{end}"
                assert own[named] == pytest.approx(row[f"percent{end}"], rel=1e-9)


def test_changes_are_of_the_personas_that_a_checkpoint_shares_with_its_baseline() -> None:
    frames = {frame["variant"][0]: frame for frame in contrasts_data.study(["m"], personas=12)}
    lost = pl.col("persona_id") < 3
    late = frames["insecure"].with_columns(
        n=pl.when(lost & (pl.col("item_id") == 1)).then(0).otherwise(pl.col("n")).cast(pl.Int32)
    )
    # Those of a model without its baseline have no row, wherever they stand.
    moments = {("x", "late"): late, ("m", "base"): frames["base"], ("m", "late"): late}
    found = changes_of(moments, OF, "base", 7, 50)
    assert dict(found.group_by("variant").agg(pl.col("n_personas").first()).iter_rows()) == {
        "base": 12,
        "late": 9,
    }
    kept = {
        ("m", name): frame.filter(~lost)
        for name, frame in (("base", frames["base"]), ("late", frames["insecure"]))
    }
    alone = changes_of(kept, OF, "base", 7, 50).filter(variant="late")
    assert found.filter(variant="late")["S_percent"].to_list() == pytest.approx(
        alone["S_percent"].to_list()
    )
    base = found.filter(variant="base", domain="overall").row(0, named=True)
    assert (base["S_percent"], base["R_percent"], base["S_percent_lo"]) == (0, 0, None)
