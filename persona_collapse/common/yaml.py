"""Reading YAML files: every one is checked by a closed schema and refused with the key's path."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Hashable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from persona_collapse.common.errors import UserError, nearest

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

SCHEMAS = Path(__file__).resolve().parents[2] / "workflow" / "schemas"
# The environment variable that hands down to jobs what the planning process has checked: digests
# of text and schema. A job of a shard then needs neither the check nor the library behind it.
CHECKED = "PERSONA_COLLAPSE_CHECKED"


class _UniqueKeyLoader(yaml.CSafeLoader):
    """A safe loader that refuses a key given twice, where YAML would keep the last in silence."""


def _mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    # Before merge keys (`<<`) are resolved: an own key may stand beside a merged one of its name.
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            _refuse(key_node, f"the key {key!r} is read as {type(key).__name__}; put it in quotes")
        if key in seen:
            _refuse(key_node, f"the key {key!r} is given twice")
        seen.add(key)
    return dict(loader.construct_mapping(node, deep=True))


def _refuse(node: yaml.Node, problem: str) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
# A date stays a text: nothing here is a date, and model names look like one ("2024-08-06").
_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """Parse a YAML file; raise ``UserError`` that names the file, the line and the fault."""
    return parse(read_text(path), path)


def read_text(path: Path) -> str:
    """Return a file's text; raise ``UserError`` that names the file where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, not a YAML file") from None
    except UnicodeDecodeError as fault:
        raise UserError(f"{path}: is not UTF-8 (byte {fault.start}); save it as UTF-8") from None
    except OSError as fault:
        raise UserError(f"{path}: cannot be read: {fault.strerror}") from None


def parse(text: str, path: Path) -> Any:
    """Parse the text of a YAML file; ``path`` is for messages."""
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.MarkedYAMLError as fault:
        line = f", line {fault.problem_mark.line + 1}" if fault.problem_mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {fault.problem}") from None
    except yaml.reader.ReaderError as fault:
        number = text.encode()[: fault.position].count(b"\n") + 1  # it counts bytes of UTF-8
        raise UserError(f"{path}, line {number}: not valid YAML: {fault.reason}") from None
    except ValueError as fault:  # a number that YAML's pattern accepts and Python does not: 0b_
        raise UserError(f"{path}: not valid YAML: {fault}") from None


def read_document(path: Path, schema: str) -> dict[str, Any]:
    """Read a YAML file and check it against ``workflow/schemas/<schema>.schema.yaml``.

    A text that this process or the one that started it has checked is not checked again.
    """
    text = read_text(path)
    document = parse(text, path)
    mark = hashlib.sha256(f"{schema}\0{text}".encode()).hexdigest()[:16]
    known = os.environ.get(CHECKED, "").split()
    if mark not in known:
        check(document, schema, str(path))
        os.environ[CHECKED] = " ".join([*known, mark])
    assert isinstance(document, dict)
    return document


def check(document: Any, schema: str, where: str, at: tuple[str | int, ...] = ()) -> None:
    """Raise ``UserError`` for the most telling fault of a document, with the path of its key.

    ``schema`` is a file's stem, or ``stem#/$defs/name`` for a part of it; ``at`` is where in the
    whole file the document stands.
    """
    # Imported here: what was checked before is read without it.
    from jsonschema.exceptions import best_match, by_relevance

    # A misspelt key is also a missing one: the misspelling is what helps.
    relevance = by_relevance(strong=frozenset({"additionalProperties"}))
    fault = best_match(_validator(schema).iter_errors(document), key=relevance)
    if fault is not None:
        fault.path.extendleft(reversed(at))
        raise UserError(f"{where}: {explain(fault)}")


@cache
def _validator(schema: str) -> Draft202012Validator:
    """Read a schema once: a study of many models is checked in many parts."""
    from jsonschema import Draft202012Validator

    stem, _, part = schema.partition("#")
    rules = _rules(stem)
    if part:
        rules = {"$ref": f"#{part}", "$defs": rules["$defs"]}
    return Draft202012Validator(rules)


@cache
def _rules(stem: str) -> Any:
    return read_yaml(SCHEMAS / f"{stem}.schema.yaml")


def explain(fault: ValidationError) -> str:
    """Say in one line which key is wrong, what was expected and the nearest valid name."""
    place = key_path(fault.absolute_path)
    keyword, found = str(fault.validator), fault.instance
    expected: Any = fault.validator_value
    schema: dict[str, Any] = fault.schema if isinstance(fault.schema, dict) else {}
    if keyword == "additionalProperties" and isinstance(found, dict):
        return _unknown_key(list(fault.absolute_path), found, schema)
    if keyword == "required" and isinstance(found, dict):
        missing = [key for key in expected if key not in found]
        return f"{place}: the key {missing[0]!r} is missing"
    if keyword in ("enum", "const"):
        choices = [str(choice) for choice in (expected if keyword == "enum" else [expected])]
        hint = nearest(str(found), choices)
        return f"{place}: {_shown(found)} is not one of: {', '.join(choices)}{hint}"
    if keyword == "type":
        return f"{place}: expected {_type_names(expected)}, found {_shown(found)}"
    if keyword == "not":
        return f"{place}: {_shown(found)} is not allowed here"
    if keyword == "pattern":
        note = schema.get("description", f"a text that matches {expected}")
        return f"{place}: {_shown(found)} is not {note}"
    return f"{place}: {fault.message}"


def _unknown_key(place: list[str | int], found: dict[str, Any], schema: dict[str, Any]) -> str:
    valid = list(schema.get("properties", {}))
    patterns = list(schema.get("patternProperties", {}))
    unknown = next(
        key
        for key in found
        if key not in valid and not any(re.search(pattern, str(key)) for pattern in patterns)
    )
    if patterns:
        note = schema.get("description", f"names match {patterns[0]}")
        return f"{key_path(place)}: {unknown!r} cannot be used as a name ({note})"
    known = f"; the keys here are: {', '.join(valid)}" if valid else ""
    return f"{key_path([*place, unknown])}: unknown key{nearest(unknown, valid)}{known}"


def key_path(parts: Iterable[str | int]) -> str:
    """Write a path of keys as a reader would: ``models.gpt-4o.variants[0]``."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "the file as a whole"


def _type_names(expected: str | list[str]) -> str:
    names = {"object": "a mapping", "array": "a list", "string": "a text", "integer": "an integer"}
    names |= {"number": "a number", "boolean": "true or false", "null": "nothing"}
    kinds = [expected] if isinstance(expected, str) else expected
    return " or ".join(names[kind] for kind in kinds)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
