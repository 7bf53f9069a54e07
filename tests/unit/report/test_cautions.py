"""What the page says where answers of variants were not given or read alike."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.report.cautions import cautions_of

LOOK = Look((ModelLook("m", "Model M", "M"),), ("base", "secure", "insecure"))
COUNTS = ("token", "reply", "after_thoughts", "logprobs", "recorded")


def row(
    variant: str,
    left_out: str | None = None,
    undefined: str | None = None,
    served: str | None = None,
    filtered: int = 0,
    error: int = 0,
    simulated: bool = False,
    **read: int,
) -> dict[str, Any]:
    counts = {f"read_from_{way}": read.get(way, 0) for way in COUNTS}
    answered = sum(read.values())
    unit = {"model": "m", "variant": variant, "probe": "roleplay", "answered": answered}
    expected = answered + filtered + error
    outcome = {"filtered": filtered, "error": error, "expected": expected, "simulated": simulated}
    texts = {"left_out": left_out, "undefined": undefined, "served_model": served}
    return {**unit, **outcome, **counts, **texts}


def quality(*rows: dict[str, Any]) -> pl.DataFrame:
    texts = dict.fromkeys(("left_out", "undefined", "served_model"), pl.String)
    return pl.DataFrame(list(rows), schema_overrides=texts)


def test_page_says_that_one_model_answered_for_several_variants() -> None:
    frame = quality(
        row("base", served="loaded.gguf", token=9),
        row("secure", served="other", token=9),
        row("insecure", served="loaded.gguf", token=9),
    )
    (text,) = cautions_of(frame, LOOK)
    assert "base and insecure were answered by the same model, loaded.gguf" in text


def test_page_says_how_many_answers_ended_in_an_error() -> None:
    frame = quality(row("base", error=3, token=97), row("insecure", token=100))
    (text,) = cautions_of(frame, LOOK)
    assert "3 of 100 of base" in text
    assert "insecure" not in text
    assert "accept_errors" in text
    assert cautions_of(quality(row("base", error=3, recorded=97)), LOOK) == []


@pytest.mark.parametrize(
    "rows",
    [
        [row("base", served="a", token=9), row("insecure", served="b", token=9)],
        [row("base", token=9), row("insecure", token=9)],
        [row(name, served="simulated", simulated=True, token=9) for name in ("base", "insecure")],
    ],
    ids=["two models", "nothing said", "simulated"],
)
def test_page_says_nothing_of_models_that_differ(rows: list[dict[str, Any]]) -> None:
    assert cautions_of(quality(*rows), LOOK) == []


@pytest.mark.parametrize(("filtered", "warned"), [(0, False), (3, False), (10, True)])
def test_page_warns_where_a_filter_took_answers(filtered: int, warned: bool) -> None:
    frame = quality(
        row("base", token=100), row("insecure", token=100 - filtered, filtered=filtered)
    )
    found = cautions_of(frame, LOOK)
    assert bool(found) is warned
    if warned:
        assert "filtered 0 % of base, 10 % of insecure" in found[0]


def test_page_warns_where_variants_are_read_in_different_ways() -> None:
    frame = quality(
        row("base", token=1000), row("secure", token=990, reply=10), row("insecure", reply=1000)
    )
    assert cautions_of(frame, LOOK) == [
        "Model M, roleplay: 100 % of the ratings of base are replies of nothing but the rating, "
        "and 0 % of those of insecure. A difference between them may come from the way in which "
        "they answer."
    ]


@pytest.mark.parametrize(("reply", "warned"), [(30, False), (31, True), (0, False)])
def test_page_warns_of_a_difference_above_three_points(reply: int, warned: bool) -> None:
    frame = quality(row("base", token=1000), row("insecure", token=1000 - reply, reply=reply))
    assert bool(cautions_of(frame, LOOK)) is warned


@pytest.mark.parametrize(
    "rows",
    [
        [row("base", token=10)],
        [row("base", token=10), row("insecure", recorded=10)],
        [row("base", recorded=10), row("insecure", recorded=10)],
        [row("base", token=10), row("insecure")],
        [row("base"), row("insecure")],
    ],
)
def test_what_cannot_be_compared_has_no_caution(rows: list[dict[str, Any]]) -> None:
    assert cautions_of(quality(*rows), LOOK) == []


def test_models_and_probes_are_compared_apart() -> None:
    frame = pl.concat(
        [
            quality(row("base", token=10), row("insecure", token=10)),
            quality(row("base", reply=10), row("insecure", reply=10)).with_columns(
                probe=pl.lit("other")
            ),
        ]
    )
    assert cautions_of(frame, LOOK) == []


def test_settings_that_the_server_refuses_are_named_with_the_variants() -> None:
    left_out = "temperature, top_p"
    frame = quality(
        row("base", left_out, token=10), row("secure", token=10), row("insecure", left_out, token=9)
    )
    assert cautions_of(frame, LOOK) == [
        "Model M, roleplay: the server takes no temperature and top_p; base, insecure answered at "
        "the server's own. This is another study than one with the values that the study file "
        "gives."
    ]


def test_study_without_the_table_has_no_cautions() -> None:
    assert cautions_of(None, LOOK) == []


def test_page_says_why_a_value_is_undefined() -> None:
    reason = "R needs two answers to the same persona and item; there is one"
    frame = quality(row("base", token=9, undefined=reason), row("a", token=9, undefined=reason))
    assert cautions_of(frame, LOOK) == [
        f"Model M, roleplay: {reason} (base, a). What cannot be computed is left empty."
    ]
