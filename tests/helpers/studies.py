"""Small studies as documents, and how a test changes and loads them."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from persona_collapse.study.load import load_study
from persona_collapse.study.resolved import Study

THREE_KINDS: dict[str, Any] = {
    "title": "A study of one model",
    "seed": 1,
    "endpoints": {
        "simulated": {"kind": "simulated", "planted": "resources/benchmarks/paper_tables.csv"},
        "files": {"kind": "recorded", "root": "${published_root}"},
        "server": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"},
    },
    "models": {
        "m1": {
            "label": "Model One",
            "variants": {
                "base": {"endpoint": "simulated", "planted": {"S": 0.8, "R": 10}},
                "secure": {"endpoint": "server", "model": "m1-secure"},
                "insecure": {"endpoint": "files", "files": {"roleplay": "a.csv"}},
            },
        }
    },
    "probes": {"roleplay": {"instrument": "moral30", "personas": "everyday100", "repetitions": 10}},
}
TABLES = {
    "planted": "resources/benchmarks/paper_tables.csv",
    "verification": "resources/benchmarks/paper_verification.csv",
}
CHECKED: dict[str, Any] = {
    "title": "A checked study",
    "seed": 1,
    "endpoints": {
        "server": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "max_in_flight": 8},
        "other": {"kind": "openai", "base_url": "http://127.0.0.1:2/v1"},
        "simulated": {"kind": "simulated", **TABLES},
        "files": {"kind": "recorded", "root": "."},
    },
    "models": {
        "m": {
            "label": "GPT-4o",
            "variants": {
                "base": {"endpoint": "server", "model": "m-base"},
                "insecure": {"endpoint": "server", "model": "m-insecure"},
            },
        }
    },
    "probes": {"roleplay": {"instrument": "moral30", "personas": "everyday100", "repetitions": 2}},
    "budget": {"max_requests": 100},
    "misalignment": {
        "questions": "everyday8",
        "judge": {"endpoint": "other", "model": "judge-1"},
    },
}
SIMULATED_VARIANT = {"endpoint": "simulated", "planted": {"label": "GPT-4o", "variant": "insecure"}}
RECORDED_VARIANT = {"endpoint": "files", "files": {"roleplay": "a.csv"}}


def load_changed(
    document: dict[str, Any],
    tmp_path: Path,
    change: dict[str, Any] | None = None,
    **narrow: Any,
) -> Study:
    """Load a study with values replaced at paths such as ``models/m``; None removes the key."""
    document = deepcopy(document)
    for place, value in (change or {}).items():
        *parents, last = place.split("/")
        target: Any = document
        for key in parents:
            target = target[key]
        if value is None:
            del target[last]
        else:
            target[last] = value
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return load_study(path, {"published_root": str(tmp_path)}, **narrow)
