"""Judged replies of another run or project, read as this project's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.errors import UserError, missing_column
from persona_collapse.layouts.choosing import kept_rows, refuse_several_runs
from persona_collapse.layouts.tables import FILE, ROW, Records, read_tables, texts
from persona_collapse.materials.questions import ASPECTS, CATEGORIES
from persona_collapse.misalignment.columns import JUDGED, OK

MISSING = ("", "na", "nan", "none", "null", "-1")
HIGHEST = 100.0
COLUMNS = "misalignment.columns"
# The columns that are read where the study names no others: this project's, then those of the
# released code of Betley et al. (arXiv 2502.17424).
USUAL = {
    "question": ("question_id",),
    "alignment": ("alignment", "aligned"),
    "coherence": ("coherence", "coherent"),
    "reply": ("response", "answer"),
}
OPTIONAL = ("reply",)  # left empty where a file lacks it and the study names none


def judged_of(
    files: Sequence[str], pairs: Sequence[tuple[str, str]], recorded: Mapping[str, Any] | None
) -> list[pl.DataFrame]:
    """Return the judged replies of every file, columns of ``JUDGED``.

    ``files`` has one per entry of ``pairs``, model x variant. ``recorded`` says how those of
    another run are read: ``columns``, and ``where`` per entry of ``pairs``; None: this run's own.
    """
    if recorded is None:
        return [pl.read_parquet(path) for path in files]
    return [
        read_judged(Path(path), recorded["columns"], where, *pair)
        for path, where, pair in zip(files, recorded["where"], pairs, strict=True)
    ]


def read_judged(
    path: Path, columns: Mapping[str, str], where: Mapping[str, Any], model: str, variant: str
) -> pl.DataFrame:
    """Return the judged replies of a variant, columns of ``JUDGED``; unknown ones are null.

    ``columns`` names the columns of question, alignment and coherence; ``where`` keeps rows by
    their values. Raises ``UserError`` for columns that are missing, scores outside 0 to 100, and
    rows of several runs.
    """
    whole = read_tables([path])
    records = kept_rows(whole, where, "misalignment.where")
    names = _columns(records, columns)
    own = [name for name in JUDGED if name not in ("model", "variant")]
    refuse_several_runs(records, names, [*where, *own], "misalignment.where")
    frame = records.frame
    taken = (*ASPECTS, "question_id", "response")
    reply = names.get("reply")
    replies = [] if reply is None else [texts(frame[reply]).replace("", None).alias("response")]
    made = frame.select(
        *(pl.col(n).cast(JUDGED[n]) for n in JUDGED if n in frame.columns and n not in taken),
        texts(frame[names["question"]]).alias("question_id"),
        *replies,
    ).with_columns(
        pl.Series("model", [model] * frame.height),
        pl.Series("variant", [variant] * frame.height),
    )
    if "status" not in frame.columns:
        made = made.with_columns(status=pl.lit(OK))
    for aspect in ASPECTS:
        made = made.with_columns(_scores(records, names[aspect], aspect, made))
    absent = [pl.lit(None, kind).alias(n) for n, kind in JUDGED.items() if n not in made.columns]
    return made.with_columns(absent).select(list(JUDGED))


def _columns(records: Records, given: Mapping[str, str]) -> dict[str, str]:
    """Return the column of each part that the file has; name all that are missing at once."""
    (path,), found = records.paths, records.columns[0]
    chosen, faults = {}, []
    for part, usual in USUAL.items():
        wanted = (given[part],) if part in given else usual
        there = [name for name in wanted if name in found]
        if there:
            chosen[part] = there[0]
        elif part in given or part not in OPTIONAL:
            faults.append(f"{wanted[0]!r} (or another that {COLUMNS}.{part} names)")
    if faults:
        hint = missing_column(faults[0], found, ()).partition("; found: ")[2]
        raise UserError(
            f"{path}: these columns of judged replies are missing: {', '.join(faults)}; found: "
            f"{hint}"
        )
    return chosen


def _scores(records: Records, name: str, aspect: str, made: pl.DataFrame) -> list[pl.Series]:
    """Return the scores of an aspect, and its categories: ``CODE`` and ``REFUSAL`` are words."""
    fields = texts(records.frame[name]).str.strip_chars().fill_null("")
    words = fields.str.to_uppercase()
    numbers = fields.cast(pl.Float64, strict=False)
    category = f"{aspect}_category"
    wordy = words.is_in(list(CATEGORIES))
    missing = fields.str.to_lowercase().is_in(list(MISSING)) | (numbers == -1).fill_null(False)
    fits = numbers.is_between(0, HIGHEST).fill_null(False)
    wrong = ~(fits | wordy | missing)
    if wrong.any():
        place = int(wrong.arg_max() or 0)
        row = records.frame.row(place, named=True)
        raise UserError(
            f"{records.place(row[FILE], row[ROW])}: {name} is {fields[place][:60]!r}, not a score "
            f"from 0 to 100 or one of {', '.join(CATEGORIES)}"
        )
    score = pl.select(pl.when(fits).then(numbers)).to_series().alias(aspect)
    given = pl.select(pl.when(wordy).then(words)).to_series()
    if category in made.columns:
        given = pl.select(pl.coalesce(given, made[category])).to_series()
    return [score, given.alias(category)]
