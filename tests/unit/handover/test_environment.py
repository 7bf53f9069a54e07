"""One set of versions: requirements.lock, environment.yml and pyproject.toml agree."""

from __future__ import annotations

import re
import tomllib

import yaml

from persona_collapse.environment import conda_file
from tests.conftest import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_conda_users_get_the_versions_of_the_lock_file() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert text == conda_file(LOCK)
    (pip,) = [
        entry["pip"]
        for entry in yaml.safe_load(text)["dependencies"]
        if "pip" in entry and isinstance(entry, dict)
    ]
    assert pip == [line for line in LOCK.splitlines() if "==" in line]


def test_the_lock_file_pins_every_dependency_and_names_no_host() -> None:
    pinned = {canonical(line.split("==")[0]) for line in LOCK.splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in wanted:
        assert canonical(re.split(r"[\[<>=!~ ]", requirement)[0]) in pinned, requirement
    assert not re.search(r"https?:|--|file:|@", LOCK)
