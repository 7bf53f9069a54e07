"""Quality: the outcome of every designed answer of one model x variant x probe."""

import polars as pl

from persona_collapse.answers import READ_FROM, STATUSES
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.moments import check_design, names_of


def quality_of(
    answers: pl.DataFrame,
    moments: pl.DataFrame,
    instrument: Instrument,
    personas: int | None,
    repetitions: int,
) -> pl.DataFrame:
    """Return the row of ``quality.csv`` of one model x variant x probe.

    ``expected`` = answered + missing + unparseable + refused + filtered + error: missing slots have
    no row, the others a ``status``. A persona is dropped if one of its items has no valid rating.
    ``undefined`` says which of S and R cannot be computed, and why.
    """
    names = names_of(answers)
    check_design(answers, instrument, personas)
    designed = answers.filter(pl.col("repetition") <= repetitions)
    counts = dict(designed.group_by("status").len().iter_rows())
    read = dict(designed.filter(status="ok").group_by("read_from").len().iter_rows())
    expected = (1 if personas is None else personas) * len(instrument.items) * repetitions
    by_persona = moments.group_by("persona_id").agg(complete=(pl.col("n") > 0).all())
    retained = None if personas is None else int(by_persona["complete"].sum())
    rated = pl.coalesce("mean_rating", "rating").is_not_null()
    extra = answers.filter(rated, pl.col("repetition") > repetitions).height
    row = {
        **names,
        "expected": expected,
        "answered": counts.get("ok", 0),
        "missing": expected - designed.height,
        **{status: counts.get(status, 0) for status in STATUSES if status != "ok"},
        "retried_share": (answers["attempts"] > 1).fill_null(value=False).mean(),
        "personas_retained": retained,
        "personas_dropped": None if personas is None or retained is None else personas - retained,
        "extra_repetitions": extra,
        "simulated": bool(moments["simulated"].any()),
        **{f"read_from_{way}": read.get(way, 0) for way in READ_FROM},
        "rating_mass": designed["rating_mass"].mean(),
        "left_out": ", ".join(sorted({*answers["left_out"].drop_nulls()})) or None,
        "served_model": ", ".join(sorted({*answers["served_model"].drop_nulls()})) or None,
        "system_fingerprint": ", ".join(sorted({*answers["system_fingerprint"].drop_nulls()}))
        or None,
        "cells_with_one_answer": moments.filter(pl.col("n") == 1, ~pl.col("exact")).height,
        "undefined": None if retained is None else _undefined(answers, moments, retained),
    }
    nullable = {
        "retried_share": pl.Float64,
        "rating_mass": pl.Float64,
        "left_out": pl.String,
        "served_model": pl.String,
        "system_fingerprint": pl.String,
        "personas_retained": pl.Int64,
        "personas_dropped": pl.Int64,
        "undefined": pl.String,
    }
    return pl.DataFrame([row], schema_overrides=nullable)


def _undefined(answers: pl.DataFrame, moments: pl.DataFrame, retained: int) -> str | None:
    """Return what S and R lack; None where both are defined."""
    if retained == 0:
        return "S and R need a persona with a valid rating of every item; there is none"
    reasons = []
    if retained == 1:
        reasons.append("S needs two personas with a valid rating of every item; there is one")
    kept = moments.filter((pl.col("n") > 0).all().over("persona_id"))
    if answers["mean_rating"].is_not_null().any():
        reasons.append("R needs single answers; the recorded ratings are means of several")
    elif kept["sd"].is_null().all():
        reasons.append("R needs two answers to the same persona and item; there is one")
    return ". ".join(reasons) or None
