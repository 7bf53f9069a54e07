"""The table of answers: one row per repetition; its columns are a contract."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

STATUSES = ("ok", "unparseable", "refused", "filtered", "error")
# How a rating was read: the reply is nothing but the rating; out of a longer reply; after thoughts;
# from log-probabilities; it was recorded as a rating.
READ_FROM = ("token", "reply", "after_thoughts", "logprobs", "recorded")
TOKEN, REPLY, AFTER_THOUGHTS, LOGPROBS, RECORDED = READ_FROM
SIMULATED = "simulated"  # what ``served_model`` says of an answer that no model gave
# Of the first token's probability; below it, ratings are not what the model would say
# (as for the judge of Betley et al., arXiv 2502.17424).
LEAST_MASS = 0.25

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "variant": pl.String(),
    "probe": pl.String(),
    "persona_id": pl.Int32(),  # null when unconditioned
    "item_id": pl.Int32(),
    "repetition": pl.Int32(),  # from 1
    "rating": pl.Int8(),  # null when there is none; ``status`` says why
    "status": pl.String(),
    "fallback": pl.Boolean(),  # the rating was read from a longer reply, after the one-token tries
    "probabilities": pl.List(pl.Float64()),  # per rating at T = 1, for ``method: logprobs``
    "attempts": pl.Int32(),
    "parse_failures": pl.Int32(),
    "transport_failures": pl.Int32(),
    "response": pl.String(),
    "served_model": pl.String(),
    "system_fingerprint": pl.String(),
    "request_key": pl.String(),
    "created_at": pl.String(),
    "read_from": pl.String(),  # one of READ_FROM, null without a rating
    "rating_mass": pl.Float64(),  # of the first token's probability, for ``method: logprobs``
    "left_out": pl.String(),  # settings of the study that the server refuses, with commas
    # The mean of several answers, where a recorded file holds no single ones; ``rating`` is null.
    "mean_rating": pl.Float64(),
}
SLOT = ("persona_id", "item_id", "repetition")
NAMES = ("model", "variant", "probe")


def conform(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the columns of ``SCHEMA``, in order, absent ones null, rows by slot."""
    absent = [
        pl.lit(None).cast(kind).alias(name)
        for name, kind in SCHEMA.items()
        if name not in frame.columns
    ]
    return (
        frame.with_columns(absent)
        .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
        .sort(SLOT, nulls_last=False)
    )


def write_answers(frame: pl.DataFrame, path: Path) -> None:
    """Write answers as Parquet, rows sorted by slot so that equal answers give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    conform(frame).write_parquet(path, compression="zstd")


def collect_answers(shards: Sequence[Path], path: Path) -> None:
    """Join the shards of one model x variant x probe into one file, in slot order."""
    write_answers(pl.concat([pl.read_parquet(shard) for shard in shards]), path)
