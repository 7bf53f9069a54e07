"""The JSON schema and the tables of config/README.md follow the declared keys."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from persona_collapse.common.keys import Keys
from persona_collapse.endpoints import base, openai, recorded, simulated
from persona_collapse.study import model, resolved, settings
from tests.helpers import reference

HINT = "is out of date; run: make reference"


def test_json_schema_is_up_to_date() -> None:
    written = json.loads(reference.SCHEMA.read_text(encoding="utf-8"))
    assert written == reference.schema(), f"{reference.SCHEMA} {HINT}"


def test_key_tables_are_up_to_date() -> None:
    text = reference.README.read_text(encoding="utf-8")
    assert text == reference.filled(text), f"{reference.README} {HINT}"
    assert set(reference.MARKER.findall(text)) == set(reference.TABLES)


def test_every_declaration_has_a_table() -> None:
    shown = {declared for declared, _ in reference.TABLES.values()}
    for module in (model, resolved, settings, base, openai, recorded, simulated):
        for declared in vars(module).values():
            own = isinstance(declared, type) and declared.__module__ == module.__name__
            if own and issubclass(declared, Keys):
                small = declared in (resolved.Probe, model.Planted, settings.PlannedValues)
                assert small or declared in shown, declared


@pytest.mark.parametrize("path", sorted(reference.CONFIG.glob("studies/*.yaml")), ids=str)
def test_json_schema_accepts_shipped_studies(path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../study.schema.json\n")
    validator = Draft202012Validator(json.loads(reference.SCHEMA.read_text(encoding="utf-8")))
    assert [fault.message for fault in validator.iter_errors(yaml.safe_load(text))] == []


def test_json_schema_refuses_an_unknown_key() -> None:
    study = yaml.safe_load((reference.CONFIG / "studies/quick.yaml").read_text(encoding="utf-8"))
    study["models"]["gpt-4o"]["variants"]["base"]["fidelty"] = 1
    assert list(Draft202012Validator(reference.schema()).iter_errors(study))
