"""The script of the rule: paths come as texts, and an empty mirror means the network."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "workflow/scripts/external_resource.py"


@pytest.mark.parametrize(
    ("mirror", "expected"), [(None, None), ("", None), ("~/kept", Path.home() / "kept")]
)
def test_empty_mirror_setting_means_the_network(monkeypatch, mirror, expected):
    spec = importlib.util.spec_from_file_location("external_resource", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    calls = []
    monkeypatch.setattr(script, "external", lambda **given: calls.append(given))
    script.external_resource("mfq30", "catalogue.yaml", "cache", mirror, {}, "out/mfq30.yaml")
    assert calls == [
        {
            "name": "mfq30",
            "catalogue": Path("catalogue.yaml"),
            "output": Path("out/mfq30.yaml"),
            "cache": Path("cache"),
            "mirror": expected,
        }
    ]
