"""Small studies of recorded files: the instrument, the personas, and S and R of each variant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from persona_collapse.endpoints.base import find
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.collapse import collapse_of
from persona_collapse.measures.moments import moments_of, moments_of_probabilities
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.checks import check_inputs
from persona_collapse.study.load import load_study
from persona_collapse.study.resolved import Unit
from persona_collapse.tasks import task_of

LICENCE = {"licence": "CC0-1.0", "source": "written for a test"}


def instrument(scale: tuple[int, int], items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return an instrument of two domains; ``items`` have ``id`` and ``text``, perhaps ``code``."""
    return {
        "name": "small",
        "title": "A small instrument",
        **LICENCE,
        "scale": {"minimum": scale[0], "maximum": scale[1]},
        "domains": ["first", "second"],
        "prompts": {"persona": "{persona} {question}", "sections": {"s": "{item}"}},
        "items": [
            {"section": "s", "domain": ("first", "second")[place % 2], **item}
            for place, item in enumerate(items)
        ],
    }


def write_materials(
    folder: Path, questions: dict[str, Any], people: Sequence[str]
) -> dict[str, str]:
    """Write instrument and personas into a folder; return the keys of a probe that name them."""
    personas = {"name": "people", "title": "People", **LICENCE, "personas": list(people)}
    for kind, name, document in (
        ("instruments", "small", questions),
        ("personas", "people", personas),
    ):
        path = folder / kind / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return {"instrument": "small", "personas": "people"}


def write_study(folder: Path, probe: dict[str, Any], keys: str | dict[str, Any]) -> Path:
    """Write a study of one probe; ``keys`` are endpoints, models and what else it needs."""
    given = yaml.safe_load(keys) if isinstance(keys, str) else keys
    document = {"title": "Recorded", "seed": 1, "probes": {"roleplay": probe}, **given}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def layout_at(path: Path) -> Layout:
    """Return a study as it is planned."""
    layout = Layout(load_study(path))
    check_inputs(layout)
    layout.check_endpoints()
    return layout


def answers(layout: Layout, unit: Unit) -> pl.DataFrame:
    """Return all answers of a unit, from its shards."""
    parts = []
    for shard in layout.shards[unit]:
        params = layout.shard_params(shard)
        texts = layout.shard_inputs(unit)
        task = task_of(params, texts["instrument"], texts.get("personas"))
        settings = {**params.get("settings", {}), **layout.run_settings(unit)}
        inputs = {"inputs": layout.endpoint_files(unit)}
        parts.append(find(params["endpoint"]).answer(task, settings | inputs))
    return pl.concat(parts)


def collapse(path: Path) -> dict[str, dict[str, float]]:
    """Return S, R and the number of answers with a rating, by variant."""
    layout = layout_at(path)
    found = {}
    for unit in layout.shards:
        frame = answers(layout, unit)
        questions = read_instrument(Path(layout.instrument(unit)))
        count = layout.persona_count(unit.probe)
        if layout.method(unit) == "logprobs":
            temperature = layout.study.sampling["temperature"]
            moments = moments_of_probabilities(frame, questions, count, temperature)
        else:
            moments = moments_of(frame, questions, count)
        cells = cells_from_moments(moments, questions)
        overall = np.full((len(questions.items), 1), 1 / len(questions.items))
        values = collapse_of(cells, overall)
        rated = int((frame["status"] == "ok").sum())
        name = f"{unit.model} {unit.variant}" if len(layout.study.models) > 1 else unit.variant
        found[name] = {"S": float(values.S[0]), "R": float(values.R[0]), "answers": rated}
    return found
