"""Packed data of the page: JSON compressed with gzip, which the browser decodes when needed."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any


def pack(value: Any) -> bytes:
    """Return a value as gzip of JSON; equal values give equal bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def unpack(content: bytes) -> Any:
    """Return the value of packed bytes."""
    return json.loads(gzip.decompress(content))


def written(path: str | Path, value: Any) -> None:
    """Write a value packed."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(pack(value))


def as_text(value: Any) -> str:
    """Return a packed value as base64, which can stand in a page; ``packed.js`` decodes it."""
    return base64.b64encode(pack(value)).decode()
