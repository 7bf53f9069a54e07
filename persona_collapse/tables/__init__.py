"""Contracts of the CSV tables: declare a table's columns once, read and write it by them.

``persona_collapse/tables/contracts/<table>.py`` declares one table as the constant ``TABLE``. A
job depends on the contracts that its script imports, so measures of single units import none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.errors import UserError

# Sections of the report page.
SECTIONS = (
    *("verdict", "claims", "susceptibility", "robustness", "saturation"),
    *("misalignment", "meaning", "scale", "quality"),
)
# What a function of ``measures/`` can take of a unit (model x variant x probe), see ``Table``.
READS = {
    "moments": "the unit's moments, columns of `measures.moments.SCHEMA`",
    "instrument": "the unit's instrument, a `materials.instruments.Instrument`",
    "personas": "the descriptions of its personas in order, None where it is unconditioned",
    "baseline": "the baseline's moments, None for the baseline itself and where it was not asked",
    "reference": "the baseline's moments, its own for the baseline; None where it was not asked",
    "answers": "the unit's answers, columns of `answers.SCHEMA`",
    "control": "a target's control's moments, None for other variants and where it was not asked",
    "seed": "the study's seed",
    "draws": "how often the personas are drawn, `analysis.bootstrap_diagnostics`",
}
# What a study needs for a table or figure to exist.
CONDITIONS = {
    "unconditioned": "an unconditioned probe, with a baseline to compare with",
    "toxic": "toxic personas played by the baseline, beside an unconditioned probe",
    "logprobs": "answers by log-probabilities",
    "steps": "checkpoints: variants with a training step",
    "replicates": "a variant that is fine-tuned more than once",
    "misalignment": "the emergent-misalignment check",
    "coherence_loss": "the misalignment check of baseline, a target and its control",
    "coherence_models": "this check in six models or more",
    "made": "variants that the study fine-tunes itself",
    "models": "more than one model",
    "targets": "a target, which is compared with the baseline",
    "moderation": "targets in five or more models",
    "claims": "claims of a paper whose answers it analyses again",
    "band": "a band: earlier models that were asked the same items as the same personas",
}
_TYPES = {pl.String: "string", pl.Boolean: "boolean", pl.Int64: "integer", pl.Float64: "number"}


@dataclass(frozen=True)
class Column:
    """One column: its Polars type, and its meaning in one line with the unit."""

    dtype: pl.DataType
    meaning: str

    @property
    def type(self) -> str:
        """The column's type in Table Schema: string, boolean, integer or number."""
        return _TYPES[type(self.dtype)]


Named = tuple[str, Column]


def text(name: str, meaning: str) -> Named:
    """Declare a column of names or text."""
    return name, Column(pl.String(), meaning)


def flag(name: str, meaning: str) -> Named:
    """Declare a column of true and false."""
    return name, Column(pl.Boolean(), meaning)


def integer(name: str, meaning: str) -> Named:
    """Declare a column of counts or ids."""
    return name, Column(pl.Int64(), meaning)


def number(name: str, meaning: str) -> Named:
    """Declare a column of floating-point values; infinite ones are written ``inf``."""
    return name, Column(pl.Float64(), meaning)


def ends(name: str, interval: str, kind: str = "") -> list[Named]:
    """Declare both ends of an interval: ``<name>_lo<kind>`` and ``<name>_hi<kind>``."""
    lo, hi = (f"{name}_{end}{kind}".removeprefix("_") for end in ("lo", "hi"))
    return [number(lo, f"Lower end of {interval}"), number(hi, f"Upper end of {interval}")]


def changes(interval: str) -> list[Named]:
    """Declare the percent changes of S and R by each comparison, with their intervals."""
    compared = {
        "target": "target against baseline",
        "direct": "target against control",
        "control": "control against baseline",
    }
    return [
        column
        for name, words in compared.items()
        for metric in "SR"
        for column in (
            number(f"{metric}_{name}", f"Percent change of {metric}, {words}."),
            *ends(f"{metric}_{name}", interval),
        )
    ]


MODEL = text("model", "Model, by its key in the study.")
MODEL_OR_MEAN = text("model", "Model, by its key in the study; `mean` is the average over models.")
VARIANT = text("variant", "Variant of the model, for example `base`.")
PROBE = text("probe", "Probe that was asked, for example `roleplay`.")
DOMAIN = text("domain", "Group of items: one of the instrument's, or `overall`.")
UNIT = [MODEL, VARIANT, PROBE]
METRIC = text("metric", "S, R or sigma_bar.")
COMPARISON = [
    *(PROBE, DOMAIN, METRIC),
    text("contrast", "The two variants compared, `first-second`."),
]
MEASURE = [
    DOMAIN,
    text("measure", "Name of the measure, one of those of docs/measures.md."),
    number("value", "Value of the measure."),
    *ends("", "its 95 % interval, where there is one."),
]
SIMULATED = flag("simulated", "Whether any answer behind the row comes from simulated respondents.")
MIXED = flag(
    "mixed_backends", "Whether variants of a model in the row were served by unlike servers."
)


class Table:
    """The contract of one CSV file.

    ``columns`` maps every column of the file to its ``Column``, in order; ``schema`` are the types
    that a measure gives, without ``mixed_backends``, which ``write`` adds unless ``marked`` is
    False. ``keys`` identify a row, ``section`` is the page's, ``condition`` one of ``CONDITIONS``
    or None for a table of every study, ``note`` a sentence or two printed under the title.

    ``function``, ``<module>.<name>`` in ``measures/``, returns the rows of one unit; it is called
    for every unit with what ``reads`` lists, keys of ``READS``, in that order. One shared rule
    makes these tables. A table without a function has a rule of its own.

    Raises:
        ValueError: a column is declared twice or has no meaning, a key is no column, or the
            section, the condition or what the function reads is unknown. The message names the
            table and the rule.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str,
        section: str,
        keys: Sequence[str],
        columns: Sequence[Named],
        condition: str | None = None,
        note: str = "",
        marked: bool = True,
        function: str = "",
        reads: Sequence[str] = ("moments", "instrument"),
    ) -> None:
        self.name, self.title, self.note = name, title, note
        self.section, self.condition = section, condition
        self.keys, self.marked = tuple(keys), marked
        self.function, self.reads = function, tuple(reads)
        declared = [*columns, MIXED] if marked else list(columns)
        self.columns = dict(declared)
        self.schema = {key: column.dtype for key, column in columns}
        names = [key for key, _ in declared]
        faults = [
            *(f"column {key!r} is declared twice" for key in names if names.count(key) > 1),
            *(f"column {key!r} has no meaning" for key, c in declared if not c.meaning.strip()),
            *(f"key {key!r} is not a column" for key in keys if key not in names),
        ]
        if not self.keys:
            faults.append("it has no key")
        if not title.strip():
            faults.append("it has no title")
        if section not in SECTIONS:
            faults.append(f"section {section!r} is not one of {', '.join(SECTIONS)}")
        if condition is not None and condition not in CONDITIONS:
            faults.append(f"condition {condition!r} is not one of {', '.join(CONDITIONS)}")
        faults += [
            f"{r!r} in reads is not one of {', '.join(READS)}" for r in reads if r not in READS
        ]
        if faults:
            raise ValueError(f"contract of table {name!r}: {faults[0]}")

    def frame(self, rows: Sequence[Mapping[str, Any]] = ()) -> pl.DataFrame:
        """Return rows with the columns of ``schema``; absent values and NaN become null."""
        frame = pl.DataFrame(rows, schema=self.schema)
        return frame.with_columns(pl.selectors.float().fill_nan(None))


def contract(name: str) -> Table:
    """Return a table's contract by name, for scripts that serve many tables."""
    table: Table = import_module(f"{__name__}.contracts.{name}").TABLE
    return table


def read(table: Table, path: Path) -> pl.DataFrame:
    """Read a table with the declared columns and types; empty fields are null.

    Raises:
        UserError: the file is absent or no CSV, lacks a declared column, or holds a value that is
            not of its column's type.
    """
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; make it with: snakemake all_tables") from None
    except pl.exceptions.PolarsError as fault:
        raise UserError(f"{path}: not a readable table ({fault}); make it again") from None
    for name, column in table.columns.items():
        if name not in frame.columns:
            raise UserError(
                f"{path}: column {name!r} is missing; make the table again with this version"
            )
        values = frame[name]
        typed = (
            values.replace_strict({"true": True, "false": False}, default=None)
            if isinstance(column.dtype, pl.Boolean)
            else values.cast(column.dtype, strict=False)
        )
        wrong = values.filter(typed.is_null() & values.is_not_null())
        if wrong.len():
            raise UserError(
                f"{path}: column {name!r} holds {wrong[0]!r}, which is no {column.type}; "
                "make the table again with this version"
            )
        frame = frame.with_columns(typed.cast(column.dtype))
    return frame.select(list(table.columns))


def read_all(paths: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Read tables by the contracts that their files are named after; see ``read``."""
    return {Path(path).stem: read(contract(Path(path).stem), Path(path)) for path in paths}


def write(table: Table, frame: pl.DataFrame, path: Path, mixed: Collection[str] = ()) -> None:
    """Write a table as CSV, in the declared order, and mark rows of mixed servers.

    ``frame`` has the columns of ``table.schema``; one that holds nulls alone may lack a type.
    ``mixed`` names the models whose variants different servers answered. A row about several models
    is marked when one of them is: those of ``mean``, those of a table without ``model``, and in one
    with ``left_out`` every model but that.

    Raises:
        ValueError: a column is missing, not declared, or of another type.
    """
    faults = [
        *(f"column {name!r} is not declared" for name in frame.columns if name not in table.schema),
        *(f"column {name!r} is missing" for name in table.schema if name not in frame.columns),
    ]
    faults += [
        f"column {name!r} is {frame.schema[name]}, declared as {dtype}"
        for name, dtype in table.schema.items()
        if not faults and frame.schema[name] not in (dtype, pl.Null())
    ]
    if faults:
        raise ValueError(f"table {table.name!r} ({path}): {faults[0]}")
    frame = frame.select(list(table.schema))
    if table.marked:
        mark = pl.lit(bool(mixed))
        if "model" in frame.columns:
            mark = pl.col("model").is_in(list(mixed)) | ((pl.col("model") == "mean") & mark)
        elif "left_out" in frame.columns and mixed:
            mark = pl.any_horizontal(pl.col("left_out") != model for model in mixed)
        frame = frame.with_columns(mixed_backends=mark)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path)
