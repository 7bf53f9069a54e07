"""Where a study's numbers come from: the resolved study, the code, the versions, every file."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from persona_collapse import __version__
from persona_collapse.common.hashing import file_sha256
from persona_collapse.common.yaml import read_yaml
from persona_collapse.materials.questions import read_questions
from persona_collapse.study.load import Study

LIBRARIES = ("snakemake", "polars", "numpy", "scipy", "matplotlib", "openai")


def resolved(study: Study) -> dict[str, Any]:
    """Return a study with its defaults filled in, as plain values in the file's order."""
    return {
        "name": study.name,
        "title": study.title,
        "seed": study.seed,
        "endpoints": {
            endpoint.name: {"kind": endpoint.kind, **endpoint.settings}
            for endpoint in study.endpoints.values()
        },
        "models": {
            model.key: {
                "label": model.label,
                "family": model.family,
                "mixed_stacks": model.mixed_stacks,
                "variants": {
                    variant.name: {
                        "endpoint": variant.endpoint.name,
                        **variant.settings,
                        **({} if variant.step is None else {"step": variant.step}),
                        **({"finetune": asdict(variant.finetune)} if variant.finetune else {}),
                    }
                    for variant in model.variants.values()
                },
            }
            for model in study.models.values()
        },
        "probes": {
            probe.name: {
                "instrument": probe.instrument,
                "personas": probe.personas,
                "persona_count": probe.persona_count,
                "repetitions": probe.repetitions,
                "variants": list(probe.variants) if probe.variants else None,
                "method": probe.method,
            }
            for probe in study.probes.values()
        },
        "sampling": study.sampling,
        "shards": study.blocks,
        "analysis": study.analysis,
        "budget": study.budget,
        **({"misalignment": study.misalignment.plain()} if study.misalignment else {}),
        "allow_mixed_stacks": study.mixed_stacks,
        "datasets": study.datasets,
    }


def provenance_of(study: dict[str, Any], files: Iterable[Path], root: Path) -> dict[str, Any]:
    """Return what ``provenance.json`` holds; ``files`` are hashed, ``root`` is the checkout."""
    return {
        "study": study,
        "code": {"persona_collapse": __version__, **git_state(root)},
        "versions": {
            "python": platform.python_version(),
            **{library: version(library) for library in LIBRARIES},
        },
        "files": {str(path): file_sha256(path) for path in sorted(set(files))},
    }


def write_provenance(
    study: dict[str, Any], files: Iterable[Path], path: Path, questions: str | None = None
) -> None:
    """Write ``provenance.json``; ``questions`` is the file with what a judge was asked."""
    found = provenance_of(study, files, Path(__file__).resolve().parents[2])
    if questions:
        asked, document = read_questions(Path(questions)), read_yaml(Path(questions))
        found["judge"] = {
            **study["misalignment"]["judge"],
            "questions": asked.name,
            "licence": document["licence"],
            "prompts": asked.prompts,
            "answers": "judged/<model>/<variant>.parquet",
        }
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def git_state(root: Path) -> dict[str, Any]:
    """Return a checkout's commit and whether tracked files differ from it; None outside git."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    changes = git("status", "--porcelain", "--untracked-files=no")
    return {
        "git_commit": git("rev-parse", "HEAD"),
        "git_changed": None if changes is None else bool(changes),
    }
