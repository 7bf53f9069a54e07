"""Checkpoints: their steps in the study, their table, and what the figure draws of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from matplotlib.figure import Figure

from persona_collapse.common.errors import UserError
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.tables import read_table
from persona_collapse.figures.trajectory import draw_trajectory
from persona_collapse.measures.trajectory import trajectory_of
from persona_collapse.plan.answers import Layout
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.model import Study, Unit
from persona_collapse.tables.contracts.diagnostics import TABLE as DIAGNOSTICS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.trajectory import TABLE
from tests.helpers.figures_data import LABELS, axes_of, faults_of, whiskers_of, words_of

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


def metrics_row(variant: str, foundation: str, probe: str = "roleplay", **values: Any) -> dict:
    names = {"model": "m", "variant": variant, "probe": probe, "foundation": foundation}
    return {**names, "S": 0.8, "R": 10.0, "sigma_bar": 0.1, "simulated": False, **values}


def saturation_row(variant: str, value: float, **values: Any) -> dict:
    names = {"model": "m", "variant": variant, "probe": "unconditioned", "foundation": "overall"}
    found = {"measure": "saturation", "value": value, "lo": value - 0.1, "hi": value + 0.1}
    return {**names, **found, "simulated": False, **values}


def table_of(metrics: list[dict], diagnostics: list[dict]) -> pl.DataFrame:
    schema = DIAGNOSTICS.schema
    return trajectory_of(
        pl.DataFrame(metrics, schema=METRICS.schema),
        pl.DataFrame(diagnostics, schema=schema),
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
    assert found.select("variant", "step", "foundation").rows() == [
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
    assert (late["step"], late["foundation"], late["S"], late["saturation"]) == (
        50, "overall", None, 0.7,
    )  # fmt: skip


def trajectory_table(models: int, unit: int = 1, saturated: bool = True) -> pl.DataFrame:
    rows = []
    for model in range(models):
        for place, step in enumerate([0, 50, 100, 200, 400, 800]):
            s, r, near = 0.6 + 0.1 * place + 0.02 * model, 16 / (1 + place), 0.5 + 0.08 * place
            row = {
                **{"model": f"m{model}", "variant": f"step-{step}" if step else "base"},
                **{"step": float(step * unit), "foundation": "overall", "simulated": True},
                **{"S": s, "S_lo": s - 0.05, "S_hi": s + 0.06},
                **{"R": r, "R_lo": r * 0.85, "R_hi": r * 1.2},
                **{"saturation": near, "saturation_lo": near - 0.05, "saturation_hi": near + 0.04},
            }
            if not saturated:
                row |= dict.fromkeys(("saturation", "saturation_lo", "saturation_hi"))
            rows += [row, {**row, "foundation": "Harm/Care", "S": 9.0}]
    return pl.DataFrame(rows, infer_schema_length=None)


def look_of(models: int) -> Look:
    named = tuple(ModelLook(f"m{n}", label, "F") for n, label in enumerate(LABELS[:models]))
    variants = ("base", *(f"step-{step}" for step in (50, 100, 200, 400, 800)))
    return Look(named, variants, target="step-800")


def spoilt(table: pl.DataFrame) -> pl.DataFrame:
    """The table with an infinite R at step 50 of m0 and nothing known at step 200."""
    own = (pl.col("model") == "m0") & (pl.col("foundation") == "overall")
    endless, unknown = own & (pl.col("step") == 50), own & (pl.col("step") == 200)
    ends = [
        pl.when(endless | unknown).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("R_lo", "R_hi")
    ]
    value = pl.when(endless).then(math.inf).when(unknown).then(None).otherwise(pl.col("R"))
    return table.with_columns(*ends, R=value)


@pytest.mark.parametrize("models", [1, 4, 12])
@pytest.mark.parametrize("unit", [1, 1000])
def test_texts_keep_apart_and_inside(models: int, unit: int) -> None:
    figure = draw_trajectory(spoilt(trajectory_table(models, unit)), look_of(models))
    assert faults_of(figure) == []
    width, height = figure.get_size_inches()
    assert width == 6.9
    assert height < 9.6


def points(figure: Figure, panel: str) -> dict[str, tuple[float, float]]:
    axes = axes_of(figure, panel)
    return {
        c.get_label(): (c.lines[0].get_xdata()[0], c.lines[0].get_ydata()[0])
        for c in axes.containers
    }


def test_points_and_whiskers_stand_where_the_table_says() -> None:
    table = trajectory_table(2)
    figure = draw_trajectory(table, look_of(2))
    for row in table.filter(pl.col("foundation") == "overall").iter_rows(named=True):
        for name in ("S", "R", "saturation"):
            panel, label = f"{row['model']} {name}", f"{row['model']} {row['variant']} {name}"
            assert points(figure, panel)[label] == (row["step"], row[name])
            ((_, low, _, high),) = whiskers_of(axes_of(figure, panel), label)
            assert (low, high) == pytest.approx((row[f"{name}_lo"], row[f"{name}_hi"]))
    assert axes_of(figure, "m0 R").get_yscale() == "log"
    assert axes_of(figure, "m0 S").get_ylim() == axes_of(figure, "m1 S").get_ylim()
    assert "SIMULATED RESPONDENTS" in words_of(figure)


def test_an_infinite_r_stands_at_the_edge_and_an_unknown_one_is_a_gap() -> None:
    figure = draw_trajectory(spoilt(trajectory_table(1)), look_of(1))
    axes, found = axes_of(figure, "m0 R"), points(figure, "m0 R")
    finite = [y for label, (_, y) in found.items() if "step-50 " not in label]
    assert max(finite) < found["m0 step-50 R"][1] < axes.get_ylim()[1]
    assert "∞" in words_of(figure)
    assert "m0 step-200 R" not in found
    (line,) = (line for line in axes.lines if line.get_label() == "m0 R")
    assert [math.isnan(y) for y in line.get_ydata()] == [False, False, False, True, False, False]


def test_what_was_not_measured_has_no_panel() -> None:
    figure = draw_trajectory(trajectory_table(1, saturated=False), look_of(1))
    labels = {axes.get_label() for axes in figure.axes}
    assert labels == {"paper", "m0 S", "m0 R"}
    assert "Saturation" not in words_of(figure)


def test_a_model_without_checkpoints_has_no_row() -> None:
    figure = draw_trajectory(trajectory_table(1), look_of(2))
    assert not any(axes.get_label().startswith("m1") for axes in figure.axes)


def test_the_written_table_can_be_drawn(tmp_path: Path) -> None:
    table = table_of(
        [metrics_row(v, "overall", R=math.inf) for v in ("base", "late")],
        [saturation_row("base", 0.5)],
    )
    table.write_csv(tmp_path / "trajectory.csv")
    look = Look((ModelLook("m", "M", "M"),), ("base", "late", "early"))
    figure = draw_trajectory(read_table(tmp_path / "trajectory.csv", "trajectory"), look)
    assert points(figure, "m saturation")["m base saturation"] == (0, 0.5)
    assert "∞" in words_of(figure)
