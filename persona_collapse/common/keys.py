"""Declare the keys of a file as a frozen dataclass: type, default and meaning of each.

``common.faults`` checks documents against such classes with pydantic. This module does not import
pydantic, so that jobs which read checked files start faster.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar


class _Names(dict[str, Any]):
    """A class body that refuses repeated names."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self and not name.startswith("__"):
            raise TypeError(f"the key {name!r} is declared twice in {self['__qualname__']}")
        super().__setitem__(name, value)


class _Declared(type):
    @classmethod
    def __prepare__(cls, name: str, bases: tuple[type, ...], /, **more: Any) -> _Names:
        return _Names()

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> _Declared:
        for base in bases:
            twice = set(body.get("__annotations__", {})) & set(
                getattr(base, "__dataclass_fields__", {})
            )
            if twice:
                raise TypeError(
                    f"the key {min(twice)!r} is declared twice: in {base.__qualname__} and {name}"
                )
        return super().__new__(cls, name, bases, dict(body))


class Keys(metaclass=_Declared):
    """Base class of declarations: no other keys are accepted and no value is converted."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "strict": True}


def key(
    meaning: str, default: Any = MISSING, *, name: str = "", type: str = "", shown: str = ""
) -> Any:
    """Declare a key by its meaning and default; without a default it is required.

    ``name`` is the key's name in the file, where it differs from the field's. ``type`` and
    ``shown`` replace the type and the default in the documentation.
    """
    words = {"description": meaning, "type_words": type, "default_words": shown}
    alias = {"alias": name} if name else {}
    return field(default=default, kw_only=default is not MISSING, metadata={**words, **alias})


def keys_of(declared: Any) -> dict[str, Field[Any]]:
    """Return the fields of a declaration by the names that the file uses."""
    return {part.metadata.get("alias", part.name): part for part in fields(declared)}


def plain(value: Any) -> Any:
    """Return a declaration's values as dicts and lists, for params, JSON and YAML."""
    if hasattr(value, "__dataclass_fields__"):
        value = asdict(value)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def given(keys: Any) -> dict[str, Any]:
    """Return a declaration's values that are not None, as dicts and lists."""
    return {name: value for name, value in plain(keys).items() if value is not None}


class Limits:
    """Limits of a value, under pydantic's names: ``ge``, ``gt``, ``le``, ``lt``, ``min_length``."""

    def __init__(self, **limits: float) -> None:
        self.limits = limits

    def __repr__(self) -> str:
        return f"Limits({self.limits})"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        schema = {**handler(source), **self.limits}
        if source is not float:
            return schema
        # Integers stay integers: requests and the keys of stored answers depend on it.
        return core_schema.no_info_wrap_validator_function(
            lambda value, check: (check(value), value)[1], schema
        )


@dataclass(frozen=True)
class Matches:
    """A pattern that a text must match; ``meaning`` describes it: "a text with {item}"."""

    pattern: str
    meaning: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def check(value: Any) -> Any:
            if not re.search(self.pattern, str(value)):
                raise PydanticCustomError("pattern", "{meaning}", {"meaning": self.meaning})
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {**handler(schema), "pattern": self.pattern}


@dataclass(frozen=True)
class Unique:
    """A list without repetitions."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def check(value: tuple[Any, ...]) -> Any:
            for place, entry in enumerate(value):
                if entry in value[:place]:
                    raise PydanticCustomError("twice", "{entry} is listed twice", {"entry": entry})
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {**handler(schema), "uniqueItems": True}


NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$"  # of files and folders, so no longer ones
Name = Annotated[
    str,
    Matches(
        NAME,
        "a name of at most 100 letters a to z, digits and . _ + - that starts with a letter or "
        "digit",
    ),
]
Text = Annotated[str, Limits(min_length=1)]
Place = Annotated[
    str, Matches(r"^[^{}\x00-\x1f]+$", "a path without braces and control characters")
]
Names = Annotated[tuple[str, ...], Limits(min_length=1), Unique()]
GitBlob = Annotated[str, Matches("^[0-9a-f]{40}$", "a git blob id of 40 hex digits")]
Sha256 = Annotated[str, Matches("^[0-9a-f]{64}$", "a sha256 of 64 hex digits")]
Count = Annotated[int, Limits(ge=1)]
Natural = Annotated[int, Limits(ge=0)]
Positive = Annotated[float, Limits(gt=0)]
NonNegative = Annotated[float, Limits(ge=0)]
Share = Annotated[float, Limits(ge=0, le=1)]
Percentage = Annotated[float, Limits(ge=0, le=100)]
Number = Annotated[float, Limits()]
