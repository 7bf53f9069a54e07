"""The provenance of a study's numbers: resolved study, code, versions, input files."""

import json
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from persona_collapse import __version__
from persona_collapse.common.hashing import file_sha256
from persona_collapse.common.yaml import read_yaml
from persona_collapse.materials.questions import read_questions

LIBRARIES = ("snakemake", "polars", "numpy", "scipy", "matplotlib", "openai")


def provenance_of(
    study: dict[str, Any], asked: dict[str, Any], files: Iterable[Path], root: Path
) -> dict[str, Any]:
    """Return what ``provenance.json`` holds; ``files`` are hashed, ``root`` is the checkout.

    ``asked`` says by probe what was asked: digests of items and personas, and the temperature.
    """
    return {
        "study": study,
        "asked": asked,
        "code": {"persona_collapse": __version__, **git_state(root)},
        "versions": {
            "python": platform.python_version(),
            **{library: version(library) for library in LIBRARIES},
        },
        "files": {str(path): file_sha256(path) for path in sorted(set(files))},
    }


def write_provenance(
    study: dict[str, Any],
    asked: dict[str, Any],
    files: Iterable[Path],
    path: Path,
    questions: str | None = None,
) -> None:
    """Write ``provenance.json``; ``questions`` is the file of open questions and judge prompts."""
    content = provenance_of(study, asked, files, Path(__file__).resolve().parents[2])
    if questions:
        open_questions, document = read_questions(Path(questions)), read_yaml(Path(questions))
        content["judge"] = {
            **study["misalignment"]["judge"],
            "questions": open_questions.name,
            "licence": document["licence"],
            "texts": open_questions.texts,
            "prompts": open_questions.prompts,
            "answers": "judged/<model>/<variant>.parquet",
        }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


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
