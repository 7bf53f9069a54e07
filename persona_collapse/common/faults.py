"""Check documents against declared keys; an error names the key and the rule that it breaks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.keys import keys_of
from persona_collapse.common.secrets import masked
from persona_collapse.common.yaml import parse, read_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
# The environment variable with what the planning process has checked, as digests of
# text and declaration. Jobs then do not import pydantic.
CHECKED = "PERSONA_COLLAPSE_CHECKED"
# What is wrong with a value, by the rule of pydantic that it breaks.
BROKEN = {
    "pattern": "is not {meaning}",
    "greater_than_equal": "is less than the minimum of {ge:g}",
    "greater_than": "is not above {gt:g}",
    "less_than_equal": "is greater than the maximum of {le:g}",
    "less_than": "is not below {lt:g}",
}
UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")


def read_document(path: Path, kind: type[T]) -> T:
    """Read a YAML file as an instance of a declaration, or as a mapping of such instances.

    Documents that this process or its parent has checked are not checked again. Raises
    ``UserError`` with the path of the key for the most informative fault.
    """
    text = read_text(path)
    document = parse(text, path)
    mark = _short_digest(f"{kind}\0{text}")
    checked = os.environ.get(CHECKED, "").split()
    head, _, body = text.partition("\n")
    if mark in checked or head.endswith(f"; checked {_short_digest(body)}"):
        built: T = build(kind, document)
        return built
    value = check(document, kind, str(path))
    os.environ[CHECKED] = " ".join([*checked, mark])
    return value


def mark_checked(text: str, origin: str) -> str:
    """Return a checked YAML text with a first line by which ``read_document`` trusts it."""
    return f"# Made by the workflow from {origin}; checked {_short_digest(text)}\n{text}"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build(kind: Any, value: Any) -> Any:
    """Return a checked document's value as an instance of its declaration."""
    kind = _bare(kind)
    if hasattr(kind, "__dataclass_fields__"):
        hints = _hints(kind)
        names = {name: part.name for name, part in keys_of(kind).items()}
        return kind(**{names[key]: build(hints[names[key]], v) for key, v in value.items()})
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        return tuple(value) if inner[0] is str else tuple(build(inner[0], v) for v in value)
    if get_origin(kind) is dict and isinstance(value, dict):
        return {key: build(inner[1], v) for key, v in value.items()}
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def check(document: Any, kind: type[T], where: str, at: tuple[str | int, ...] = ()) -> T:
    """Return a document as an instance of a declaration.

    Raises ``UserError`` for an unknown key first, then for the shallowest fault, then for what the
    declaration's own ``faults()`` yields: the path of a key and what is wrong with it. ``where`` is
    the file, ``at`` the path of the document in it.
    """
    from pydantic import ValidationError

    try:
        # As JSON a list may become a tuple, while no other value is converted.
        result: T = _adapter(cast(Hashable, kind)).validate_json(json.dumps(document, default=str))
    except ValidationError as fault:
        errors = _causes(fault.errors(include_url=False))
        first = min(errors, key=lambda e: (e["type"] not in UNKNOWN, len(e["loc"])))
        alike = [e for e in errors if e["type"] == "missing" and e["loc"][:-1] == first["loc"][:-1]]
        missing = [str(e["loc"][-1]) for e in alike]
        raise UserError(f"{where}: {explain(kind, first, missing, at)}") from None
    for name, part in result.items() if isinstance(result, dict) else [(None, result)]:
        for place, problem in part.faults() if hasattr(part, "faults") else ():
            path = key_path([*at, *([] if name is None else [name]), *place])
            raise UserError(f"{where}: {path}: {problem}")
    return result


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Compile a declaration once: a study of many models is checked in many parts."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _causes(errors: list[Any]) -> list[Any]:
    """Leave out lists and mappings that only lack entries because of faults in the entries.

    pydantic counts the valid entries: thirty faulty items are also reported as an empty list.
    """
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if not error["type"].endswith("too_short")
        or not any(place[: len(error["loc"])] == error["loc"] != place for place in places)
    ]


def explain(
    kind: Any, error: Mapping[str, Any], missing: Sequence[str], at: tuple[str | int, ...]
) -> str:
    """Return one line: which key is wrong, what was expected, the nearest valid name.

    ``missing`` are all keys that are missing where this error is.
    """
    path, hint = _place(kind, error["loc"])
    rule, value, limits = error["type"], error["input"], error.get("ctx", {})
    place = key_path([*at, *path])
    if rule in UNKNOWN:
        valid = list(keys_of(_bare(_place(kind, path[:-1])[1])))
        keys = f"; the keys here are: {', '.join(valid)}" if valid else ""
        return f"{place}: unknown key{nearest(str(path[-1]), valid)}{keys}"
    if rule == "missing":
        *most, last = map(repr, missing)
        keys = f"keys {', '.join(most)} and {last} are" if most else f"key {last} is"
        return f"{key_path([*at, *path[:-1]])}: the {keys} missing"
    if error["loc"][-1:] == ("[key]",):
        parent = key_path([*at, *path[:-1]])
        return f"{parent}: {_cut(repr(path[-1]))} cannot be used as a name ({error['msg']})"
    shown = _shown(value)
    if rule in BROKEN:
        return f"{place}: {shown} {BROKEN[rule].format(**limits)}"
    if rule.endswith("too_short"):
        least = limits.get("min_length", 1)
        return f"{place}: must not be empty" if least == 1 else f"{place}: needs {least} entries"
    if rule == "literal_error":
        choices = [str(choice) for choice in _choices(hint)]
        return f"{place}: {shown} is not one of: {', '.join(choices)}{nearest(str(value), choices)}"
    if rule.endswith("_type"):
        return f"{place}: expected {_type_words(hint)}, found {shown}"
    return f"{place}: {error['msg']}"


def _place(kind: Any, loc: Iterable[str | int]) -> tuple[list[str | int], Any]:
    """Return the path of keys of an error, and the type that is declared there."""
    path: list[str | int] = []
    for part in loc:
        kind = _bare(kind)
        origin, inner = get_origin(kind), get_args(kind)
        if part == "[key]" or origin in (Union, UnionType):
            break  # pydantic goes on with the names of alternatives
        path.append(part)
        if is_dataclass(kind):
            known = keys_of(kind).get(str(part))
            kind = get_type_hints(kind, include_extras=True)[known.name] if known else None
        elif origin in (tuple, dict):
            kind = inner[-1] if origin is dict else inner[0]
    return path, kind


def _bare(kind: Any) -> Any:
    """Return a type without annotations, and without None beside one other type."""
    while True:
        inner = [part for part in get_args(kind) if part is not type(None)]
        optional = get_origin(kind) in (Union, UnionType) and len(inner) == 1
        if get_origin(kind) is not Annotated and not optional:
            return kind
        kind = inner[0]


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(_bare(kind)) if get_origin(_bare(kind)) is Literal else ()


def _type_words(kind: Any) -> str:
    """Return the types that a declaration accepts: "an integer or nothing"."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_type_words(part) for part in get_args(kind))
    words = {int: "an integer", float: "a number", bool: "true or false", type(None): "nothing"}
    words |= {dict: "a mapping", tuple: "a list"}
    base = get_origin(kind) or kind
    return "a mapping" if is_dataclass(base) else words.get(base, "a text")


def key_path(parts: Iterable[str | int]) -> str:
    """Return a path of keys as text: ``models.gpt-4o.variants[0]``."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "the file as a whole"


def _shown(value: Any) -> str:
    return _cut(masked(json.dumps(value, ensure_ascii=False, default=str)))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
