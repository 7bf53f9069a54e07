"""Archives that no bundle is: refused with a sentence, and nothing is written for them."""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.handover import unpack
from persona_collapse.handover.unpack import SUMS, unpacked

FILES = {"mine-reanalysis.yaml": b"title: A study\n", "tables/metrics.csv": b"model,S\n4,1\n"}
TOP = "mine.bundle"


def listed(files: Mapping[str, bytes]) -> bytes:
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    return "".join(lines).encode()


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def pack(path: Path, *more: tuple[zipfile.ZipInfo | str, bytes], sums: bytes | None = None) -> Path:
    """Write a bundle of FILES with its list of checksums, and more members."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in {**FILES, SUMS: listed(FILES) if sums is None else sums}.items():
            packed.writestr(entry(f"{TOP}/{name}"), content)
        for member, content in more:
            packed.writestr(member, content)
    return path


def refused(archive: Path, folder: Path, message: str) -> None:
    with pytest.raises(UserError, match=message):
        unpacked(archive, folder / "u")
    beside = [path for path in folder.rglob("*") if path not in (archive, folder / "u")]
    assert beside == []


def test_bundle_packed_again_with_its_folders_is_unpacked(tmp_path: Path) -> None:
    folders = [(f"{TOP}/", b""), (f"{TOP}/tables/", b"")]
    target = unpacked(pack(tmp_path / "a.zip", *folders), tmp_path / "u")
    found = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*.*")}
    assert found == FILES
    assert all(path.stat().st_mode & 0o111 == 0 for path in target.rglob("*.*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{TOP}/tables/more.csv", "does not list 'tables/more.csv'"),
        (f"{TOP}/.hidden", "does not list '.hidden'"),
        (f"{TOP}/../../evil", "no safe name"),
        (f"{TOP}/tables/../../../evil", "no safe name"),
        (f"{TOP}/./tables/metrics.csv", "no safe name"),
        (f"{TOP}//etc/evil", "no safe name"),
        (f"{TOP}/..\\..\\evil", "no safe name"),
        (f"{TOP}/C:evil", "no safe name"),
        (f"{TOP}/bell\x07", "no safe name"),
        ("/etc/evil", "in 2 folders"),
        ("../evil", "in 2 folders"),
        ("evil", "in 2 folders"),
        (TOP, "no safe name"),
        (f"{TOP}/tables/METRICS.csv", "two files have the name 'tables/metrics.csv'"),
        (f"{TOP}/Tables", "'tables' is a file and a folder"),
        (f"{TOP}/empty/", "the folder 'mine.bundle/empty/' is empty"),
    ],
)
def test_member_that_no_bundle_has_is_refused(name: str, message: str, tmp_path: Path) -> None:
    refused(pack(tmp_path / "a.zip", (entry(name), b"")), tmp_path, message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_second_member_of_one_name_is_refused(tmp_path: Path) -> None:
    name = f"{TOP}/tables/metrics.csv"
    for content in (b"other", FILES["tables/metrics.csv"]):
        archive = pack(tmp_path / "a.zip", (entry(name), content))
        refused(archive, tmp_path, "two files have the name 'tables/metrics.csv'")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_and_special_files_are_refused_even_if_listed(kind: int, tmp_path: Path) -> None:
    sums = listed({**FILES, "answers": b"/etc/passwd"})
    member = entry(f"{TOP}/answers", kind | 0o777)
    archive = pack(tmp_path / "a.zip", (member, b"/etc/passwd"), sums=sums)
    refused(archive, tmp_path, "is a link or another special file")


@pytest.mark.parametrize(
    ("sums", "message"),
    [
        (b"", "line 1: is no checksum"),
        (b"no checksum\n", "line 1: is no checksum"),
        (listed(FILES) + b"\n", "line 3: is no checksum"),
        (listed(FILES) * 2, "line 3: is no checksum of another file"),
        (listed({**FILES, "gone": b""}), "it lacks 'gone'"),
        (listed({**FILES, "../../evil": b""}), "it lacks '../../evil'"),
        (listed({**FILES, "tables/metrics.csv": b"x"}), "tables/metrics.csv is not what"),
        (listed({"tables/metrics.csv": b"x"}), "does not list 'mine-reanalysis.yaml'"),
        (b"\xff" + listed(FILES), "cannot be unpacked"),
    ],
)
def test_list_of_other_files_is_refused(sums: bytes, message: str, tmp_path: Path) -> None:
    refused(pack(tmp_path / "a.zip", sums=sums), tmp_path, message)


def test_archive_without_checksums_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for name, content in FILES.items():
            packed.writestr(f"{TOP}/{name}", content)
    refused(tmp_path / "a.zip", tmp_path, "it has no list of checksums, SHA256SUMS")


def announce(archive: Path, member: str, size: int, content: bytes) -> None:
    """Change what an archive says about a member: its size, with the checksum of that part."""
    raw = bytearray(archive.read_bytes())
    name = member.encode()
    sizes = struct.pack("<I", size)
    crc = struct.pack("<I", zipfile.crc32(content[:size]))
    with zipfile.ZipFile(archive) as packed:
        start = packed.getinfo(member).header_offset
    raw[start + 14 : start + 18], raw[start + 22 : start + 26] = crc, sizes
    central = raw.rindex(name) - 46
    raw[central + 16 : central + 20], raw[central + 24 : central + 28] = crc, sizes
    archive.write_bytes(bytes(raw))


@pytest.mark.parametrize("size", [0, 1, 1000, (3 << 20) - 1, (3 << 20) + 1, 1 << 30])
def test_member_of_another_size_than_announced_is_refused(size: int, tmp_path: Path) -> None:
    content = bytes(3 << 20)
    sums = listed({**FILES, "big": content[:size]})
    archive = pack(tmp_path / "a.zip", (entry(f"{TOP}/big"), content), sums=sums)
    announce(archive, f"{TOP}/big", size, content)
    refused(archive, tmp_path, r"cannot be unpacked: .*big")


def test_bundle_beyond_the_limits_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path / "a.zip")
    total = sum(map(len, FILES.values())) + len(listed(FILES))
    monkeypatch.setattr(unpack, "MOST_BYTES", total - 1)
    refused(archive, tmp_path, rf"unpacks to {total} bytes, more than.*unpack it yourself")
    monkeypatch.setattr(unpack, "MOST_BYTES", total)
    monkeypatch.setattr(unpack, "MOST_FILES", 2)
    refused(archive, tmp_path, "it has 3 files, more than 2")
    monkeypatch.setattr(unpack, "MOST_FILES", 3)
    monkeypatch.setattr(unpack, "MOST_SUMS_BYTES", 10)
    refused(archive, tmp_path, "is too long")
    monkeypatch.setattr(unpack, "MOST_SUMS_BYTES", 10_000)
    assert unpacked(archive, tmp_path / "u").is_dir()


def test_bundle_larger_than_the_free_space_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda _: shutil_usage(10))
    refused(pack(tmp_path / "a.zip"), tmp_path, r"it needs \d+ bytes, and .* has 10")


def shutil_usage(free: int) -> object:
    return type("Usage", (), {"free": free})


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method: int, tmp_path: Path) -> None:
    member = entry(f"{TOP}/more")
    member.compress_type = method
    refused(pack(tmp_path / "a.zip", (member, b"x")), tmp_path, "compressed in another way")


def test_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(raw))
    refused(archive, tmp_path, "is encrypted")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_changed_archive_is_refused_or_unpacks_to_the_listed_files(
    data: st.DataObject, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "a.zip")
    raw = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    archive.write_bytes(bytes(raw))
    try:
        target = unpacked(archive, tmp_path / "u")
    except UserError:
        return
    found = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*.*")}
    assert found == FILES
