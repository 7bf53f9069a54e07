"""The study of the golden tests: named models, and variants that the study fine-tunes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from persona_collapse.plan.answers import Layout
from persona_collapse.study.load import load_study

STUDY: dict[str, Any] = {
    "title": "golden",
    "seed": 7,
    "endpoints": {
        "server": {"kind": "openai", "base_url": "https://api.example.org/v1/"},
        "router": {
            "kind": "openai",
            "base_url": "https://router.example.org/api/v1",
            "extra_body": {"provider": {"only": ["one"]}},
        },
    },
    "models": {
        "m": {
            "variants": {
                "base": {"endpoint": "server", "model": "m-base"},
                "insecure": {
                    "endpoint": "server",
                    "finetune": {
                        "from": "base",
                        "dataset": "sample_insecure",
                        "recipe": "betley",
                        "n_seeds": 2,
                    },
                },
                "again": {
                    "endpoint": "server",
                    "finetune": {
                        "from": "base",
                        "dataset": "sample_secure",
                        "recipe": "betley",
                        "seed": 5,
                        "attempt": 2,
                    },
                },
            }
        },
        "n": {"variants": {"base": {"endpoint": "router", "model": "lab/n"}}},
    },
    "probes": {
        "roleplay": {
            "instrument": "moral30",
            "personas": "everyday100",
            "persona_count": 30,
            "repetitions": 12,
        },
        "self": {"instrument": "moral30", "repetitions": 3, "method": "logprobs"},
    },
    "misalignment": {
        "questions": "everyday8",
        "variants": ["base", "insecure"],
        "judge": {"endpoint": "server", "model": "judge-1"},
    },
}
# What decides which model ``m insecure`` is made into.
MADE: dict[str, Any] = {
    "base_url": "https://api.example.org/v1",
    "base": "m-base",
    "git_blob": "f91ebe0e78be779d6de2dcd5ed4f2fb7f8e20fa8",
    "hyperparameters": {
        "method": "supervised",
        "n_epochs": 1,
        "batch_size": 4,
        "learning_rate_multiplier": 2,
    },
    "seed": 1,
    "attempt": 1,
}


def golden_layout(folder: Path) -> Layout:
    """Return the study's layout; its file is written to ``folder``."""
    path = folder / "golden.yaml"
    path.write_text(yaml.safe_dump(STUDY, sort_keys=False), encoding="utf-8")
    return Layout(load_study(path))
