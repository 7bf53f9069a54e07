"""Choose the columns and rows of recorded files; never take several runs for one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from persona_collapse.common.errors import UserError, missing_column, nearest
from persona_collapse.layouts.tables import Records, texts

# The columns that are read where a layout names no others: those of the published CSV, then those
# of this project's own answers.
USUAL: dict[str, tuple[str, ...]] = {
    "persona": ("persona_id",),
    "item": ("question_id", "item_id"),
    "repetition": ("run_index", "repetition"),
    "rating": ("rating",),
    "response": ("response",),
    "failures": ("failures", "parse_failures"),
    "collected_at": ("collected_at", "created_at"),
}
USUAL_NAMES = frozenset(name for names in USUAL.values() for name in names)
# Last words of names of columns that tell runs apart: several values are several variants.
RUNS = {
    *("model", "models", "llm", "variant", "variants", "checkpoint", "adapter", "probe"),
    *("condition", "conditions", "temperature", "temp", "language", "lang", "locale"),
    *("engine", "deployment", "treatment", "experiment", "finetune", "finetuned", "finetuning"),
}
QUALIFIERS = {
    *("name", "id", "key", "slug", "label", "code", "version", "type", "value", "index", "path"),
    *("step", "tag", "family", "size", "revision"),
}
SERVED = ("served_model", "system_fingerprint")  # may change within a variant
SHOWN = 5


def columns_of(given: Mapping[str, str | None], records: Records) -> dict[str, str]:
    """Return the column of each part of an answer; parts without a column are left out.

    ``given`` are the study's ``layout.columns``. Raises ``UserError`` for a column that a file does
    not have, and where two usual columns could be meant.
    """
    chosen: dict[str, str] = {}
    for part, usual in USUAL.items():
        if part in given:
            name = given[part]
            if name is not None:
                need(name, records, f"layout.columns.{part}")
                chosen[part] = name
            continue
        there = [name for name in usual if name in records.frame.columns]
        if len(there) > 1:
            raise UserError(
                f"{records.paths[0]}: has the columns {there[0]!r} and {there[1]!r}; say which one "
                f"is meant with layout.columns.{part}"
            )
        if there:
            need(there[0], records, f"layout.columns.{part}")
            chosen[part] = there[0]
    return chosen


def need(name: str, records: Records, key: str) -> None:
    """Refuse a column that a file does not have."""
    for path, columns in zip(records.paths, records.columns, strict=True):
        if name not in columns:
            raise lacking(str(path), name, columns, key)


def lacking(path: str, name: str, columns: Sequence[str], key: str) -> UserError:
    """Return the fault of a file that lacks a column, with the key that names another."""
    known = USUAL_NAMES if name in USUAL_NAMES else ()
    return UserError(f"{path}: {missing_column(name, columns, known)}; {key} names the column")


def kept_rows(records: Records, where: Mapping[str, Any], key: str = "layout.where") -> Records:
    """Return the records whose columns have the wanted values; refuse to keep none."""
    mask = pl.repeat(True, records.frame.height, eager=True)
    for name, wanted in where.items():
        need(name, records, f"{key}.{name}")
        column = same_text(texts(records.frame[name]).str.strip_chars()).fill_null("")
        values = [as_text(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
        hits = [_equal(column, value) for value in values]
        for value, hit in zip(values, hits, strict=True):
            if not hit.any():
                raise _nothing(records, name, value, column, key)
        mask &= pl.select(pl.any_horizontal(hits)).to_series()
    if not mask.any():
        both = ", ".join(f"{name}: {value}" for name, value in where.items())
        raise UserError(f"{records.paths[0]}: no row has all of {{{both}}}; correct {key}")
    kept = records.frame.filter(mask)
    return Records(kept, records.paths, records.columns, records.decimal_comma)


def _equal(column: pl.Series, value: str) -> pl.Series:
    """Return which texts are a value; numbers are compared as such: 0.10 is 0.1."""
    same = column == value
    try:
        number = float(value)
    except ValueError:
        return same
    return same | (column.cast(pl.Float64, strict=False) == number).fill_null(False)


def same_text(column: pl.Series) -> pl.Series:
    """Return texts with whole numbers written in one way: 3.0 is 3, True is true."""
    lower = column.str.to_lowercase()
    return (
        pl.select(
            pl.when(lower.is_in(["true", "false"]))
            .then(lower)
            .otherwise(column.str.replace(r"^(-?\d+)\.0+$", "$1"))
        )
        .to_series()
        .alias(column.name)
    )


def as_text(value: Any) -> str:
    """Return a value of a study file as ``same_text`` writes it; nothing is an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _nothing(records: Records, name: str, value: str, column: pl.Series, key: str) -> UserError:
    known = [v for v in column.unique(maintain_order=True).to_list() if v]
    shown = ", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
    return UserError(
        f"{records.paths[0]}: no row has {name}: {value}{nearest(value, known)}; the column "
        f"has: {shown}; correct {key}.{name}"
    )


def refuse_several_runs(
    records: Records, used: Mapping[str, str], named: Sequence[str], key: str = "layout.where"
) -> None:
    """Refuse rows of several models, variants, conditions, temperatures or languages.

    ``used`` are columns with a meaning, ``named`` those that ``where`` names.
    """
    for name in records.frame.columns:
        if name in used.values() or name in named or name in SERVED or not _tells_runs(name):
            continue
        values = same_text(texts(records.frame[name]).str.strip_chars())
        found = [v for v in values.drop_nulls().unique(maintain_order=True).to_list() if v]
        if len(found) > 1:
            shown = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
            raise UserError(
                f"{records.paths[0]}: the column {name!r} has several values ({shown}), which "
                f"would be taken for one variant; say which with {key}: {{{name}: {found[0]}}}, "
                "or list all that belong together"
            )


def _tells_runs(name: str) -> bool:
    """Return whether a column's name ends in a word for runs: ``model_id``, not ``model_reply``."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    while len(words) > 1 and words[-1] in QUALIFIERS:
        words.pop()
    return words != [] and words[-1] in RUNS
