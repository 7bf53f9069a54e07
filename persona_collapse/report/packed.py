"""Packed data of the page: bytes or JSON as gzip, which the browser decodes when needed."""

import base64
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError

LEVEL = 7  # the highest, 9, is ten times slower for a twentieth less


def compressed(data: bytes) -> bytes:
    """Return data as gzip; equal data give equal bytes."""
    return gzip.compress(data, LEVEL, mtime=0)


def pack(value: Any) -> bytes:
    """Return a value as gzip of JSON."""
    return compressed(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def unpack(content: bytes) -> Any:
    """Return the value of packed bytes."""
    return json.loads(gzip.decompress(content))


def read(path: str | Path) -> Any:
    """Return the value of a packed file.

    Raises:
        UserError: the file is absent or holds something else.
    """
    try:
        return unpack(Path(path).read_bytes())
    except (OSError, EOFError, ValueError, zlib.error) as fault:
        raise UserError(f"{path}: not readable ({fault}); make it again") from None


def written(path: str | Path, value: Any) -> None:
    """Write a value packed."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(pack(value))


def encoded(content: bytes) -> str:
    """Return compressed data as base64, which can stand in a page; ``page.js`` decodes it."""
    return base64.b64encode(content).decode()


def as_text(value: Any) -> str:
    """Return a packed value as base64."""
    return encoded(pack(value))
