"""Read YAML files; an error names the file, the line and the problem."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from persona_collapse.common.errors import UserError


class _UniqueKeyLoader(yaml.CSafeLoader):
    """A safe loader that refuses repeated keys, where YAML silently keeps the last."""


def _mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    # Before merge keys (`<<`) are resolved: a mapping may override a merged key.
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
# Dates stay texts: no value is a date, and model names look like one ("2024-08-06").
_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """Parse a YAML file; raise ``UserError`` that names the file, the line and the problem."""
    return parse(read_text(path), path)


def read_text(path: Path) -> str:
    """Return a file's text; raise ``UserError`` where it cannot be read."""
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
