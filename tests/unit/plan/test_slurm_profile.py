"""What can be said of ``profiles/slurm`` without a SLURM: no rule and no setting is forgotten."""

from __future__ import annotations

import re

import yaml

from tests.conftest import ROOT


def test_every_rule_is_a_job_that_grows_with_its_attempts_or_runs_on_the_controller() -> None:
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    grown = profile["set-resources"]
    places = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    text = "".join(path.read_text() for path in places)
    lists = re.findall(r"^localrules:\n((?: +\w+,\n)+)", text, re.M)
    on_controller = set(re.findall(r"\w+", "".join(lists)))
    assert set(re.findall(r"^rule (\w+):", text, re.M)) == set(grown) | on_controller
    assert not set(grown) & on_controller
    for asked in (*grown.values(), profile["default-resources"]):
        assert all(asked[name].startswith("attempt * ") for name in ("mem_mb", "runtime"))


def test_the_profile_keeps_what_every_run_uses() -> None:
    ours, default = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
        for name in ("slurm", "default")
    )
    assert {key: ours.get(key) for key in default} == default
