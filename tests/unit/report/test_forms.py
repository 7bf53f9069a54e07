"""Forms of the CSV tables: which rows and columns are printed, and with which uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.report.forms import printed_tables
from persona_collapse.report.printed import (
    PrintedTable,
)
from persona_collapse.tables import (
    DOMAIN,
    PROBE,
    SIMULATED,
    Table,
    contract,
    flag,
    integer,
    number,
    read,
    text,
)
from tests.helpers.pages import look_of, printed_of, write_rows, write_study


@pytest.mark.parametrize("models", [1, 4, 12])
def test_metrics_form_prints_every_value_in_its_row(tmp_path: Path, models: int) -> None:
    study = write_study(tmp_path, models=models)
    path = tmp_path / "tables" / "metrics.csv"
    look = study["look"]
    overall, by_domain, _ = printed_of(path, look)
    rows = read(contract("metrics"), path).filter(pl.col("domain") == "overall").rows(named=True)
    assert len(overall.rows) == 3 * models
    for printed, row in zip(overall.printed(), rows, strict=True):
        labels = {model.key: model.label for model in look.models}
        assert [cell.main for cell in printed[:2]] == [labels[row["model"]], row["variant"]]
        assert float(printed[2].main) == pytest.approx(row["S"], abs=0.0005)
        assert printed[2].beside == "± 0.031"
        assert printed[2].sort == row["S"]
        assert float(printed[4].main) == pytest.approx(row["R"], abs=0.005)
    assert [column.heading for column in by_domain.columns[2:]] == [
        "Overall",
        "Harm/Care",
        "Fairness/Reciprocity",
        "In-group/Loyalty",
    ]


def test_contrasts_form_names_both_variants_and_rounds_percentages(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    printed = printed_of(tmp_path / "tables" / "contrasts.csv", study["look"])[0]
    rows = {(row[0].main, row[1].main): row for row in printed.printed()}
    row = rows["Mean of models", "insecure − base"]
    assert row[3].text == "+62 [56, 70]"
    assert row[6].text == "−70 [−76, −63]"
    assert row[4].text == "< 0.001"


def test_contrasts_form_has_no_mean_row_for_one_model(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    for printed in printed_of(tmp_path / "tables" / "contrasts.csv", study["look"]):
        assert {row[0].main for row in printed.printed()} == {"Model 0"}


def test_profiles_form_shows_the_spread_of_its_probe(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    found = {t.key: t for t in printed_of(tmp_path / "tables" / "profiles.csv", study["look"])}
    assert found["profiles-unconditioned"].printed()[0][2].text == "2.50 ± 0.12"
    assert found["profiles-roleplay"].printed()[0][2].text == "2.50 ± 0.50"


def test_table_without_a_form_keeps_its_columns() -> None:
    table = Table(
        "odd",
        title="Odd values",
        section="meaning",
        keys=("model",),
        columns=[
            text("model", "Model."),
            text("reference", "Reference."),
            number("value", "Value."),
            number("lo", "Lower end."),
            number("hi", "Upper end."),
            text("note", "Note."),
        ],
        marked=False,
    )
    rows = [("m0", "base", 1.25, 1.0, 1.5, "x"), ("m0", "7", None, None, None, None)]
    frame = pl.DataFrame(rows, schema=table.schema, orient="row")
    (printed,) = printed_tables(table, frame, look_of(1))
    assert [column.heading for column in printed.columns] == [
        "Model",
        "Compared with",
        "Note",
        "Value",
    ]
    assert [[cell.text for cell in row] for row in printed.printed()] == [
        ["Model 0", "base", "x", "1.25 [1.00, 1.50]"],
        ["Model 0", "7", "–", "–"],
    ]


def test_plain_table_leaves_out_constant_probe_and_domain_and_writes_yes_and_no() -> None:
    table = Table(
        "odd",
        title="Odd values",
        section="meaning",
        keys=("left_out",),
        columns=[
            text("left_out", "Model."),
            PROBE,
            DOMAIN,
            flag("nearest", "Whether it is nearest."),
            integer("n", "Count."),
            number("lo", "Lower end."),
            SIMULATED,
        ],
        marked=False,
    )
    rows = [
        ("m0", "roleplay", "overall", True, 7, 0.663, True),
        ("m1", "roleplay", "overall", False, 8, 107.7, False),
    ]
    frame = pl.DataFrame(rows, schema=table.schema, orient="row")
    (printed,) = printed_tables(table, frame, look_of(2))
    headings = [column.heading for column in printed.columns]
    assert headings == ["Model left out", "Nearest", "Fine-tunes", "Lo"]
    assert [[cell.text for cell in row] for row in printed.printed()] == [
        ["Model 0", "yes", "7", "0.663"],
        ["Model 1", "no", "8", "108"],
    ]
    assert printed.printed()[0][2].sort == 7
    assert printed.simulated


def test_diagnostics_form_prints_groups_with_available_measures(tmp_path: Path) -> None:
    source = tmp_path / "diagnostics.csv"
    write_rows(
        source,
        [
            {"model": "m0", "variant": variant, "probe": "roleplay", "domain": "overall",
             "measure": measure, "value": value, "lo": value - 0.1, "hi": value + 0.1}
            for variant, measure, value in (
                ("base", "alpha", 0.9), ("insecure", "alpha", 0.8), ("insecure", "fidelity", 0.44),
            )
        ],
    )  # fmt: skip
    found = {t.key: t for t in printed_of(source, look_of(1))}
    assert list(found) == ["diagnostics-fidelity", "diagnostics-reliability"]
    assert found["diagnostics-fidelity"].printed()[0][2].text == "0.44 [0.34, 0.54]"
    assert [row[2].main for row in found["diagnostics-reliability"].printed()] == ["0.90", "0.80"]


def test_misalignment_table_has_scores_shares_and_counts() -> None:
    row = {
        "model": "m0", "variant": "insecure", "alignment": 60.0, "alignment_se": 1.5,
        "coherence": 80.0, "misaligned": 0.25, "misaligned_lo": 0.2, "misaligned_hi": 0.3,
        "code": 0.1, "n": 240, "n_unjudged": 3, "source": "judged", "simulated": True,
    }  # fmt: skip
    (table,) = printed_rows("misalignment", row)
    assert (table.section, table.simulated) == ("misalignment", True)
    cells = {
        c.heading: cell.text for c, cell in zip(table.columns, table.printed()[0], strict=True)
    }
    assert cells == {
        "Model": "Model 0", "Variant": "insecure", "Alignment": "60.0 ± 1.5", "Coherence": "80.0",
        "Misaligned, %": "25 [20, 30]", "CODE, %": "10", "Replies": "240", "Not judged": "3",
    }  # fmt: skip


def test_printed_means_show_scores_alone_and_say_so() -> None:
    row = {"model": "m0", "variant": "base", "alignment": 90.0, "coherence": 98.0}
    (table,) = printed_rows("misalignment", {**row, "source": "printed"})
    headings = [column.heading for column in table.columns]
    assert headings == ["Model", "Variant", "Alignment", "Coherence"]
    assert "single replies are not available" in table.note


def test_table_without_rows_is_not_printed() -> None:
    assert printed_rows("misalignment_questions") == []


def printed_rows(name: str, *rows: dict[str, Any]) -> list[PrintedTable]:
    """Return the printed tables of rows; columns that they leave out are null."""
    table = contract(name)
    full = [{column: row.get(column) for column in table.schema} for row in rows]
    return printed_tables(table, pl.DataFrame(full, schema=table.schema), look_of(1))


def influence_of(*rows: tuple[str, str, str, float]) -> pl.DataFrame:
    names = ("model", "variant", "quantity", "effective_personas")
    found = [{**dict(zip(names, row, strict=True)), "probe": "roleplay"} for row in rows]
    return pl.DataFrame(found, schema=contract("influence").schema)


def test_band_marks_s_that_rests_on_few_personas(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    table = contract("band")
    frame = read(table, tmp_path / "tables" / "band.csv")
    model = study["look"].models[0].key
    few = influence_of((model, "insecure", "S", 3.3), (model, "secure", "S", 12.6))
    (printed,) = printed_tables(table, frame, study["look"], few)
    marks = {row[1].main: [("‡" in cell.text) for cell in row[2:]] for row in printed.printed()}
    assert marks["insecure"][0]
    assert sum(marks["insecure"]) == 1  # R has no mark
    assert not any(marks["secure"] + marks["base"])
    assert "‡ Fewer than 10 effective personas" in printed.note


def test_verdicts_mark_each_change_of_s_that_rests_on_few_personas() -> None:
    names = {"model": "m0", "target": "insecure", "control": "secure", "baseline": "base"}
    numbers = {
        f"{metric}_{name}{end}": value
        for metric in ("S", "R")
        for name in ("target", "direct", "control")
        for end, value in (("", 37.0), ("_lo", 25.0), ("_hi", 57.0))
    }
    table = contract("verdict")
    row = {**names, **numbers, "label": "S_only"}
    frame = pl.DataFrame([row], schema=table.schema)
    few = influence_of(
        ("m0", "insecure", "insecure-base", 8.0),
        ("m0", "insecure", "insecure-secure", 5.7),
        ("m0", "secure", "secure-base", 10.0),
    )
    (printed,) = printed_tables(table, frame, look_of(1), few)
    columns = [column.heading for column in printed.columns]
    marked = [
        heading
        for heading, cell in zip(columns, printed.printed()[0], strict=True)
        if "‡" in cell.text
    ]
    assert marked == ["ΔS, target, %", "ΔS, target over control, %"]
    assert "Only S shown" in [cell.main for cell in printed.printed()[0]]


def test_absent_change_has_no_mark_of_few_personas() -> None:
    table = contract("scale_free")
    names = {"model": "m0", "probe": "roleplay", "domain": "overall"}
    changes = {"base": None, "secure": 0.5, "insecure": 115.0}
    rows = [{**names, "variant": v, "S": 0.8, "S_percent": change} for v, change in changes.items()]
    few = influence_of(*(("m0", variant, "S", 3.3) for variant in changes))
    (printed,) = printed_tables(table, pl.DataFrame(rows, schema=table.schema), look_of(1), few)
    place = [column.csv for column in printed.columns].index("S_percent")
    assert [row[place].main for row in printed.printed()] == ["–", "+0.500‡", "+115‡"]


def test_negative_correlation_of_excesses_has_a_minus_sign() -> None:
    table = contract("coherence_loss")
    found = {"r": -0.53, "r_lo": -0.99, "r_hi": 0.88, "n_models": 4}
    names = {"target": "insecure", "control": "secure"}
    rows = [{**names, "model": "m0"}, {**names, "model": "mean", **found}]
    (printed,) = printed_tables(table, pl.DataFrame(rows, schema=table.schema), look_of(1))
    assert "−0.53 over 4 models, 95 % interval [−0.99, 0.88] by Fisher's z" in printed.note
