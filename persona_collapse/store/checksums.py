"""Checksums of the answer store: of each line of a file, and of a whole compacted file.

A line of JSON ends in ``,"crc":"<CRC-32 of all before, 8 hex digits>"}``. The name of a compacted
file ends in 16 hex digits of its SHA-256. Files of earlier versions have neither and stay readable.
"""

import hashlib
import re
from pathlib import Path
from zlib import crc32

_KEY, _END = b',"crc":"', b'"}\n'
_LENGTH = len(_KEY) + 8 + len(_END)
_NAME = re.compile(r"compacted-[0-9a-f]{16}-([0-9a-f]{16})\.parquet")


def with_checksum(line: bytes) -> bytes:
    """Return a line of JSON, an object, with its checksum as the last key."""
    body = line.removesuffix(b"}\n")
    return body + _seal(body)


def line_is_whole(line: bytes) -> bool | None:
    """Return whether a line fits its checksum; None for a line without one."""
    seal = line[-_LENGTH:]
    if seal.startswith(_KEY) and seal.endswith(_END):
        return seal == _seal(line[:-_LENGTH])
    return None


def _seal(body: bytes) -> bytes:
    return b"%b%08x%b" % (_KEY, crc32(body), _END)


def compacted_name(names: str, path: Path) -> str:
    """Return the name of a compacted file with the content of ``path``, made of files ``names``."""
    return f"compacted-{names[:16]}-{_file_digest(path)}.parquet"


def file_is_whole(path: Path) -> bool | None:
    """Return whether a compacted file fits the checksum in its name; None for one without."""
    found = _NAME.fullmatch(path.name)
    return _file_digest(path) == found[1] if found else None


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
