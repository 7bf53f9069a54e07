"""File names with ``{model}``, ``{variant}``, ``{probe}``, ``{persona}`` and ``{repetition}``."""

import glob
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest

NAMES = ("model", "variant", "probe")  # known from the study
LABELS = ("persona", "repetition")  # read out of the names of files
PLACEHOLDER = re.compile(r"\{(\w*)\}")


def filled(text: str, names: Mapping[str, str], where: str) -> str:
    """Return a text with ``NAMES`` filled in and ``LABELS`` kept; refuse other placeholders."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in names:
            return names[name]
        if name in LABELS:
            return match[0]
        known = ", ".join(f"{{{known}}}" for known in (*NAMES, *LABELS))
        hint = nearest(name, (*NAMES, *LABELS))
        raise UserError(f"{where}: {match[0]} stands for nothing{hint}; known: {known}")

    return PLACEHOLDER.sub(value, text)


def filled_values(rows: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return the values of a ``where`` with ``names`` filled in."""

    def one(value: Any, place: str) -> Any:
        return filled(value, names, place) if isinstance(value, str) else value

    return {
        name: [one(v, f"{where}.{name}") for v in value]
        if isinstance(value, list)
        else one(value, f"{where}.{name}")
        for name, value in rows.items()
    }


def has_labels(pattern: str) -> bool:
    """Return whether a pattern stands for several files, with labels in their names."""
    return any(f"{{{label}}}" in pattern for label in LABELS)


@cache
def found(root: Path, pattern: str, where: str) -> tuple[str, ...]:
    """Return the files below ``root`` that a pattern with labels matches, sorted by name.

    Raises ``UserError`` where there is none, with the nearest name that is there.
    """
    parts = PLACEHOLDER.split(pattern)
    wild = "".join("*" if place % 2 else glob.escape(part) for place, part in enumerate(parts))
    rule = re.compile(_rule(pattern))
    paths = [path for path in sorted(root.glob(wild)) if rule.search(path.as_posix())]
    if not paths:
        folder = root / pattern.partition("{")[0]
        folder = folder if folder.is_dir() else folder.parent
        there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        shown = f"; it has: {', '.join(there[:5])}" if there else " (there is no such folder)"
        raise UserError(f"{where}: no file matches {pattern!r}, looked for in {folder}{shown}")
    return tuple(str(path) for path in paths)


def labels(path: str, pattern: str) -> dict[str, str]:
    """Return what the labels of a pattern stand for in the path of one of its files."""
    match = re.search(_rule(pattern), Path(path).as_posix())
    return match.groupdict() if match else {}


def _rule(pattern: str) -> str:
    """Return the pattern as a regular expression of the end of a path."""
    rule, seen = "", set()
    for place, part in enumerate(PLACEHOLDER.split(pattern)):
        if not place % 2:
            rule += re.escape(part)
        elif part in seen:
            rule += f"(?P={part})"
        else:
            rule += f"(?P<{part}>[^/]+)"
            seen.add(part)
    return f"(?:^|/){rule}$"
