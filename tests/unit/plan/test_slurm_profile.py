"""The SLURM profile repeats every setting of the default profile, which it replaces."""

from __future__ import annotations

import yaml

from tests.conftest import ROOT


def test_slurm_profile_has_every_default_setting() -> None:
    ours, default = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
        for name in ("slurm", "default")
    )
    assert {key: ours.get(key) for key in default} == default
