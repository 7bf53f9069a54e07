"""What the page says before all numbers: answers that were not read alike, and undefined values."""

from collections.abc import Iterator

import polars as pl

from persona_collapse.common.notation import listed
from persona_collapse.figures.look import Look

TOLERANCE = 0.03  # difference of shares between variants of a model
ROUNDING = 1e-9
WAYS = {
    "token": "are replies of nothing but the rating",
    "reply": "were read out of a longer reply",
    "after_thoughts": "were read after the model's thoughts",
    "logprobs": "are probabilities of the first token",
}


def cautions_of(quality: pl.DataFrame | None, look: Look) -> list[str]:
    """Return the cautions about a study's answers, in the order of its models and probes.

    ``quality`` is the table of that name, None where the study has none.
    """
    if quality is None:
        return []
    labels = {model.key: model.label for model in look.models}
    found = []
    for (model, probe), rows in quality.group_by("model", "probe", maintain_order=True):
        where = f"{labels.get(str(model), model)}, {probe}"
        found += [f"{where}: {text}" for text in _reading(rows)]
        found += [f"{where}: {text}" for text in _left_out(rows)]
        found += [f"{where}: {text}" for text in _undefined(rows)]
        found += [f"{where}: {text}" for text in _same_model(rows)]
        found += [f"{where}: {text}" for text in _filtered(rows)]
        found += [f"{where}: {text}" for text in _failed(rows)]
    return found


def _same_model(rows: pl.DataFrame) -> Iterator[str]:
    """Yield a caution where one model answered for several variants."""
    asked = rows.filter(pl.col("served_model").is_not_null(), ~pl.col("simulated"))
    for (served,), some in asked.group_by("served_model", maintain_order=True):
        if some.height > 1:
            yield (
                f"{listed(some['variant'])} were answered by the same model, {served}, as the "
                "server says. A contrast between them compares that model with itself."
            )


def _filtered(rows: pl.DataFrame) -> Iterator[str]:
    """Yield a caution where a content filter took more than ``TOLERANCE`` of the answers."""
    shares = rows.select("variant", share=pl.col("filtered") / pl.col("expected"))
    if any(share > TOLERANCE + ROUNDING for share in shares["share"]):
        parts = [f"{_percent(share)} of {name}" for name, share in shares.iter_rows()]
        yield (
            f"the server filtered {', '.join(parts)}. What is missing may be what the variants "
            "differ in; personas with a filtered item are left out of S and R."
        )


def _failed(rows: pl.DataFrame) -> Iterator[str]:
    """Yield a caution where answers that were asked for ended in an error."""
    asked = rows.filter(pl.col("read_from_recorded").fill_null(0) == 0, pl.col("error") > 0)
    parts = [
        f"{n:,} of {all_:,} of {name}"
        for name, n, all_ in asked.select("variant", "error", "expected").iter_rows()
    ]
    if parts:
        yield (
            f"answers ended in an error: {', '.join(parts)}. The study goes on without them "
            "(`accept_errors`); a persona with an item that lost all answers is left out of S "
            "and R."
        )


def _reading(rows: pl.DataFrame) -> Iterator[str]:
    """Yield a caution where the ways of reading differ most between two variants."""
    asked = rows.filter((pl.col("answered") > 0) & (pl.col("read_from_recorded").fill_null(0) == 0))
    shares = {
        way: asked.select("variant", share=pl.col(f"read_from_{way}") / pl.col("answered")).sort(
            "share", descending=True, nulls_last=True, maintain_order=True
        )
        for way in WAYS
    }
    gaps = {
        way: (frame["share"][0] or 0.0) - (frame["share"][-1] or 0.0)
        for way, frame in shares.items()
        if asked.height > 1
    }
    way = max(gaps, key=lambda name: gaps[name], default=None)
    if way is None or gaps[way] <= TOLERANCE + ROUNDING:
        return
    (most, high), (least, low) = shares[way].row(0), shares[way].row(-1)
    yield (
        f"{_percent(high)} of the ratings of {most} {WAYS[way]}, and {_percent(low)} of those of "
        f"{least}. A difference between them may come from the way in which they answer."
    )


def _left_out(rows: pl.DataFrame) -> Iterator[str]:
    """Yield a caution where the server refuses settings of the study."""
    for (names,), some in rows.group_by("left_out", maintain_order=True):
        if names:
            what = str(names).replace(", ", " and ")
            who = ", ".join(some["variant"])
            yield (
                f"the server takes no {what}; {who} answered at the server's own. This is another "
                "study than one with the values that the study file gives."
            )


def _undefined(rows: pl.DataFrame) -> Iterator[str]:
    """Yield why S or R of variants cannot be computed."""
    for (reason,), some in rows.group_by("undefined", maintain_order=True):
        if reason:
            yield f"{reason} ({', '.join(some['variant'])}). What cannot be computed is left empty."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
