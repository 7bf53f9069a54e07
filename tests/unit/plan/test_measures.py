"""What rules ask about measures: the replicates of a study."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from persona_collapse.plan.measures import replicates_of


def test_replicates_are_grouped_by_variant_in_order_of_number() -> None:
    def variant(of: str | None = None, number: int = 1) -> SimpleNamespace:
        return SimpleNamespace(replicate_of=of, replicate=number)

    def model(**variants: SimpleNamespace) -> SimpleNamespace:
        return SimpleNamespace(variants=variants)

    models = {
        "a": model(base=variant(), r10=variant("x", 10), x=variant("x", 1), r2=variant("x", 2)),
        "b": model(x=variant(), other=variant()),
        "c": model(y=variant(), y2=variant("y", 2)),
    }
    study: Any = SimpleNamespace(models=models)
    assert replicates_of(study) == {"a": {"x": ["x", "r2", "r10"]}, "c": {"y": ["y", "y2"]}}
