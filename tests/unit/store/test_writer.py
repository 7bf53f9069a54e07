"""The writer of the store: what is forced to the disk, and disks that fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from persona_collapse.common import files
from persona_collapse.common.errors import UserError
from persona_collapse.common.files import write_atomically
from persona_collapse.store import writer as module
from persona_collapse.store.compaction import compact_store
from persona_collapse.store.files import read_attempts, read_header
from persona_collapse.store.writer import Writer, import_rescued, write_whole
from tests.unit.store.test_store import CELLS, STREAM, attempt, folder, write


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that are forced to the disk, in their order."""
    real, seen = os.fsync, list[Path]()

    def fsync(handle: int) -> None:
        real(handle)
        seen.append(Path(f"/proc/self/fd/{handle}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def failing(code: int) -> Callable[[int], None]:
    def fsync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    return fsync


def opened(root: Path) -> Writer:
    made = Writer(root, STREAM, CELLS[:3], {"scope": "s"}, root / "rescued")
    made.open()
    return made


def test_file_its_name_and_every_batch_of_lines_are_forced_to_the_disk(
    tmp_path: Path, synced: list[Path]
) -> None:
    made = opened(tmp_path)
    path = made._path
    assert path is not None
    assert synced == [folder(tmp_path), path]
    made.append(attempt(CELLS[0], 1))
    assert synced[2:] == []  # the loop that asks is not held up
    made.sync()
    made.sync()  # nothing new
    assert synced[2:] == [path]
    made.append(attempt(CELLS[1], 2))
    made.close()
    assert synced[3:] == [path]


def test_file_written_as_a_whole_and_its_name_are_forced_to_the_disk(
    tmp_path: Path, synced: list[Path]
) -> None:
    path = write_whole(tmp_path, STREAM, "batch-1", [attempt(CELLS[0], 1)], {})
    assert [place.parent for place in synced] == [path.parent, path.parent.parent]
    assert synced[1] == path.parent


def test_imported_file_is_on_the_disk_before_the_rescued_one_is_removed(
    tmp_path: Path, synced: list[Path]
) -> None:
    source = write(tmp_path / "other", [attempt(CELLS[0], 1)])
    rescued = tmp_path / "rescued" / folder(tmp_path).name
    rescued.mkdir(parents=True)
    (rescued / source.name).write_bytes(source.read_bytes())
    synced.clear()
    assert import_rescued(tmp_path / "rescued", folder(tmp_path)) == 1
    assert folder(tmp_path) in synced
    assert len(synced) == 2
    assert not list(rescued.iterdir())


def test_compacted_file_and_its_name_are_on_the_disk_before_originals_go(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = write(tmp_path, [attempt(CELLS[0], 1)])
    synced.clear()
    states = []
    unlink = Path.unlink

    def watched(path: Path, missing_ok: bool = False) -> None:
        states.append((path, list(synced)))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    compact_store(tmp_path)
    ((removed, before),) = states
    assert removed == original
    assert [path.suffix for path in before[:1]] == [".part"]
    assert before[1:] == [folder(tmp_path)]


def test_only_durable_files_are_forced_to_the_disk(tmp_path: Path, synced: list[Path]) -> None:
    write_atomically(tmp_path / "one", b"1")
    assert synced == []
    write_atomically(tmp_path / "one", b"2", durable=True)
    assert [path.parent for path in synced] == [tmp_path, tmp_path.parent]
    assert (tmp_path / "one").read_bytes() == b"2"


def test_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(tmp_path / "one", b"1")
    monkeypatch.setattr(files.os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write_atomically(tmp_path / "one", b"2", durable=True)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_bytes() == b"1"


def test_failed_sync_stops_the_run_and_is_reported_whatever_succeeds_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(tmp_path)
    made.append(attempt(CELLS[0], 1))
    with monkeypatch.context() as broken:
        broken.setattr(module.os, "fsync", failing(errno.EIO))
        made.sync()
    assert made.fault is not None
    made.append(attempt(CELLS[1], 2))
    assert made.fault is not None
    made.sync()
    assert made.fault is not None
    with pytest.raises(UserError, match="Input/output error: the disk did not confirm"):
        made.close()
    assert set(read_attempts(folder(tmp_path), CELLS).attempts) == {CELLS[0], CELLS[1]}


def test_file_system_without_sync_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened(tmp_path)
    made.append(attempt(CELLS[0], 1))
    monkeypatch.setattr(module.os, "fsync", failing(errno.EINVAL))
    made.sync()
    assert made.fault is None
    made.close()


def test_disk_that_fails_at_the_first_sync_is_noticed_before_anything_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Writer(tmp_path, STREAM, CELLS[:3], {"scope": "s"})
    real = os.fsync

    def fsync(handle: int) -> None:
        if made._file == handle:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(module.os, "fsync", fsync)
    with pytest.raises(UserError, match="Input/output error"):
        made.open()
    assert list(folder(tmp_path).iterdir()) == []


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of a writer on a disk that got full, which do not pass."""
    pauses: list[float] = []

    def write(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "write", write)
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    return pauses


def test_full_disk_is_tried_again_with_pauses_that_double_before_answers_go_elsewhere(
    tmp_path: Path, full: list[float]
) -> None:
    made = Writer(tmp_path, STREAM, CELLS[:1], {}, tmp_path / "rescued")
    made.append(attempt(CELLS[0], 1))
    with pytest.raises(UserError, match=r"No space left.*already paid, are in"):
        made.close()
    assert full == [0, 0.5, 1, 2, 4]
    assert import_rescued(tmp_path / "rescued", made.folder) == 1
    assert set(read_attempts(made.folder, CELLS).attempts) == {CELLS[0]}


@pytest.mark.parametrize("rescued", [None, "rescued"])
def test_answers_that_can_be_saved_nowhere_are_counted_in_the_error(
    tmp_path: Path, full: list[float], monkeypatch: pytest.MonkeyPatch, rescued: str | None
) -> None:
    monkeypatch.setattr(module.tempfile, "mkstemp", module.os.write)
    made = Writer(tmp_path, STREAM, CELLS[:2], {}, tmp_path / rescued if rescued else None)
    for number in range(2):
        made.append(attempt(CELLS[number], number))
    with pytest.raises(UserError, match=r"the last 2 answers could be saved nowhere: .*No space"):
        made.close()


def test_answers_are_saved_in_the_temporary_folder_without_another(
    tmp_path: Path, full: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    made = Writer(tmp_path / "store", STREAM, CELLS[:1], {})
    made.append(attempt(CELLS[0], 1))
    with pytest.raises(UserError, match="free space, move that file into"):
        made.close()
    (saved,) = tmp_path.glob("rescued-*.jsonl")
    saved.rename(made.folder / saved.name)
    assert set(read_attempts(made.folder, CELLS).attempts) == {CELLS[0]}


def test_answers_after_the_disk_got_full_go_into_a_file_that_is_whole_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    made = opened(tmp_path)
    made.append(attempt(CELLS[0], 1))
    request.getfixturevalue("full")
    made.append(attempt(CELLS[1], 2))
    with pytest.raises(UserError, match="already paid, are in"):
        made.close()
    monkeypatch.undo()
    (saved,) = (tmp_path / "rescued" / made.folder.name).iterdir()
    assert read_header(saved)["model"] == STREAM["model"]
    assert import_rescued(tmp_path / "rescued", made.folder) == 1
    found = read_attempts(made.folder, CELLS)
    assert set(found.attempts) == set(CELLS[:2])
    assert found.damage == []
