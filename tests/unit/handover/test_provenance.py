from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import yaml

from persona_collapse.handover.provenance import git_state, write_provenance
from persona_collapse.study.load import find_study, load_study


def test_resolved_study_is_plain_and_complete() -> None:
    path = find_study("demo")
    study = load_study(path).resolved()
    assert json.loads(json.dumps(study)) == study
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(study["models"]) == list(written["models"])
    assert study["analysis"]["bootstrap_personas"] == 4000
    assert study["models"]["gpt-4o"]["variants"]["insecure"]["fidelity"] == 0.5


def test_provenance_hashes_every_file(tmp_path: Path) -> None:
    answers = tmp_path / "answers.csv"
    answers.write_bytes(b"some answers\n")
    write_provenance({"name": "x"}, {"r": {}}, [answers, answers], tmp_path / "provenance.json")
    found = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    assert found["files"] == {str(answers): hashlib.sha256(b"some answers\n").hexdigest()}
    assert found["versions"].keys() >= {"python", "polars", "snakemake"}


def test_git_state_has_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert git_state(tmp_path / "nowhere") == {"git_commit": None, "git_changed": None}
    git("init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "-qm", "one")
    assert git_state(tmp_path) == {"git_commit": git("rev-parse", "HEAD"), "git_changed": False}
    (tmp_path / "code.py").write_text("x = 2\n")
    assert git_state(tmp_path)["git_changed"] is True
