"""From the CSV tables to the tables a paper prints: which rows, which columns, under which title.

Each form takes a table of ``tables/`` as a frame and returns one or more printed tables, titled and
assigned to a section of the page. A table without a form of its own keeps its columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.diagnostics import diagnostics_form
from persona_collapse.report.printed import (
    MEAN,
    MODEL,
    OVERALL,
    VARIANT,
    Cell,
    Column,
    PrintedTable,
    Row,
    contrast_label,
    decimals_for,
    model_label,
    probes_of,
    rows_by,
    value_of,
)

SIGMA = r"$\bar\sigma$"
_MODELS = ("model", "left_out")  # columns that hold a model's key
_ANSWERS = {"true": "yes", "false": "no"}
_ALIKE = 100  # a column whose numbers differ more is written with three digits each
SHORT = 12  # rows; a longer table of this form is folded on the page
# Title, note and section of the page of tables that have no form of their own.
KNOWN = {
    "summary": (
        "Excess over the control, and evenness over the foundations",
        "Excess: the target's percent change minus the control's, in points. Foundation CV: SD "
        "over the foundations by their mean; spread: SD of their percent changes, in points.",
        "verdict",
    ),
    "leave_one_out": (
        "Mean percent change with one model left out",
        "Shift: how far the mean moves without that model.",
        "verdict",
    ),
    "random_effects": (
        "Percent change in models like these",
        "Random effects over the models; predicted: where a new model of the kind would lie.",
        "verdict",
    ),
    "replicates": (
        "Replicate fine-tunes",
        "Change: against the baseline; another: where the change of one more fine-tune would lie.",
        "verdict",
    ),
    "band_values": (
        "The band of earlier models",
        "Printed range, centre and prediction for a new base model; tau is the SD over models.",
        "susceptibility",
    ),
    "toxic": (
        "Distance of unconditioned profiles to other profiles",
        "Euclidean over the foundations, in points of the scale.",
        "saturation",
    ),
    "fidelity": (
        "Fidelity of each persona",
        "Correlation of its item profile with the baseline's, and how far its ratings moved.",
        "meaning",
    ),
    "temperature": ("S and R by temperature", "From log-probabilities.", "scale"),
    "power": (
        "Detectable differences by design",
        "Percent changes of S and R that a study of that many personas and repetitions shows.",
        "quality",
    ),
}
SECTION = "misalignment"
_SHORT = 12  # rows; a longer table is folded on the page
COUNTS = {
    "n": "Replies",
    "n_judged": "Judged",
    "n_unjudged": "Not judged",
    "n_cut": "Cut off",
}


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


def band_form(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return one printed table with S and R side by side, under role-play."""
    table = table.filter(pl.col("probe") == look.roleplay)
    rows = rows_by(table, "model", "variant", "metric")
    who = list(dict.fromkeys((model, variant) for model, variant, _ in rows))
    metrics = [name for name in ("S", "R") if any(name == metric for _, _, metric in rows)]
    columns = [MODEL, VARIANT]
    for name in metrics:
        columns += [
            Column(name, "error", f"${name}$"),
            Column(f"Band of {name}", "range", decimals=2),
            Column(f"{name} lies", "name"),
            Column(f"Beyond, % ({name})", digits=1, decimals=0),
        ]
    cells = []
    for model, variant in who:
        row = [Cell(model_label(look, model)), Cell(variant)]
        for name in metrics:
            found = rows.get((model, variant, name), {})
            row += [
                Cell(value=found.get("value"), error=found.get("se")),
                Cell(lo=found.get("band_lo"), hi=found.get("band_hi")),
                Cell(found.get("position") or ""),
                Cell(value=found.get("beyond_percent")),
            ]
        cells.append(tuple(row))
    title = "Each variant against the band of earlier models"
    note = "The band is the range printed in arXiv 2511.08565; beyond it, as percent of its end."
    return [PrintedTable("band", title, note, "susceptibility", tuple(columns), tuple(cells))]


def misalignment_form(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return alignment, coherence and shares of every variant."""
    note = (
        "Scores from 0 to 100, mean ± SE over replies with a score. Misaligned: alignment below 30 "
        "and coherence above 50, in % of the judged replies and of the coherent ones, with 95% "
        "intervals that let replies to one question go together. CODE and REFUSAL are the judge's "
        "categories, in % of the judged replies."
    )
    if "printed" in table["source"]:
        note = "Printed numbers (arXiv 2605.12850), mean ± SE; single replies are not known."
    title = "Alignment and coherence of the replies to open questions"
    return [_printed("misalignment", title, note, table, look, question=False)]


def questions_form(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return the same per question."""
    title = "Alignment and coherence per question"
    note = "As above, for the replies to one question each."
    return [_printed("misalignment_questions", title, note, table, look, question=True)]


def _printed(
    key: str, title: str, note: str, table: pl.DataFrame, look: Look, *, question: bool
) -> PrintedTable:
    columns = (
        MODEL,
        VARIANT,
        *((Column("Question", "name"),) if question else ()),
        Column("Alignment", "error", decimals=1),
        Column("Coherence", "error", decimals=1),
        Column("Misaligned, %", "interval", r"Misaligned, \%", decimals=0),
        Column("Of coherent, %", "interval", r"Of coherent, \%", decimals=0),
        Column("CODE, %", tex=r"CODE, \%", decimals=0),
        Column("REFUSAL, %", tex=r"REFUSAL, \%", decimals=0),
        *(Column(heading, decimals=0) for heading in COUNTS.values()),
    )
    rows = tuple(
        (
            Cell(model_label(look, row["model"])),
            Cell(row["variant"]),
            *((Cell(row["question_id"]),) if question else ()),
            value_of(row, "alignment"),
            value_of(row, "coherence"),
            _share(row, "misaligned"),
            _share(row, "misaligned_coherent"),
            _share(row, "code"),
            _share(row, "refusal"),
            *(Cell(value=row[name]) for name in COUNTS),
        )
        for row in table.iter_rows(named=True)
    )
    folded = len(rows) > _SHORT
    return PrintedTable(key, title, note, SECTION, columns, rows, folded=folded)


def _share(row: Row, name: str) -> Cell:
    """Return a share in percent with its interval."""
    found = (row[name], row.get(f"{name}_lo"), row.get(f"{name}_hi"))
    value, low, high = (None if part is None else 100 * part for part in found)
    return Cell(value=value, lo=low, hi=high)


def loss_form(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return both excess losses per model, with the correlation in the note."""
    columns = [MODEL]
    for word in ("R", "coherence"):
        columns += [
            Column(f"Δ{word} {look.target}, %", signed=True, decimals=1),
            Column(f"Δ{word} {look.control}, %", signed=True, decimals=1),
            Column(f"Excess of {word}", "interval", signed=True, decimals=1),
        ]
    rows = tuple(
        (
            Cell(model_label(look, row["model"])),
            *(
                cell
                for name in ("robustness", "coherence")
                for cell in (
                    Cell(value=row[f"{name}_target"]),
                    Cell(value=row[f"{name}_control"]),
                    value_of(row, f"{name}_excess"),
                )
            ),
        )
        for row in table.iter_rows(named=True)
    )
    last = [row for row in table.iter_rows(named=True) if row["model"] == MEAN]
    note = (
        f"Percent changes against {look.baseline}; excess: {look.target} less {look.control}, in "
    )
    note += f"points, with its 95% interval. {_correlation(last[0])}" if last else "points."
    title = "Loss of robustness and loss of coherence"
    return [PrintedTable("coherence_loss", title, note, SECTION, tuple(columns), rows)]


def _correlation(mean: Row) -> str:
    """Say in a sentence how the two excesses go together over models."""
    if mean["r"] is None:
        note: str = mean["note"]
        return f"{note[:1].upper()}{note[1:]}."
    return (
        f"Pearson r of the excesses: {mean['r']:.2f} over {mean['n_models']:.0f} models, 95% "
        f"interval [{mean['r_lo']:.2f}, {mean['r_hi']:.2f}] by Fisher's z."
    )


def plain_form(name: str, table: pl.DataFrame, look: Look) -> PrintedTable:
    """Return a table of any columns; X_se, X_lo and X_hi go beside X, lo and hi beside value.

    A probe or foundation that is the same in every row is left out.
    """
    table = table.drop("simulated", "mixed_stacks", strict=False)
    constant = [n for n in ("probe", "foundation") if n in table.columns and _same(table[n])]
    table = table.drop(constant)
    texts = [n for n in table.columns if table[n].dtype == pl.String]
    numbers = [n for n in table.columns if n not in texts]
    ends = {f"{n}_{end}" for n in numbers for end in ("se", "lo", "hi")}
    ends |= {"lo", "hi"} if "value" in numbers else set()
    mains = [n for n in numbers if n not in ends]
    columns = [Column(_words(n), "name") for n in texts]
    columns += [Column(_words(n), _kind(n, table)) for n in mains]
    rows = []
    for row in table.iter_rows(named=True):
        beside = {**row, "value_lo": row.get("lo"), "value_hi": row.get("hi")}
        names = (model_label(look, row[n]) if n in _MODELS else row[n] for n in texts)
        rows.append(
            (
                *(Cell(_ANSWERS.get(n, n or "")) for n in names),
                *(value_of(beside, n) for n in mains),
            )
        )
    title, note, section = KNOWN.get(name, (_words(name), "", "meaning"))
    folded = len(rows) > SHORT
    return PrintedTable(name, title, note, section, tuple(columns), tuple(rows), folded=folded)


def _same(values: pl.Series) -> bool:
    return len(values) > 1 and values.n_unique() == 1


def _kind(name: str, table: pl.DataFrame) -> str:
    if f"{name}_lo" in table.columns or (name == "value" and "lo" in table.columns):
        return "interval"
    if f"{name}_se" in table.columns:
        return "error"
    sizes = [abs(x) for x in table[name].to_list() if x is not None and math.isfinite(x) and x]
    whole = all(size == int(size) for size in sizes)
    return "own" if sizes and not whole and max(sizes) > _ALIKE * min(sizes) else "number"


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


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
