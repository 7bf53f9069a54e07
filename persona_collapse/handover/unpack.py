"""Unpack the archive of a bundle that anybody may have written: all of it as listed, or nothing.

Every file must be plain, inside the bundle's one folder, in its list of checksums, as large as its
entry says, and together no larger than ``MOST_BYTES``. Nothing is written beyond these sizes.
"""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from persona_collapse.common.errors import UserError

SUMS = "SHA256SUMS"
MOST_FILES, MOST_BYTES = 100_000, 16 << 30
MOST_SUMS_BYTES = 64 << 20
BY_HAND = "if you trust it, unpack it yourself and give the folder instead"
_SUM = re.compile(r"([0-9a-f]{64})  (\S.*)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|(^|/)[A-Za-z]:")  # also what other systems read as a path
_PIECE = 1 << 20
# What a damaged or forged archive makes the library raise, encryption included.
_FAULTS = (
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
    zipfile.BadZipFile,
    zlib.error,
)


def unpacked(archive: Path, folder: Path) -> Path:
    """Return the folder of a bundle's content, which is checked and unpacked once into ``folder``.

    Raises:
        UserError: the archive is no bundle, is damaged, or holds what a bundle does not.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            top, entries = _entries(packed)
            sums = _sums(packed, entries)
            total = sum(entry.file_size for entry in entries.values())
            listing = "\n".join(f"{e.filename} {e.CRC} {e.file_size}" for e in entries.values())
            content = f"{listing}\n{sums}".encode()
            target = folder / f"{top}-{hashlib.sha256(content).hexdigest()[:12]}"
            if not target.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                free = shutil.disk_usage(folder).free
                if total > free:
                    raise OSError(f"it needs {total:,} bytes, and {folder} has {free:,}")
                _unpack(packed, entries, sums, target)
    except _FAULTS as fault:
        raise UserError(f"{archive}: cannot be unpacked: {fault}; fetch it again") from None
    except _NoBundleError as fault:
        raise UserError(f"{archive}: is no bundle: {fault}; nothing was unpacked") from None
    return target


class _NoBundleError(Exception):
    """The archive holds what no bundle holds."""


def _entries(packed: zipfile.ZipFile) -> tuple[str, dict[str, zipfile.ZipInfo]]:
    """Return the one folder of an archive and its files, by their places in it."""
    infos = packed.infolist()
    if len(infos) > MOST_FILES:
        raise _NoBundleError(f"it has {len(infos):,} files, more than {MOST_FILES:,}; {BY_HAND}")
    tops = {info.filename.partition("/")[0] for info in infos}
    if len(tops) != 1:
        raise _NoBundleError(f"its files lie in {len(tops)} folders")
    (top,) = tops
    entries: dict[str, zipfile.ZipInfo] = {}
    known: dict[str, str] = {}  # files and folders as a file system that ignores case names them
    for info in infos:
        _check_name(info)
        place = PurePosixPath(info.filename).relative_to(top).as_posix()
        if info.is_dir():
            if info.file_size:
                raise _NoBundleError(f"the folder {info.filename!r} has a content")
            continue
        _check_kind(info)
        if (twin := known.setdefault(_folded(place), place)) != place or place in entries:
            raise _NoBundleError(f"two files have the name {twin!r}")
        entries[place] = info
    for place in entries:
        for parent in PurePosixPath(place).parents:
            if _folded(str(parent)) in known:
                raise _NoBundleError(f"{str(parent)!r} is a file and a folder")
    for info in infos:
        inside = info.filename.partition("/")[2]
        if info.is_dir() and inside and not any(place.startswith(inside) for place in entries):
            raise _NoBundleError(f"the folder {info.filename!r} is empty")
    total = sum(entry.file_size for entry in entries.values())
    if total > MOST_BYTES:
        raise _NoBundleError(f"it unpacks to {total:,} bytes, more than {MOST_BYTES:,}; {BY_HAND}")
    return top, entries


def _check_name(info: zipfile.ZipInfo) -> None:
    """Refuse a name that leads out of the folder, here or on another system."""
    parts = info.filename.removesuffix("/").split("/")
    outside = len(parts) == 1 and not info.is_dir()
    unsafe = info.orig_filename != info.filename or _UNSAFE.search(info.filename)
    if outside or unsafe or any(part in ("", ".", "..") for part in parts):
        raise _NoBundleError(f"its file {info.orig_filename!r} has no safe name")


def _check_kind(info: zipfile.ZipInfo) -> None:
    """Refuse links, devices, encrypted files, and compressions that a bundle does not use."""
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _NoBundleError(f"{info.filename!r} is a link or another special file")
    if info.flag_bits & 1:
        raise _NoBundleError(f"{info.filename!r} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _NoBundleError(f"{info.filename!r} is compressed in another way than a bundle's")


def _folded(place: str) -> str:
    return unicodedata.normalize("NFC", place).casefold()


def _sums(packed: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> dict[str, str]:
    """Return the sha256 of every file but the list itself; the list names all and no other."""
    if SUMS not in entries:
        raise _NoBundleError(f"it has no list of checksums, {SUMS}")
    if entries[SUMS].file_size > MOST_SUMS_BYTES:
        raise _NoBundleError(f"its list of checksums, {SUMS}, is too long")
    text = b"".join(_content(packed, entries[SUMS])).decode("utf-8")
    sums: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        found = _SUM.fullmatch(line)
        if found is None or found[2] in sums:
            raise _NoBundleError(f"{SUMS}, line {number}: is no checksum of another file")
        sums[found[2]] = found[1]
    if more := sorted(entries.keys() - sums.keys() - {SUMS}):
        raise _NoBundleError(f"{SUMS} does not list {more[0]!r}{_others(len(more))}")
    if lost := sorted(sums.keys() - entries.keys()):
        raise OSError(f"it lacks {lost[0]!r}{_others(len(lost))}, which {SUMS} lists")
    return sums


def _others(count: int) -> str:
    return f" and {count - 1:,} more" if count > 1 else ""


def _unpack(
    packed: zipfile.ZipFile,
    entries: dict[str, zipfile.ZipInfo],
    sums: dict[str, str],
    target: Path,
) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as half:
        content = Path(half) / "content"
        for place, entry in entries.items():
            path = content / place
            path.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with path.open("xb") as file:
                for piece in _content(packed, entry):
                    digest.update(piece)
                    file.write(piece)
            if place != SUMS and digest.hexdigest() != sums[place]:
                raise OSError(f"{place} is not what {SUMS} says")
        try:
            content.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise


def _content(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a file in pieces; refuse one that is larger or smaller than its entry says."""
    # The library stops at the announced size and would not notice more.
    whole = copy.copy(entry)
    whole.file_size = entry.file_size + _PIECE
    size = 0
    with packed.open(whole) as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > entry.file_size:
                break
            yield piece
    if size != entry.file_size:
        raise OSError(f"{entry.filename} has not the {entry.file_size:,} bytes that it announces")
