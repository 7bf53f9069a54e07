"""The answer in one sentence: it counts labels, and names what it cannot count."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from persona_collapse.report.answer import answer_of, asked
from persona_collapse.report.sections import LABELS
from tests.helpers.pages import look_of


def answer(*labels: str, targets: tuple[str, ...] = ("insecure",)) -> str:
    """Return the answer for labels, given model by model and within a model target by target."""
    models = len(labels) // len(targets)
    look = replace(look_of(models), targets=dict.fromkeys(targets))
    keys = [(model.key, target) for model in look.models for target in targets]
    frame = pl.DataFrame(
        [(*key, label) for key, label in zip(keys, labels, strict=True)],
        schema=["model", "target", "label"],
        orient="row",
    )
    return answer_of(frame, look)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            ("collapse", "too_small", "not_specific", "collapse"),
            "Collapse in 2 of 4 models; not specific in 1; too small in 1",
        ),
        (("collapse",) * 3, "Collapse in all 3 models"),
        (("collapse",) * 2, "Collapse in both models"),
        (
            ("S_only", "S_only", "undetermined"),
            "No collapse shown in 3 models: only S shown in 2; undetermined in 1",
        ),
        (("undetermined",) * 2, "Undetermined in both models"),
        (("too_small",) * 4, "No collapse shown: too small in all 4 models"),
        (("undetermined", "collapse"), "Collapse in 1 of 2 models; undetermined in 1"),
    ],
)
def test_labels_of_several_models_are_counted(labels: tuple[str, ...], said: str) -> None:
    assert answer(*labels) == said


@pytest.mark.parametrize("label", LABELS)
def test_a_single_model_is_named(label: str) -> None:
    said = answer(label)
    assert "Model 0" in said
    assert said.startswith("Collapse") == (label == "collapse")
    assert ("No collapse shown" in said) == (label not in ("collapse", "undetermined"))


def test_targets_of_one_model_are_named() -> None:
    said = answer("collapse", "too_small", "collapse", targets=("a", "b", "c"))
    assert said == "Model 0: collapse in a and c; too small in b"


def test_a_few_targets_of_several_models_are_told_apart() -> None:
    said = answer("collapse", "too_small", "collapse", "collapse", targets=("a", "b"))
    assert said == "a: collapse in both models; b: collapse in 1 of 2, too small in 1"


def test_many_targets_of_several_models_are_counted_together() -> None:
    said = answer(*(["collapse"] * 5 + ["too_small"] * 3), targets=("a", "b", "c", "d"))
    assert said == "Collapse in 5 of 8 comparisons; too small in 3"


def quality(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["model", "variant", "expected", "answered"], orient="row")


def test_what_was_asked_counts_models_variants_and_answers_without_a_rating() -> None:
    assert asked(None, look_of(1)) == []
    assert asked(quality(("m0", "base", 1000, 1000)), look_of(1)) == [
        "Model 0 × 1 variant",
        "1,000 answers",
        "every one with a rating",
    ]
    rows = [("m0", "base", 1000, 990), ("m0", "tuned", 1000, 1000), ("m1", "base", 1000, 1000)]
    assert asked(quality(*rows), look_of(2)) == [
        "2 models with 3 variants in all",
        "2,990 answers",
        "0.33\u00a0% without a rating",
    ]
