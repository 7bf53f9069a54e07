"""The demo study: the verdicts on simulated answers are those of the planted values."""

from math import log
from pathlib import Path

import numpy as np
import pytest

from persona_collapse.endpoints.simulated import Planted, Simulated, planted_values
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.verdict.rule import Comparison, Evidence, Interval, decide
from persona_collapse.measures.verdict.table import Rows, interval_of, rows_of
from persona_collapse.plan.shards import cut
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.resolved import Variant
from persona_collapse.tasks import Task

STUDY = load_study(find_study("demo"))
CONTRASTS = ("insecure-base", "insecure-secure", "secure-base")


def planted(variant: Variant) -> list[Planted]:
    """Return the values that a variant's respondents are set to, by domain."""
    settings = variant.settings["planted"]
    table = variant.endpoint.settings["planted"]
    return planted_values(Path(table), settings["label"], settings["variant"])


def true_values(variant: Variant) -> tuple[float, float]:
    """Return the planted S and R over all items; every domain has as many items."""
    domains = planted(variant)
    S = float(np.mean([domain["S"] for domain in domains]))
    return S, 1 / float(np.mean([1 / domain["R"] for domain in domains]))


def true_label(model: str) -> str:
    """Return the label that the planted values get, as if measured without error."""
    values = {name: true_values(v) for name, v in STUDY.models[model].variants.items()}

    def compared(contrast: str) -> Comparison:
        first, second = (values[name] for name in contrast.split("-"))
        ratios = (log(a / b) for a, b in zip(first, second, strict=True))
        return Comparison(*(Interval(ratio, ratio) for ratio in ratios))

    return decide(Evidence(*map(compared, CONTRASTS)), STUDY.analysis["smallest_effect"]).label


@pytest.fixture(scope="module")
def labels() -> dict[str, str]:
    """The label of every model, from simulated answers to the study's role-play probe."""
    probe = STUDY.probes["roleplay"]
    instrument = read_instrument(Path(f"resources/instruments/{probe.instrument}.yaml"))
    personas = read_personas(Path(f"resources/personas/{probe.personas}.yaml"))
    counts = len(personas.descriptions), len(instrument.items), probe.repetitions
    frames = []
    for model in STUDY.models:
        for name, variant in STUDY.models[model].variants.items():
            settings = {
                "planted": planted(variant),
                "kind": "roleplay",
                "repetitions": probe.repetitions,
                "fidelity": variant.settings.get("fidelity", 1.0),
            }
            (shard,) = cut(model, name, "roleplay", counts, counts)
            task = Task(shard, instrument, personas, STUDY.seed)
            answers = Simulated().answer(task, settings)
            frames.append(moments_of(answers, instrument, counts[0]))
    paired = paired_of(frames, instrument, STUDY.seed, {**STUDY.analysis, "permutations": 99})
    table = contrasts_of(paired)
    return {model: measured_label(rows_of(table, model)) for model in STUDY.models}


def measured_label(rows: Rows) -> str:
    def compared(contrast: str) -> Comparison:
        return Comparison(*(interval_of(rows, contrast, metric) for metric in ("S", "R")))

    return decide(Evidence(*map(compared, CONTRASTS)), STUDY.analysis["smallest_effect"]).label


@pytest.mark.slow
@pytest.mark.parametrize("model", STUDY.models)
def test_verdict_of_the_demo_is_that_of_the_planted_values(
    model: str, labels: dict[str, str]
) -> None:
    assert labels[model] == true_label(model)


def test_planted_values_of_the_demo_hold_collapse_and_something_else() -> None:
    assert {true_label(model) for model in STUDY.models} == {"collapse", "not_specific"}
