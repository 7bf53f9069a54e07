"""What rules ask about measures: the replicates of a study, and what the page's answers are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from persona_collapse.plan.answers import Layout
from persona_collapse.plan.measures import Measures, replicates_of
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.resolved import Unit
from tests.helpers.studies import CHECKED, load_changed


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


def roles(tmp_path: Path) -> Measures:
    """Two models with a target that is fine-tuned twice; the second model has no baseline."""
    bare = {"instrument": "moral30", "repetitions": 2}
    ordered = {"from": "base", "dataset": "insecure", "recipe": "betley", "n_seeds": 2}
    asked = {name: {"endpoint": "server", "model": name} for name in ("base", "a", "secure")}
    made = {"insecure": {"endpoint": "server", "finetune": ordered}}
    change = {
        "models/m/variants": {**asked, **made},
        "models/n": {"label": "N", "variants": {"secure": asked["secure"]}},
        "probes/unconditioned": bare,
        "probes/again": bare,
        "analysis": {"targets": {"insecure": "secure"}},
    }
    return Measures(Layout(load_changed(CHECKED, tmp_path, change)))


def test_units_are_grouped_by_what_is_measured_of_them(tmp_path: Path) -> None:
    measures = roles(tmp_path)
    variants = ["base", "a", "secure", "insecure", "insecure-r2"]
    assert [(unit.model, unit.variant) for unit in measures.roleplay_units] == [
        *(("m", name) for name in variants),
        ("n", "secure"),
    ]
    # Without a baseline nothing is compared.
    assert [(unit.variant, unit.probe) for unit in measures.bare_units] == [
        (name, "unconditioned") for name in variants
    ]
    assert {unit.model for unit in measures.bare_units} == {"m"}
    assert [unit.variant for unit in measures.replicate_units] == [
        "base",
        "insecure",
        "insecure-r2",
    ]
    assert str(measures.bare_instrument).endswith("moral30.yaml")


def test_tables_read_each_unit_beside_its_baseline_and_control(tmp_path: Path) -> None:
    measures = roles(tmp_path)
    kinds = ("moments", "baseline", "reference", "control", "personas", "seed", "draws")
    rows = measures.read_by([SimpleNamespace(reads=kinds)])  # type: ignore[list-item]
    found = dict(zip(measures.units, rows, strict=True))

    def moments(variant: str) -> str:
        return f"results/moments/m/{variant}/roleplay.parquet"

    for variant, baseline, control in (
        ("base", None, None),
        ("a", "base", None),
        ("secure", "base", None),
        ("insecure", "base", "secure"),
        ("insecure-r2", "base", "secure"),
    ):
        row = found[Unit("m", variant, "roleplay")]
        assert row["moments"] == moments(variant)
        assert row["baseline"] == (baseline and moments(baseline))
        assert row["reference"] == moments("base")
        assert row["control"] == (control and moments(control))
        assert str(row["personas"]).endswith("everyday100.yaml")
        assert (row["seed"], row["draws"]) == (1, measures.analysis["bootstrap_diagnostics"])
    alone = found[Unit("n", "secure", "unconditioned")]
    assert (alone["baseline"], alone["reference"], alone["personas"]) == (None, None, None)


def test_one_unconditioned_variant_has_its_instrument(tmp_path: Path) -> None:
    alone = {"instrument": "moral30", "repetitions": 2, "variants": ["base"]}
    study = load_changed(CHECKED, tmp_path, {"probes/unconditioned": alone})
    assert str(Measures(Layout(study)).bare_instrument).endswith("moral30.yaml")
    assert Measures(Layout(load_changed(CHECKED, tmp_path))).bare_instrument == []
