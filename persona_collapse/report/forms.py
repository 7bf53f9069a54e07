"""From the CSV tables to the tables a paper prints: which rows, which columns, under which title.

Each form takes a table of ``tables/`` as a frame and returns one or more printed tables, titled and
assigned to a section of the page. A table without a form of its own keeps its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.band import band_form
from persona_collapse.report.diagnostics import diagnostics_form
from persona_collapse.report.misalignment import loss_form, misalignment_form, questions_form
from persona_collapse.report.numbers import decimals_for
from persona_collapse.report.plain import (
    MEAN,
    MODEL,
    OVERALL,
    VARIANT,
    Row,
    contrast_label,
    model_label,
    plain_form,
    probes_of,
    rows_by,
    value_of,
)
from persona_collapse.report.printed import Cell, Column, PrintedTable

SIGMA = r"$\bar\sigma$"


def printed_tables(name: str, table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return the printed tables of ``tables/<name>.csv``; none where it has no rows."""
    if table.is_empty():
        return []
    form = FORMS.get(name)
    found = form(table, look) if form else [plain_form(name, table, look)]
    simulated, mixed = (_any(table, flag) for flag in ("simulated", "mixed_stacks"))
    return [
        replace(printed, simulated=simulated, mixed_stacks=mixed).without_empty()
        for printed in found
        if printed.rows
    ]


def _any(table: pl.DataFrame, flag: str) -> bool:
    return flag in table.columns and "true" in table[flag]


def _who(look: Look, row: Row) -> tuple[Cell, Cell]:
    return Cell(model_label(look, row["model"])), Cell(row["variant"])


def _foundations(table: pl.DataFrame) -> list[str]:
    names = table["foundation"].unique(maintain_order=True).to_list()
    return [name for name in names if name != OVERALL]


def _across(
    table: pl.DataFrame, look: Look, cell: Callable[[Row], Cell], decimals: int | None = None
) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...]]:
    """Lay out model x variant by foundation, ``overall`` first, all with the same decimals."""
    rows = rows_by(table, "model", "variant", "foundation")
    who = list(dict.fromkeys((model, variant) for model, variant, _ in rows))
    groups = [name for name in (OVERALL, *_foundations(table)) if any(name == k[2] for k in rows)]
    cells = {key: cell(row) for key, row in rows.items()}
    if decimals is None:
        found = cells.values()
        decimals = decimals_for([one.value for one in found], [one.error for one in found], 1)
    columns = (MODEL, VARIANT, *(Column(_heading(n), "error", decimals=decimals) for n in groups))
    return columns, tuple(
        (Cell(model_label(look, m)), Cell(v), *(cells.get((m, v, n), Cell()) for n in groups))
        for m, v in who
    )


def _heading(foundation: str) -> str:
    return "Overall" if foundation == OVERALL else foundation


def _metrics(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    found = []
    for probe, suffix in probes_of(table, look):
        asked = table.filter(pl.col("probe") == probe)
        overall = list(asked.filter(pl.col("foundation") == OVERALL).iter_rows(named=True))
        under = "under role-play" if not suffix else f"under the probe “{probe}”"
        columns = (
            MODEL,
            VARIANT,
            Column("S", "error", "$S$"),
            Column("95% interval of S", "range", r"95\% interval"),
            Column("R", "error", "$R$"),
            Column("95% interval of R", "range", r"95\% interval"),
            Column("σ̄", "error", SIGMA),
            Column("Personas"),
        )
        rows = tuple(
            (
                *_who(look, row),
                value_of(row, "S"),
                Cell(lo=row.get("S_lo"), hi=row.get("S_hi")),
                value_of(row, "R"),
                Cell(lo=row.get("R_lo"), hi=row.get("R_hi")),
                value_of(row, "sigma_bar"),
                Cell(value=row.get("n_personas")),
            )
            for row in overall
        )
        note = "Value ± standard error; intervals from a bootstrap over personas and repetitions."
        section = "susceptibility" if not suffix else "saturation"
        title = f"Moral susceptibility S and robustness R {under}"
        found.append(PrintedTable(f"metrics{suffix}", title, note, section, columns, rows))
        if suffix or not _foundations(asked):
            continue
        for symbol, word, place in (
            ("S", "susceptibility", "susceptibility"),
            ("R", "robustness", "robustness"),
        ):
            layout = _across(asked, look, partial(value_of, name=symbol))
            title = f"Moral {word} {symbol} per foundation"
            key = f"metrics-{symbol}-foundations"
            found.append(PrintedTable(key, title, "Value ± standard error.", place, *layout))
    return found


def _contrasts(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    table = table.filter(pl.col("probe") == look.roleplay)
    if len(look.models) == 1:
        table = table.filter(pl.col("model") != MEAN)
    rows = rows_by(table, "model", "contrast", "metric", "foundation")
    order = [model.key for model in look.models]
    pairs = sorted(
        dict.fromkeys((model, contrast) for model, contrast, _, _ in rows),
        key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order),
    )
    who = [(Cell(model_label(look, m)), Cell(contrast_label(look, c))) for m, c in pairs]
    head = (MODEL, Column("Contrast", "name"))
    columns: list[Column] = [*head]
    for name in ("S", "R"):
        columns += [
            Column(f"Δ{name}", "interval", rf"$\Delta {name}$", signed=True, digits=1),
            Column(f"Δ{name}, %", "interval", rf"$\Delta {name}$, \%", signed=True, digits=1),
            Column(f"p ({name})", "p", f"$p_{{{name}}}$"),
        ]
    overall = tuple(
        (
            *names,
            *(cell for name in ("S", "R") for cell in _contrast(rows.get((*pair, name, OVERALL)))),
        )
        for names, pair in zip(who, pairs, strict=True)
    )
    note = "Value [95% interval], the same personas drawn for both variants; p adjusted (Holm)."
    title = "Paired contrasts of S and R"
    found = [PrintedTable("contrasts", title, note, "verdict", tuple(columns), overall)]
    groups = _foundations(table)
    for name, section in (("S", "susceptibility"), ("R", "robustness")):
        if not groups:
            break
        shifts = tuple(
            (*names, *(value_of(rows.get((*pair, name, group)), "percent") for group in groups))
            for names, pair in zip(who, pairs, strict=True)
        )
        heads = (Column(group, "interval", signed=True, digits=1) for group in groups)
        title, note = f"Percent change of {name} per foundation", "Percent [95% interval]."
        key = f"contrasts-{name}-foundations"
        found.append(PrintedTable(key, title, note, section, (*head, *heads), shifts))
    return found


def _contrast(row: Row | None) -> tuple[Cell, Cell, Cell]:
    if row is None:
        return Cell(), Cell(), Cell()
    estimate = value_of(row, "estimate") if "estimate" in row else Cell()
    return estimate, value_of(row, "percent"), Cell(value=row["p_adjusted"])


def _profiles(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    within, across = ("within an item", "sd_within"), ("across personas", "sd_across_personas")
    words = {
        look.unconditioned: ("Unconditioned profiles", *within, "saturation"),
        look.toxic: ("Profiles under toxic personas", *across, "saturation"),
        look.roleplay: ("Mean profiles under role-play", *across, "meaning"),
    }
    found = []
    for probe in table["probe"].unique(maintain_order=True):
        default = (f"Profiles of the probe “{probe}”", *within, "meaning")
        title, where, spread, section = words.get(probe, default)

        layout = _across(
            table.filter(pl.col("probe") == probe), look, partial(_mean, spread=spread), 2
        )
        note = f"Mean rating per foundation ± SD {where}."
        found.append(PrintedTable(f"profiles-{probe}", title, note, section, *layout))
    return found


def _mean(row: Row, spread: str) -> Cell:
    return Cell(value=row["mean"], error=row.get(spread))


def _quality(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    counts = ("expected", "answered", "missing", "unparseable", "refused", "filtered", "error")
    others = {
        "personas_retained": "Personas kept",
        "personas_dropped": "Personas dropped",
        "extra_repetitions": "Extra repetitions",
    }
    numbers = {
        **{name: name.capitalize() for name in counts},
        "retried_share": "Retried, %",
        **others,
    }
    present = {name: heading for name, heading in numbers.items() if name in table.columns}
    rows = tuple(
        (
            *_who(look, row),
            Cell(row["probe"]),
            *(
                Cell(value=_percent(row[name]) if name == "retried_share" else row[name])
                for name in present
            ),
        )
        for row in table.iter_rows(named=True)
    )
    columns = (
        MODEL,
        VARIANT,
        Column("Probe", "name"),
        *(
            Column(heading, decimals=2 if name == "retried_share" else 0)
            for name, heading in present.items()
        ),
    )
    title = "What became of every designed answer"
    note = "Expected answers by outcome; a persona is dropped when an item has no valid answer."
    return [PrintedTable("quality", title, note, "quality", columns, rows)]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


Form = Callable[[pl.DataFrame, Look], Iterable[PrintedTable]]
FORMS: dict[str, Form] = {
    "metrics": _metrics,
    "contrasts": _contrasts,
    "profiles": _profiles,
    "quality": _quality,
    "diagnostics": diagnostics_form,
    "band": band_form,
    "misalignment": misalignment_form,
    "misalignment_questions": questions_form,
    "coherence_loss": loss_form,
}
