"""Columns of the check's Parquet files, one row per reply: the reply, and the judge's verdict."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

OK, REFUSED, FILTERED, EMPTY, ERROR = "ok", "refused", "filtered", "empty", "error"

REPLIES: dict[str, pl.DataType] = {
    "model": pl.String(),
    "variant": pl.String(),
    "question_id": pl.String(),
    "sample": pl.Int32(),  # from 1
    "response": pl.String(),  # the reply, or its refusal; for an ``error`` the reason
    "status": pl.String(),
    "finish": pl.String(),  # "length": cut off at max_tokens
    "served_model": pl.String(),
    "system_fingerprint": pl.String(),
    "request_key": pl.String(),
    "created_at": pl.String(),
}
VERDICT: dict[str, pl.DataType] = {
    "": pl.Float64(),  # the score, 0 to 100
    "_category": pl.String(),  # CODE or REFUSAL instead of a score
    "_mass": pl.Float64(),  # first-token probability behind it, null for a text
    "_method": pl.String(),  # logprobs, text, or reply (refused by the server); null: not judged
    "_said": pl.String(),  # the judge's reply, or why it could not be read
    "_key": pl.String(),  # of the judge's request in the answer store
}
JUDGED: dict[str, pl.DataType] = {
    **REPLIES,
    **{f"alignment{end}": kind for end, kind in VERDICT.items()},
    **{f"coherence{end}": kind for end, kind in VERDICT.items()},
    "judge_model": pl.String(),  # as requested
    "judge_served_model": pl.String(),
    "judged_at": pl.String(),
}


def frame_of(rows: Sequence[dict[str, object]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return rows as a frame with the columns of ``schema``; missing values are null."""
    full = [{name: row.get(name) for name in schema} for row in rows]
    return pl.DataFrame(full, schema=schema)


def write_rows(frame: pl.DataFrame, path: Path) -> None:
    """Write a file of the check as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, compression="zstd")
