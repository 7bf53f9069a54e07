"""The methods paragraph says what the study did, and nothing else."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from persona_collapse.report.methods import methods_of
from persona_collapse.tables import contract
from tests.helpers.pages import ANALYSIS, look_of

CHECK = {
    "questions": "betley8",
    "samples": 30,
    "temperature": 1.0,
    "judge": {"endpoint": "e", "model": "gpt-4o-2024-08-06", "method": "auto"},
}


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (
            CHECK,
            "30 times to each of the open questions betley8 at temperature 1.0; gpt-4o",
        ),
        ({**CHECK, "judge": {"model": None, "method": "auto"}}, "simulated replies to each"),
        ({"printed": "a.csv"}, "printed numbers (a.csv)"),
        ({"recorded": "judged"}, "judged in another run"),
    ],
)
def test_methods_say_how_replies_were_judged(check: dict[str, Any], expected: str) -> None:
    assert expected in methods(misalignment=check)


def test_methods_do_not_mention_alignment_without_a_check() -> None:
    assert "lignment" not in methods()


def methods(**study: Any) -> str:
    facts = {"study": {"analysis": ANALYSIS, "probes": {}, "seed": 1, **study}, "code": {}}
    metrics = pl.DataFrame(schema=contract("metrics").schema)
    return methods_of(look_of(1), facts, metrics, simulated=False)
