"""config/README.md describes every key that a schema allows, with its true default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from persona_collapse.study.defaults import ANALYSIS, BLOCKS, SAMPLING
from tests.conftest import ROOT

TEXT = (ROOT / "config" / "README.md").read_text(encoding="utf-8")


def keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield name
            yield from keys(inner)
        for part in ("additionalProperties", "$defs"):
            inner = schema.get(part)
            for found in inner.values() if part == "$defs" and inner else [inner]:
                yield from keys(found)


def test_every_key_is_described() -> None:
    for stem in ("config", "study"):
        path = ROOT / "workflow" / "schemas" / f"{stem}.schema.yaml"
        for name in set(keys(yaml.safe_load(path.read_text(encoding="utf-8")))):
            assert re.search(rf"`(?:[\w.]+\.)?{name}\b", TEXT), f"{stem}: {name} is not described"


def test_the_defaults_are_the_true_ones() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| `?([^|`]+?)`? \|", TEXT, re.M))
    for name, value in {**SAMPLING, **BLOCKS, **ANALYSIS}.items():
        if value is not None and name not in ("personas", "repetitions"):
            assert rows[name] == str(value), name
    for name in ("personas", "items", "repetitions"):
        assert re.search(rf"^\| `{name}` \| integer \| {BLOCKS[name]} \|", TEXT, re.M), name
