"""config/README.md describes every key of a study and of the run settings."""

from __future__ import annotations

import re

from persona_collapse.common.keys import Keys, keys_of
from persona_collapse.study import kinds, model
from tests.conftest import ROOT

TEXT = (ROOT / "config" / "README.md").read_text(encoding="utf-8")


def test_every_key_is_described() -> None:
    for module in (model, kinds):
        for declared in vars(module).values():
            if isinstance(declared, type) and issubclass(declared, Keys) and declared is not Keys:
                for name in keys_of(declared):
                    assert re.search(rf"`(?:[\w.]+\.)?{name}\b", TEXT), name
