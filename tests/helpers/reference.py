"""What is generated from the declared keys: a JSON schema for editors, the tables of config/README.

``make reference`` writes both anew.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, Field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from persona_collapse.common.keys import Keys, Limits, keys_of
from persona_collapse.endpoints import base
from persona_collapse.endpoints.openai import Thinking
from persona_collapse.endpoints.simulated import PlantedKeys
from persona_collapse.layouts.keys import Columns, First, Layout
from persona_collapse.study import model, settings

# Kinds of other packages are left out: the generated files are those of this project.
ENDPOINTS = {kind: base.find(kind) for kind in base.KINDS}
CONFIG = Path("config")
README, SCHEMA = CONFIG / "README.md", CONFIG / "study.schema.json"
# What a table of config/README.md lists, by the name in its marker, and the prefix of its keys.
TABLES: dict[str, tuple[type[Keys], str]] = {
    "run settings": (settings.RunSettings, ""),
    "run settings: resources": (settings.ResourceSettings, "resources."),
    "study": (model.StudyKeys, ""),
    **{f"{kind} endpoint": (found.Settings, "") for kind, found in ENDPOINTS.items()},
    **{f"{kind} variant": (found.VariantSettings, "") for kind, found in ENDPOINTS.items()},
    "endpoint": (base.EndpointKeys, ""),
    "variant": (base.VariantKeys, ""),
    "layout": (Layout, "layout."),
    "layout: columns": (Columns, "layout.columns."),
    "layout: first": (First, "layout.first."),
    "planted": (PlantedKeys, "planted."),
    "thinking": (Thinking, "thinking."),
    "finetune": (base.FinetuneKeys, "finetune."),
    "datasets": (model.DatasetKeys, ""),
    "models": (model.ModelKeys, ""),
    "probes": (model.ProbeKeys, ""),
    "sampling": (model.Sampling, ""),
    "misalignment": (model.Misalignment, "misalignment."),
    "misalignment: columns": (model.ReplyColumns, "misalignment.columns."),
    "judge": (model.Judge, "misalignment.judge."),
    "budget": (model.Budget, ""),
    "shards": (model.Shards, ""),
    "analysis": (model.Analysis, ""),
    "power": (model.Power, "power."),
}
MARKER = re.compile(r"<!-- keys: ([\w: ]+) -->\n.*?<!-- end -->", re.DOTALL)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a study file; endpoints and variants are those of some kind."""
    study = TypeAdapter(model.StudyKeys).json_schema()
    parts = {"endpoints": "endpoint", "variants": "variant"}
    for name, part in parts.items():
        for kind, found in ENDPOINTS.items():
            declared = found.Settings if part == "endpoint" else found.VariantSettings
            entry = TypeAdapter(declared).json_schema()
            study["$defs"] |= entry.pop("$defs", {})
            study["$defs"][f"{kind} {part}"] = entry
            if part == "endpoint":
                entry["properties"]["kind"] |= {"const": kind}
        holder = study if name == "endpoints" else study["$defs"]["ModelKeys"]
        (pattern,) = holder["properties"][name]["patternProperties"]
        holder["properties"][name]["patternProperties"][pattern] = {
            "anyOf": [{"$ref": f"#/$defs/{kind} {part}"} for kind in ENDPOINTS]
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_tidy(study),
        "title": "A study of persona-collapse",
    }


def _tidy(part: Any) -> Any:
    """Leave out the titles that pydantic makes of names; refuse names that match no pattern."""
    if isinstance(part, list):
        return [_tidy(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    kept = {k: _tidy(v) for k, v in part.items() if k != "title" or not isinstance(v, str)}
    return {**kept, "additionalProperties": False} if "patternProperties" in kept else kept


def table(declared: type[Keys], prefix: str = "") -> str:
    """Return the keys of a declaration as a Markdown table."""
    shared = {
        name for parent in declared.__bases__ for name in getattr(parent, "__annotations__", {})
    }
    hints = get_type_hints(declared, include_extras=True)
    rows = ["| key | type | default | effect |", "|---|---|---|---|"]
    rows += [
        f"| `{prefix}{name}` | {part.metadata['type_words'] or type_words(hints[part.name])} "
        f"| {_default(part)} | {part.metadata['description']} |"
        for name, part in keys_of(declared).items()
        if part.name not in shared
    ]
    return "\n".join(rows)


def _default(part: Field[Any]) -> str:
    if part.metadata["default_words"]:
        return str(part.metadata["default_words"])
    if part.default is MISSING:
        return "required"
    if part.default is None:
        return "none"
    value = list(part.default) if isinstance(part.default, tuple) else part.default
    return f"`{value}`" if isinstance(value, str) else json.dumps(value)


def type_words(kind: Any) -> str:
    """Say in the words of the documentation which values a declaration accepts."""
    limits: dict[str, float] = {}
    while get_origin(kind) is Annotated:
        limits |= next((m.limits for m in get_args(kind) if isinstance(m, Limits)), {})
        kind = get_args(kind)[0]
    inner = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_words(part) for part in inner))
    if get_origin(kind) is Literal:
        choices = [f"`{choice}`" for choice in inner]
        return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))
    words = {int: "integer", float: "number", bool: "true or false", str: "text", tuple: "list"}
    words |= {dict: "mapping", Path: "path"}
    word = words.get(get_origin(kind) or kind, "mapping")
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    if word not in ("integer", "number") or low is None or (word == "integer" and low == 1):
        return word
    if high is not None:
        return f"{word} from {low} to {high}"
    return f"{word} {'>=' if 'ge' in limits else '>'} {low}"


def filled(text: str) -> str:
    """Return a document with the table of keys that each of its markers names."""

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- keys: {name} -->\n{table(*TABLES[name])}\n<!-- end -->"

    return MARKER.sub(one, text)


def write() -> None:
    """Write the JSON schema and the tables of config/README.md anew."""
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
