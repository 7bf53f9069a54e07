"""Forms of the CSV tables in print: which rows and columns are shown, under which title.

A form takes the frame of a CSV table and returns one or more printed tables, each with its title
and its section of the page. A table without a form of its own is printed with all its columns.
"""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import replace

import polars as pl

from persona_collapse.common.notation import decimals_for, write, write_interval
from persona_collapse.figures.look import Look
from persona_collapse.report.diagnostics import diagnostics_form
from persona_collapse.report.few import (
    FEW_MARK,
    INCOHERENT_SIGN,
    legend_of,
    with_few,
    with_few_changes,
)
from persona_collapse.report.headings import heading_of
from persona_collapse.report.printed import (
    MEAN,
    MODEL,
    OVERALL,
    VARIANT,
    Column,
    Layout,
    PrintedTable,
    Row,
    probes_of,
    row_by_row,
    side_by_side,
)
from persona_collapse.tables import Table
from persona_collapse.tables.contracts.influence import FEW, FEW_SIGN
from persona_collapse.tables.contracts.verdict import INCOHERENT

FLAGS = ("simulated", "mixed_backends")
OF_S = ("S", "S_percent")  # columns with S or its change, in tables without a form
UNLIKE = 100  # numbers of a column that differ by a larger factor get three digits each


def printed_tables(
    table: Table, frame: pl.DataFrame, look: Look, influence: pl.DataFrame | None = None
) -> list[PrintedTable]:
    """Return the printed tables of a CSV table; none where it has no rows.

    ``influence`` is ``influence.csv``: numbers that rest on few personas are marked by it.
    """
    if frame.is_empty():
        return []
    form = FORMS.get(table.name, _plain)
    frame = with_few(frame, influence)
    if table.name == "verdict" and influence is not None:
        frame = with_few_changes(frame, influence.filter(probe=look.roleplay))
    tables = form(table, frame, look)
    simulated, mixed = (flag in frame.columns and bool(frame[flag].any()) for flag in FLAGS)
    return [
        replace(
            printed,
            title=look.worded(printed.title),
            note=" ".join([look.worded(printed.note), *legend_of(printed)]).strip(),
            simulated=simulated,
            mixed_backends=mixed,
        ).without_empty()
        for printed in tables
        if printed.rows
    ]


def _plain(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Print all columns of a table; X_se, X_lo and X_hi go beside X, lo and hi beside value.

    A probe or domain that is constant is left out.
    """
    constant = [
        name
        for name in ("probe", "domain")
        if name in frame.columns and frame.height > 1 and frame[name].n_unique() == 1
    ]
    shown = {n: c for n, c in table.columns.items() if n not in (*FLAGS, *constant)}
    names = [n for n, column in shown.items() if column.type in ("string", "boolean")]
    numbers = [n for n in shown if n not in names]
    ends = {f"{n}_{end}" for n in numbers for end in ("se", "lo", "hi")}
    ends |= {"lo", "hi"} if "value" in numbers else set()
    # Two ends without a value between them are printed as a range.
    ranges = [n.removesuffix("_lo") for n in numbers if n.endswith("_lo") and n not in ends]
    columns = [
        *(Column(look.worded(heading_of(table.name, n)), n, "name") for n in names),
        *(
            Column(heading_of(table.name, n), n, _kind(n, frame), signed=_is_change(table.name, n),
                   marks=FEW_MARK if n in OF_S else {})
            for n in numbers
            if n not in ends and n.removesuffix("_lo").removesuffix("_hi") not in ranges
        ),
        *(Column(heading_of(table.name, n), n, "range") for n in ranges),
    ]  # fmt: skip
    return [_single(table, row_by_row(frame, look, columns))]


def _is_change(table: str, name: str) -> bool:
    """Return whether a column is a change, whose plus sign is written."""
    return (
        "change" in name
        or name in ("percent", "level_shift", "log_ratio")
        or (table, name) == ("leave_one_out", "shift")
        or bool(re.fullmatch("[SR](_normal)?_(target|direct|control|percent)", name))
    )


def _single(table: Table, layout: Layout, note: str | None = None) -> PrintedTable:
    """Return the one printed table of a CSV table, with the title of its contract."""
    note = table.note if note is None else note
    return PrintedTable(table.name, table.title, note, table.section, *layout)


def _kind(name: str, frame: pl.DataFrame) -> str:
    if f"{name}_lo" in frame.columns or (name == "value" and "lo" in frame.columns):
        return "interval"
    if f"{name}_se" in frame.columns:
        return "error"
    sizes = [abs(x) for x in frame[name].to_list() if x is not None and math.isfinite(x) and x]
    whole = all(size == int(size) for size in sizes)
    return "own" if sizes and not whole and max(sizes) > UNLIKE * min(sizes) else "number"


def _domains(frame: pl.DataFrame) -> list[str]:
    names = frame["domain"].unique(maintain_order=True).to_list()
    return [name for name in names if name != OVERALL]


def _by_domain(
    frame: pl.DataFrame, look: Look, csv: str, error: str | None = None, decimals: int | None = None
) -> Layout:
    """Lay out model x variant by domain, ``overall`` first, all with the same decimals."""
    overall = [OVERALL] if OVERALL in frame["domain"] else []
    groups = {
        name: [Column("Overall" if name == OVERALL else name, csv, "error", error=error)]
        for name in (*overall, *_domains(frame))
    }
    columns, rows = side_by_side(frame, look, (MODEL, VARIANT), "domain", groups)
    if decimals is None:
        cells = [cell for row in rows for cell in row[2:]]
        decimals = decimals_for([c.value for c in cells], [c.error for c in cells], 1)
    return (*columns[:2], *(replace(column, decimals=decimals) for column in columns[2:])), rows


def _metrics(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    columns = (
        MODEL,
        VARIANT,
        Column("S", "S", "error", "$S$", marks=FEW_MARK),
        Column("95 % interval of S", "S", "range", r"95\,\% interval"),
        Column("R", "R", "error", "$R$"),
        Column("95 % interval of R", "R", "range", r"95\,\% interval"),
        Column("σ̄", "sigma_bar", "error", r"$\bar\sigma$"),
        Column("Personas", "n_personas"),
    )
    tables = []
    for probe, suffix in probes_of(frame, look):
        asked = frame.filter(probe=probe)
        under = "under role-play" if not suffix else f"under the probe “{probe}”"
        note = "Value ± standard error, over personas and repetitions; intervals over personas."
        section = "susceptibility" if not suffix else "saturation"
        title = f"{look.metric('S')} and robustness R {under}"
        layout = row_by_row(asked.filter(domain=OVERALL), look, columns)
        tables.append(PrintedTable(f"metrics{suffix}", title, note, section, *layout))
        if suffix or not _domains(asked):
            continue
        for symbol, section in (("S", "susceptibility"), ("R", "robustness")):
            layout = _by_domain(asked, look, symbol)
            title = f"{look.metric(symbol)} per domain"
            key = f"metrics-{symbol}-domains"
            tables.append(PrintedTable(key, title, "Value ± standard error.", section, *layout))
    return tables


def _contrasts(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    frame = frame.filter(probe=look.roleplay)
    if len(look.models) == 1:
        frame = frame.filter(pl.col("model") != MEAN)
    places = {model.key: place for place, model in enumerate(look.models)}
    order = pl.col("model").replace_strict(places, default=len(places), return_dtype=pl.Int64)
    frame = frame.sort(order, maintain_order=True)
    heads = (MODEL, Column("Contrast", "contrast", "name"))
    groups = {
        name: (
            Column(f"Δ{name}", "estimate", "error", tex, signed=True, marks=FEW_MARK),
            Column(
                f"Δ{name}, %",
                "percent",
                "interval",
                rf"{tex}, \%",
                signed=True,
                digits=1,
                marks=FEW_MARK,
            ),
            Column(f"p ({name})", "p_adjusted", "p", f"$p_{{{name}}}$"),
        )
        for name, tex in (("S", r"$\Delta S$"), ("R", r"$\Delta R$"))
    }
    overall = frame.filter(domain=OVERALL)
    layout = side_by_side(overall, look, heads, "metric", groups)
    note = (
        "Difference ± SE, percent change [95 % interval] with its p adjusted (Holm) over models, "
        "targets, S and R; the same personas drawn for both variants."
    )
    if MEAN in frame["model"]:
        note += (
            " The mean of models describes these models alone; the table of a population of such "
            "models has its interval for others."
        )
    title = "Paired contrasts of S and R"
    tables = [PrintedTable("contrasts", title, note, "verdict", *layout)]
    shifts = {
        group: [Column(group, "percent", "interval", signed=True, digits=1)]
        for group in _domains(frame)
    }
    for name, section in (("S", "susceptibility"), ("R", "robustness")) if shifts else ():
        rows = frame.filter(metric=name)
        layout = side_by_side(rows, look, heads, "domain", shifts)
        title, note = f"Percent change of {name} per domain", "Percent [95 % interval]."
        key = f"contrasts-{name}-domains"
        tables.append(PrintedTable(key, title, note, section, *layout))
    return tables


def _verdict(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    frame = frame.with_columns(
        few_target=pl.col("effective_personas_target") < FEW,
        few_control=pl.col("effective_personas_control") < FEW,
        incoherent_target=pl.col("coherence_target") < INCOHERENT,
        incoherent_control=pl.col("coherence_control") < INCOHERENT,
    )
    changes = {
        "target": "{}, target",
        "direct": "{}, target over control",
        "control": "{}, control",
    }
    columns = (
        MODEL,
        Column("Target", "target", "name"),
        Column("Control", "control", "name"),
        Column("Verdict", "label", "name"),
        *(
            Column(
                heading.format(f"Δ{metric}") + ", %",
                f"{metric}_{name}",
                "interval",
                signed=True,
                digits=1,
                decimals=0,
                marks={f"few_{metric}_{name}": FEW_SIGN},
            )
            for name, heading in changes.items()
            for metric in ("S", "R")
        ),
        *(
            column
            for role in ("target", "control")
            for column in (
                Column(
                    f"Effective personas, {role}",
                    f"effective_personas_{role}",
                    decimals=1,
                    marks={f"few_{role}": FEW_SIGN},
                ),
                Column(f"Recognised, {role}, %", f"recognised_{role}", percent=True, decimals=0),
                Column(
                    f"Coherence, {role}",
                    f"coherence_{role}",
                    decimals=0,
                    marks={f"incoherent_{role}": INCOHERENT_SIGN},
                ),
            )
        ),
    )
    return [_single(table, row_by_row(frame, look, columns))]


def _influence(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    frame = frame.with_columns(few=pl.col("effective_personas") < FEW)
    columns = (
        MODEL,
        VARIANT,
        *([Column("Probe", "probe", "name")] if frame["probe"].n_unique() > 1 else []),
        Column("Quantity", "quantity", "name"),
        Column("Value", "value", "own"),
        Column("Effective personas", "effective_personas", decimals=1, marks=FEW_MARK),
        Column("Share of the five, %", "top_share", percent=True, decimals=0),
        Column("Value without them", "value_without", "own"),
        Column("The five", "personas", "name"),
        Column("Personas", "n_personas", decimals=0),
    )
    return [_single(table, row_by_row(frame, look, columns))]


def _profiles(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    within, across = ("within an item", "sd_within"), ("across personas", "sd_across_personas")
    words = {
        look.unconditioned: ("Unconditioned profiles", *within, "saturation"),
        look.toxic: ("Profiles under toxic personas", *across, "saturation"),
        look.roleplay: ("Mean profiles under role-play", *across, "meaning"),
    }
    tables = []
    for probe in frame["probe"].unique(maintain_order=True):
        default = (f"Profiles of the probe “{probe}”", *within, "meaning")
        title, where, spread, section = words.get(probe, default)
        layout = _by_domain(frame.filter(probe=probe), look, "mean", spread, 2)
        note = f"Mean rating per domain ± SD {where}."
        tables.append(PrintedTable(f"profiles-{probe}", title, note, section, *layout))
    return tables


def _quality(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    counts = ("expected", "answered", "missing", "unparseable", "refused", "filtered", "error")
    columns = (
        MODEL,
        VARIANT,
        Column("Probe", "probe", "name"),
        *(Column(name.capitalize(), name, decimals=0) for name in counts),
        Column("Retried, %", "retried_share", percent=True, decimals=2),
        Column("Personas kept", "personas_retained", decimals=0),
        Column("Personas dropped", "personas_dropped", decimals=0),
        Column("Extra repetitions", "extra_repetitions", decimals=0),
    )
    return [_single(table, row_by_row(frame, look, columns))]


def _band(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    frame = frame.filter(probe=look.roleplay)
    groups = {
        name: (
            Column(name, "value", "error", f"${name}$", marks=FEW_MARK),
            Column(f"Range of {name}", "band", "range", decimals=2),
            Column(f"{name} lies", "position", "name"),
            Column(f"Beyond, % ({name})", "beyond_percent", "interval", digits=1, decimals=0),
        )
        for name in ("S", "R")
        if name in frame["metric"]
    }
    layout = side_by_side(frame, look, (MODEL, VARIANT), "metric", groups)
    labels = {model.key: model.label for model in look.models}
    with_all = ""
    if frame["position_all"].len() > frame["position_all"].null_count():
        moved = [
            f"{row['metric']} of {labels[row['model']]} {row['variant']} is {row['position_all']}, "
            f"not {row['position']}"
            for row in frame.filter(pl.col("position") != pl.col("position_all")).to_dicts()
        ]
        text = "; ".join(moved) or "no variant changes its place"
        with_all = f" With the earlier models that the band leaves out: {text}."
    return [_single(table, layout, f"{table.note}{with_all}")]


def _band_values(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    columns = (
        Column("Metric", "metric", "name"),
        Column("Models", "n_models", decimals=0),
        Column("Lowest", "lo", decimals=2),
        Column("95 % interval of lowest", "lo", "range", r"95\,\% interval", decimals=2),
        Column("Highest", "hi", decimals=2),
        Column("95 % interval of highest", "hi", "range", r"95\,\% interval", decimals=2),
        Column("Centre", "centre", decimals=2),
        Column("95 % of new base models", "prediction", "range", decimals=2),
        Column("SD over models", "tau", decimals=2),
        Column("Models with those left out", "n_all", decimals=0),
        Column("Range with them", "all", "range", decimals=2),
    )
    return [_single(table, row_by_row(frame, look, columns), f"{table.note}{_left_out(frame)}")]


def _left_out(frame: pl.DataFrame) -> str:
    """Return which models the band leaves out, and what its ranges are with them."""
    rows = frame.to_dicts()
    if rows[0]["left_out"] is None:
        return ""
    ranges = [
        f"that of {row['metric']} would be {row['all_lo']:.2f} to {row['all_hi']:.2f} instead of "
        f"{row['lo']:.2f} to {row['hi']:.2f}"
        if (row["lo"], row["hi"]) != (row["all_lo"], row["all_hi"])
        else f"that of {row['metric']} stays"
        for row in rows
    ]
    names = " and ".join(rows[0]["left_out"].rsplit("; ", 1)).replace("; ", ", ")
    return (
        f" The range leaves out {names}, which were asked the same at the same temperature; with "
        f"them {', '.join(ranges)}."
    )


def _band_models(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    columns = (
        Column("Model", "model", "name"),
        Column("Family", "family", "name"),
        Column("In band", "in_band", "name"),
        Column("Source", "source", "name"),
        Column("S", "S", "error", "$S$", decimals=2),
        Column("R", "R", "error", "$R$", decimals=2),
    )
    return [_single(table, row_by_row(frame, look, columns))]


def _misalignment(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return scores, shares and counts of replies per variant, or per variant and question."""
    shares = {
        "Misaligned, %": ("misaligned", "interval"),
        "Of coherent, %": ("misaligned_coherent", "interval"),
        "CODE, %": ("code", "number"),
        "REFUSAL, %": ("refusal", "number"),
    }
    columns = (
        MODEL,
        VARIANT,
        *([Column("Question", "question_id", "name")] if "question_id" in frame.columns else []),
        Column("Alignment", "alignment", "error", decimals=1),
        Column("Coherence", "coherence", "error", decimals=1),
        *(
            Column(heading, csv, kind, heading.replace("%", r"\%"), percent=True, decimals=0)
            for heading, (csv, kind) in shares.items()
        ),
        Column("Replies", "n", decimals=0),
        Column("Judged", "n_judged", decimals=0),
        Column("Not judged", "n_unjudged", decimals=0),
        Column("Cut off", "n_cut", decimals=0),
    )
    note = None
    if "source" in frame.columns and "printed" in frame["source"]:
        note = "Printed numbers (arXiv 2605.12850), mean ± SE; single replies are not available."
    layout = row_by_row(frame, look, columns)
    return [_single(table, layout, note)]


def _coherence_loss(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    columns = [MODEL, *([Column("Target", "target", "name")] if len(look.targets) > 1 else [])]
    for word, csv in (("R", "robustness"), ("coherence", "coherence")):
        columns += [
            Column(f"Δ{word} {_one(look.targets, 'target')}, %", f"{csv}_target", signed=True,
                   decimals=1),
            Column(f"Δ{word} {_one(look.controls, 'control')}, %", f"{csv}_control", signed=True,
                   decimals=1),
            Column(f"Excess of {word}", f"{csv}_excess", "interval", signed=True, decimals=1),
        ]  # fmt: skip
    excess = f"{_one(look.targets, 'target')} less {_one(look.controls, 'control')}"
    note = f"Percent changes against {look.baseline}; excess: {excess}, in points"
    for place, mean in enumerate(frame.filter(model=MEAN).iter_rows(named=True)):
        named = f"{mean['target']}: " if len(look.targets) > 1 else ""
        note += (
            f". {named}{_correlation(mean)}"
            if place
            else (f", with its 95 % interval. {named}{_correlation(mean)}")
        )
    return [_single(table, row_by_row(frame, look, columns), f"{note}.")]


def _one(names: Collection[str], role: str) -> str:
    """Return the only name, or the role that several share."""
    return next(iter(names)) if len(names) == 1 else role


def _correlation(mean: Row) -> str:
    """Return a sentence on the correlation of the two excesses, or on why there is none."""
    if mean["r"] is None:
        return f"{mean['note'][:1].upper()}{mean['note'][1:]}"
    return (
        f"Pearson r of the excesses: {write(mean['r'], 2)} over {mean['n_models']} models, 95 % "
        f"interval {write_interval(mean['r_lo'], mean['r_hi'], 2)} by Fisher's z"
    )


def _moderation(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return the slopes, or where the study has too few models one sentence per target."""
    target = Column("Target", "target", "name")
    if frame["slope"].null_count() == frame.height:
        words = (target, Column("Result", "note", "name"))
        few = frame.unique("target", keep="first", maintain_order=True)
        return [_single(table, row_by_row(few, look, words), "")]
    columns = (
        target,
        Column("Baseline", "baseline_metric", "name"),
        Column("Change of", "change_metric", "name"),
        Column("Models", "n_models", decimals=0),
        Column("Slope", "slope", "interval", decimals=2),
        Column("Slope of the estimates", "slope_observed", decimals=2),
        Column("Reliability of baselines", "reliability", decimals=2),
    )
    return [_single(table, row_by_row(frame, look, columns))]


def _claims(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return the claims with their decisions, and the numbers that decide them."""
    claims = frame.unique("claim", keep="first", maintain_order=True)
    first = (
        Column("Claim", "text", "name"),
        Column("Decision", "decision", "name"),
        Column("Why", "reason", "name"),
        Column("Section", "section", "name"),
    )
    numbers = (
        Column("Claim", "text", "name"),
        Column("Model", "model", "name"),
        Column("Unit", "unit", "name"),
        Column("Has to lie", "limit", "name"),
        Column("Is", "shown", "name"),
        Column("Printed", "printed", decimals=2),
        Column("Recomputed", "recomputed", "interval", decimals=2),
    )
    note = "The number of each model that decides a claim, with its 95 % interval."
    title = "Numbers that decide the claims"
    return [
        _single(table, row_by_row(claims, look, first)),
        PrintedTable(
            "claims-numbers", title, note, table.section, *row_by_row(frame, look, numbers)
        ),
    ]  # fmt: skip


def _printed_numbers(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return the printed numbers that differ; the note counts those that are equal."""
    differ = frame.filter(~pl.col("equal"))
    near = frame.filter(pl.col("last_digits").abs() <= 1).height
    counts = (
        f"{frame.filter('equal').height} of {frame.height} printed numbers are equal to the last "
        f"digit, {near} differ by at most one in it"
    )
    columns = (
        Column("Model", "model", "name"),
        Column("Variant", "variant", "name"),
        Column(look.worded("Domain"), "domain", "name"),
        Column("Measure", "measure", "name"),
        Column("Number", "number", "name"),
        Column("Printed", "printed", decimals=2),
        Column("Recomputed", "recomputed", decimals=3),
        Column("Units of the last digit", "last_digits", decimals=0, signed=True),
    )
    shown = frame if differ.is_empty() else differ
    note = f"{counts}. " + ("" if differ.is_empty() else "These are not equal.")
    return [_single(table, row_by_row(shown, look, columns), note.strip())]


FORMS: dict[str, Callable[[Table, pl.DataFrame, Look], list[PrintedTable]]] = {
    "verdict": _verdict,
    "metrics": _metrics,
    "contrasts": _contrasts,
    "influence": _influence,
    "profiles": _profiles,
    "quality": _quality,
    "diagnostics": diagnostics_form,
    "moderation": _moderation,
    "claims": _claims,
    "printed_numbers": _printed_numbers,
    "band": _band,
    "band_values": _band_values,
    "band_models": _band_models,
    "misalignment": _misalignment,
    "misalignment_questions": _misalignment,
    "coherence_loss": _coherence_loss,
}
