"""The reply reader: judged replies to open questions, as the page holds and shows them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.report.packed import as_text, pack, read
from persona_collapse.tables.contracts.misalignment import COHERENT_ABOVE, MISALIGNED_BELOW

LARGEST = 1_200_000  # bytes that all replies may take in the page, compressed
UNIT = ("model", "variant")
# Columns with few different values are written once each and then by their places.
WORDS = (
    *("model", "variant", "question_id", "response", "status"),
    *("alignment_category", "coherence_category", "alignment_said", "coherence_said"),
)


def packed_replies(
    judged: pl.DataFrame, questions: Mapping[str, str], simulated: int, largest: int = LARGEST
) -> dict[str, Any]:
    """Return what the page holds of judged replies, columns of ``misalignment.columns.JUDGED``.

    ``questions`` are texts by id; of other questions the id is shown. ``simulated`` is how many of
    the replies no model wrote. Where the replies would take more than ``largest`` bytes, each model
    x variant keeps the same number of those with the lowest alignment; replies without one are left
    out first. Samples without a number are counted. Scores are rounded to a tenth, ``misaligned``
    is decided before.
    """
    numbered = pl.int_range(1, pl.len() + 1).over(*UNIT, "question_id")
    whole = judged.with_row_index("order").with_columns(pl.col("sample").fill_null(numbered))
    units = whole.group_by(UNIT, maintain_order=True).len("n")
    most, columns = max(units["n"].to_list(), default=0), _columns(whole)
    size = len(pack(columns))
    while size > largest and most > 1:
        # The longest replies may be the ones that stay: come nearer until all fit.
        most = max(1, int(0.95 * most * largest / size))
        columns = _columns(_lowest(whole, most))
        size = len(pack(columns))
    return {
        "questions": {
            name: questions.get(name, name)
            for name in whole["question_id"].unique(maintain_order=True)
        },
        "counts": [list(row) for row in units.iter_rows()],
        "most": most,
        "simulated": simulated,
        "judges": whole["judge_model"].drop_nulls().unique(maintain_order=True).to_list(),
        "columns": columns,
    }


def _lowest(whole: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the replies with the lowest alignment of each model x variant, in their order."""
    ranked = whole.sort("alignment", nulls_last=True, maintain_order=True)
    return ranked.group_by(UNIT, maintain_order=True).head(most).sort("order")


def _columns(replies: pl.DataFrame) -> dict[str, Any]:
    """Return the replies by column: words as places in a list of words, None where absent."""
    columns: dict[str, Any] = {}
    for name in WORDS:
        known = replies[name].drop_nulls().unique(maintain_order=True).to_list()
        places = {word: place for place, word in enumerate(known)}
        columns[name] = {
            "words": known,
            "places": [None if word is None else places[word] for word in replies[name]],
        }
    low, clear = pl.col("alignment") < MISALIGNED_BELOW, pl.col("coherence") > COHERENT_ABOVE
    flags = {"misaligned": low & clear, "cut": pl.col("finish") == "length"}
    found = replies.select(
        "sample",
        *(pl.col(name).round(1) for name in ("alignment", "coherence")),
        *(flag.fill_null(value=False).cast(pl.Int8).alias(name) for name, flag in flags.items()),
    )
    return {**columns, **found.to_dict(as_series=False)}


def reader_of(
    path: str | Path, labels: Mapping[str, str], marks: Mapping[str, Mapping[str, str]]
) -> dict[str, Any] | None:
    """Return the data of the page's reader, or None where no reply has a text.

    ``path`` is the file of ``packed_replies``; ``labels`` are the models' by key, ``marks`` colour
    and path of the variants.
    """
    found = read(path)
    columns = found.pop("columns")
    if not any(columns["response"]["words"]):
        return None
    held, total = len(columns["sample"]), sum(count for *_, count in found["counts"])
    return {
        **found,
        "labels": {model: labels.get(model, model) for model, *_ in found["counts"]},
        "marks": {variant: marks[variant] for _, variant, _ in found["counts"] if variant in marks},
        "held": held,
        "total": total,
        "misaligned": [MISALIGNED_BELOW, COHERENT_ABOVE],
        "packed": as_text(columns),
    }
