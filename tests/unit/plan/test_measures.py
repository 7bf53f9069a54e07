"""What rules ask about measures: the replicates of a study, and what the page's answers are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from persona_collapse.plan.answers import Layout
from persona_collapse.plan.measures import Measures, replicates_of
from persona_collapse.study.load import find_study, load_study


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


def test_answers_by_log_probabilities_are_shown_by_their_moments(tmp_path: Path) -> None:
    document = yaml.safe_load(find_study("quick").read_text(encoding="utf-8"))
    document["endpoints"] = {"e": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}}
    document["models"]["gpt-4o"]["variants"] = {
        "base": {"endpoint": "e", "model": "a"},
        "secure": {"endpoint": "e", "model": "b"},
    }
    document["probes"]["roleplay"]["method"] = "logprobs"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    measures = Measures(Layout(load_study(path)))
    shown = {entry["answers"].partition("gpt-4o/")[2]: entry for entry in measures.shown}
    assert len(shown) == 4
    for name, entry in shown.items():
        unconditioned = name.endswith("unconditioned.parquet")
        moments = None if unconditioned else f"results/moments/gpt-4o/{name}"
        assert entry["moments"] == moments
        assert entry["count"] == (None if unconditioned else 40)
        assert (entry["personas"] is None) == unconditioned
