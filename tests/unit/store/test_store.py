"""The store: what is written is read, in one order, whatever happened to the files."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.commands.store import show_store, store_contents
from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now
from persona_collapse.common.hashing import digest
from persona_collapse.store import compaction
from persona_collapse.store.attempts import (
    Attempt,
    Choice,
    from_fields,
    possible_count,
)
from persona_collapse.store.checksums import compacted_name, line_is_whole, with_checksum
from persona_collapse.store.compaction import compact_store
from persona_collapse.store.files import read_attempts, stream_folder
from persona_collapse.store.writer import Writer

STREAM = {"base_url": "https://api.example.org/v1", "extra_body": {}, "model": "ft:m:x/y"}
CELLS = [digest(number) for number in range(40)]


def attempt(cell: str, at: int, text: str = "3", **fields: object) -> Attempt:
    made = Attempt(
        cell,
        (1, 2),
        1,
        f"2026-11-23T00:00:{at:02d}.000000Z",
        choices=(Choice(0, text, "length"), Choice(1, text)),
        prompt_tokens=10,
        completion_tokens=2,
        served_model="m-1",
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def write(root: Path, attempts: list[Attempt], close: bool = True) -> Path:
    writer = Writer(root, STREAM, {a.cell for a in attempts}, {"scope": "s"})
    for entry in attempts:
        writer.append(entry)
    if close:
        writer.close()
    assert writer._path is not None
    return writer._path


def as_before_checksums(path: Path) -> Path:
    """Rewrite a file as versions without checksums wrote it."""
    text = re.sub(rb',"crc":"[0-9a-f]{8}"\}\n', b"}\n", path.read_bytes())
    path.write_bytes(text.replace(b'{"format":2,', b'{"format":1,'))
    return path


def folder(root: Path) -> Path:
    return stream_folder(root, STREAM)


texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
logs = st.none() | st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=3), st.none() | st.floats(-99, 0)
    )
).map(tuple)
choices = st.builds(Choice, st.none() | st.integers(0, 99), texts, texts, texts, logs)
attempts = st.builds(
    Attempt,
    cell=st.sampled_from(CELLS),
    repetitions=st.lists(st.integers(1, 99), min_size=1, max_size=4).map(tuple),
    max_tokens=st.integers(1, 64),
    created_at=st.just("2026-11-23T00:00:00.000000Z"),
    seconds=st.floats(0, 100),
    status=st.none() | st.integers(100, 599),
    cause=texts,
    detail=texts,
    choices=st.lists(choices, max_size=3).map(tuple),
    prompt_tokens=st.none() | st.integers(0, 10**6),
    served_model=texts,
)


@given(attempts)
def test_line_round_trip(entry: Attempt) -> None:
    line = entry.to_line()
    assert line.count(b"\n") == 1
    assert from_fields(json.loads(line), ("", 0)) == entry


@given(st.lists(attempts, min_size=1, max_size=5))
def test_table_round_trip(entries: list[Attempt]) -> None:
    rows = compaction._frame(entries).iter_rows(named=True)
    assert [from_fields(row, ("", 0)) for row in rows] == entries


def test_attempts_of_all_files_are_in_order_of_replies(tmp_path: Path) -> None:
    write(tmp_path, [attempt(CELLS[0], 5, "5"), attempt(CELLS[1], 1)])
    write(tmp_path, [attempt(CELLS[0], 3, "3", cause="timeout", choices=())])
    write(tmp_path, [attempt(CELLS[0], 4, "4"), attempt(CELLS[2], 9)])
    found = read_attempts(folder(tmp_path), CELLS[:2])
    assert [a.created_at[17:19] for a in found.attempts[CELLS[0]]] == ["03", "04", "05"]
    assert found.attempts[CELLS[0]][0].cause == "timeout"
    assert set(found.attempts) == set(CELLS[:2])
    assert found.damage == []
    assert read_attempts(tmp_path / "nowhere", CELLS).attempts == {}


def test_files_without_the_cell_are_not_read_beyond_the_header(tmp_path: Path) -> None:
    other = write(tmp_path, [attempt(CELLS[1], 1)])
    write(tmp_path, [attempt(CELLS[0], 1)])
    with other.open("ab") as handle:
        handle.write(b"rubbish that would be reported\n")
    assert read_attempts(folder(tmp_path), CELLS[:1]).damage == []
    assert len(read_attempts(folder(tmp_path), CELLS[1:2]).damage) == 1


@pytest.mark.parametrize("cut", [1, 2, 40, 10_000])
def test_torn_last_line_is_dropped_and_reported(cut: int, tmp_path: Path) -> None:
    path = write(tmp_path, [attempt(CELLS[0], 1), attempt(CELLS[1], 2)], close=False)
    data = path.read_bytes()
    path.write_bytes(data[: max(20, len(data) - cut)])
    found = read_attempts(folder(tmp_path), CELLS[:2])
    if cut == 10_000:  # a torn header: no answer was lost, so nothing is reported
        assert (found.attempts, found.damage) == ({}, [])
        return
    assert set(found.attempts) == set(CELLS[:1])
    assert len(found.damage) == 1
    assert "line 3: cut off" in found.damage[0]


def test_damaged_line_in_the_middle_is_dropped_alone(tmp_path: Path) -> None:
    path = write(tmp_path, [attempt(CELLS[n], n) for n in range(3)])
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\x00" * (len(lines[2]) - 1) + b"\n"
    path.write_bytes(b"".join(lines))
    found = read_attempts(folder(tmp_path), CELLS[:3])
    assert set(found.attempts) == {CELLS[0], CELLS[2]}
    assert "line 3: damaged" in found.damage[0]


def test_writer_creates_another_file_when_its_own_is_deleted(tmp_path: Path) -> None:
    writer = Writer(tmp_path, STREAM, CELLS[:2], {})
    writer.append(attempt(CELLS[0], 1))
    assert writer._path is not None
    writer._path.unlink()
    writer.append(attempt(CELLS[1], 2))
    writer.close()
    assert set(read_attempts(folder(tmp_path), CELLS[:2]).attempts) == {CELLS[1]}


def test_writer_without_attempts_creates_no_file(tmp_path: Path) -> None:
    Writer(tmp_path, STREAM, CELLS, {}).close()
    assert list(tmp_path.iterdir()) == []


def filled(root: Path) -> dict[str, list[Attempt]]:
    """Write three ended files with clashes between them; return what is read."""
    for start in (3, 0, 6):
        write(root, [attempt(CELLS[n], start + n, str(start)) for n in range(4)])
    return read_attempts(folder(root), CELLS).attempts


def test_compaction_leaves_readings_unchanged(tmp_path: Path) -> None:
    before = filled(tmp_path)
    messages = compact_store(tmp_path)
    assert len(messages) == 1
    assert (messages[0].attempts, messages[0].files, messages[0].damaged_lines) == (12, 3, 0)
    assert [path.suffix for path in folder(tmp_path).iterdir()] == [".parquet"]
    after = read_attempts(folder(tmp_path), CELLS).attempts
    assert after == before
    assert [a.source for a in after[CELLS[0]]] == [a.source for a in before[CELLS[0]]]
    assert set(read_attempts(folder(tmp_path), CELLS[:1]).attempts) == {CELLS[0]}
    write(tmp_path, [attempt(CELLS[0], 0, "first")])
    assert len(compact_store(tmp_path)) == 1
    assert read_attempts(folder(tmp_path), CELLS).attempts[CELLS[0]][0].created_at[17:19] == "00"
    assert compact_store(tmp_path) == []


def test_compaction_skips_files_of_living_writers(tmp_path: Path) -> None:
    filled(tmp_path)
    alive = write(tmp_path, [attempt(CELLS[9], 1)], close=False)
    compact_store(tmp_path)
    assert alive.exists()
    old = time.time() - 2 * 86_400
    os.utime(alive, (old, old))
    compact_store(tmp_path)
    assert not alive.exists()
    assert CELLS[9] in read_attempts(folder(tmp_path), CELLS).attempts


def test_compaction_takes_file_of_exited_process(tmp_path: Path) -> None:
    path = write(tmp_path, [attempt(CELLS[0], 1)], close=False)
    header, _, rest = path.read_bytes().partition(b"\n")
    header = header[: header.rindex(b',"crc"')] + b"}\n"
    header = header.replace(b'"pid":%d' % os.getpid(), b'"pid":999999999')
    path.write_bytes(with_checksum(header) + rest)
    assert compact_store(tmp_path) == []  # written to within the last minute
    old = time.time() - 120
    os.utime(path, (old, old))
    assert len(compact_store(tmp_path)) == 1


@pytest.mark.parametrize("host", ["", "~~~"])  # before and after every name of a host
def test_compaction_waits_a_day_for_a_process_of_another_host(host: str, tmp_path: Path) -> None:
    path = write(tmp_path, [attempt(CELLS[0], 1)], close=False)
    header, _, rest = path.read_bytes().partition(b"\n")
    fields = json.loads(header) | {"pid": 999_999_999, "host": host}
    del fields["crc"]
    path.write_bytes(with_checksum(json.dumps(fields, separators=(",", ":")).encode()) + rest)
    for idle_s, compacted in ((86_000, 0), (87_000, 1)):
        then = time.time() - idle_s
        os.utime(path, (then, then))
        assert len(compact_store(tmp_path)) == compacted


def test_file_cut_at_the_end_of_a_line_is_counted_as_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It looks like a file of a killed process, so it is said without being called damage."""
    path = write(tmp_path, [attempt(CELLS[0], 1), attempt(CELLS[1], 2)])
    prices = Path("resources/prices.yaml")
    assert store_contents(tmp_path, prices)["open_files"].to_list() == [0]
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in (3, 2):  # without the end marker; without the last attempt, too
        path.write_bytes(b"".join(lines[:kept]))
        damage: list[str] = []
        row = store_contents(tmp_path, prices, damage).row(0, named=True)
        assert (row["open_files"], row["attempts"], damage) == (1, kept - 1, [])
    show_store(str(tmp_path), str(prices))
    said = " ".join(capsys.readouterr().out.split())
    assert "1 file has no end mark" in said


def test_compaction_leaves_the_file_of_another_users_living_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, [attempt(CELLS[0], 1)], close=False)
    idle = time.time() - 120
    os.utime(path, (idle, idle))
    monkeypatch.setattr(compaction, "birth", lambda pid: "")  # there, and shows nothing
    assert compact_store(tmp_path) == []
    assert path.exists()
    monkeypatch.setattr(compaction, "birth", lambda pid: None)
    assert len(compact_store(tmp_path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"cell":"%s","choices":' % CELLS[0].encode() + b"[" * 100_000 + b"}\n",
        b'{"cell":"%s"}\n' % CELLS[0].encode(),
        b'{"cell":"%s","max_tokens":1}\n' % CELLS[0].encode(),
        b'{"cell":"%s","repetitions":[1],"choices":[{"text":"3"}]}\n' % CELLS[0].encode(),
        b'{"cell":"%s","repetitions":5}\n' % CELLS[0].encode(),
        b'{"cell":"%s","repetitions":[1],"choices":[{"index":"a"' % CELLS[0].encode() + b"}\n",
        b"[" * 100_000 + b"}\n",
    ],
    ids=[
        *("nested", "nothing else", "no field", "no field of a choice"),
        *("a field of another type", "not JSON", "no attempt"),
    ],
)
def test_line_that_cannot_be_read_is_dropped_alone_and_reported(
    line: bytes, tmp_path: Path
) -> None:
    path = as_before_checksums(write(tmp_path, [attempt(CELLS[1], 1), attempt(CELLS[2], 2)]))
    head, first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([head, first, line, *rest]))
    found = read_attempts(folder(tmp_path), CELLS)
    assert set(found.attempts) == {CELLS[1], CELLS[2]}
    assert found.damage == [f"{path}, line 3: damaged; its {len(line)} bytes are dropped"]


def test_deeply_nested_header_is_a_damaged_one(tmp_path: Path) -> None:
    path = write(tmp_path, [attempt(CELLS[1], 1)])
    _, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(b"[" * 100_000 + b"}\n" + rest)
    found = read_attempts(folder(tmp_path), CELLS)
    assert set(found.attempts) == {CELLS[1]}
    assert len(found.damage) == 1


@pytest.mark.parametrize("moment", ["write", "name", "remove"])
def test_crash_during_compaction_loses_no_attempt(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled(tmp_path)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        if moment == "write":
            broken.setattr(pl.DataFrame, "write_parquet", crash)
        elif moment == "name":
            broken.setattr(Path, "replace", crash)
        else:
            broken.setattr(Path, "unlink", crash)
        with pytest.raises(KeyboardInterrupt):
            compact_store(tmp_path)
    assert read_attempts(folder(tmp_path), CELLS).attempts == before
    contents = store_contents(tmp_path, Path("resources/prices.yaml"))
    assert contents["attempts"].to_list() == [12]
    compact_store(tmp_path)
    assert read_attempts(folder(tmp_path), CELLS).attempts == before
    assert len(list(folder(tmp_path).glob("*.jsonl"))) == 0


def test_file_compacted_during_reading_is_read_from_its_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled(tmp_path)
    listing = folder(tmp_path).iterdir()
    names = sorted(listing)
    compact_store(tmp_path)
    real, stale = Path.iterdir, [names]
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(stale.pop()) if stale else real(self))
    assert read_attempts(folder(tmp_path), CELLS).attempts == before


def test_store_contents_count_attempts_and_cost(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\n'
        'models: [{host: "*", model: "ft:m:*", prompt: 10, completion: 100}]\n'
    )
    root = tmp_path / "store"
    write(root, [attempt(CELLS[0], 1), attempt(CELLS[1], 5, cause="timeout", choices=())])
    write(root, [attempt(CELLS[2], 3, choices=(Choice(0, "3"),))])
    row = store_contents(root, prices).row(0, named=True)
    assert row["requested_model"] == "ft:m:x/y"
    assert (row["files"], row["attempts"], row["answers"]) == (2, 3, 3)
    assert (row["failures"], row["lost"], row["short"]) == (1, 1, 1)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (30, 6)
    assert row["usd"] == pytest.approx((30 * 10 + 6 * 100) / 1e6)
    assert (row["first"][17:19], row["last"][17:19]) == ("01", "05")
    compact_store(root)
    compacted = store_contents(root, prices).row(0, named=True)
    assert compacted | {"files": 2} == row


def test_times_sort_as_text() -> None:
    assert now() < now()
    assert len(now()) == 27


HOSTILE = ("-5", "1e400", "1" + "0" * 25, "true", '"many"', "[3]", "NaN", "12.5")


@pytest.mark.parametrize("value", HOSTILE)
def test_impossible_counts_of_an_earlier_version_are_read_as_none(
    tmp_path: Path, value: str
) -> None:
    """A store in which they are already: it is listed, compacted, and keeps its answers."""
    path = write(tmp_path, [attempt(CELLS[0], 1), attempt(CELLS[1], 2)])
    as_before_checksums(path)
    line = path.read_text()
    line = line.replace('"prompt_tokens":10', f'"prompt_tokens":{value}', 1)
    line = line.replace('"completion_tokens":2', f'"completion_tokens":{value}', 1)
    path.write_text(line.replace('"index":1', f'"index":{10**25}', 1))
    before = read_attempts(folder(tmp_path), CELLS).attempts
    assert [len(entry.replies()) for cell in before.values() for entry in cell] == [2, 2]
    assert before[CELLS[0]][0].prompt_tokens is None
    prices = Path("resources/prices.yaml")
    row = store_contents(tmp_path, prices).row(0, named=True)
    assert (row["prompt_tokens"], row["completion_tokens"], row["estimated"]) == (10, 2, 1)
    compact_store(tmp_path)
    assert read_attempts(folder(tmp_path), CELLS).attempts == before
    compacted = store_contents(tmp_path, prices).row(0, named=True)
    assert (row["unchecked_files"], compacted["unchecked_files"]) == (1, 0)
    assert compacted | {"unchecked_files": 1} == row


@pytest.mark.parametrize("value", [0, 1, 2**31 - 1, 12.0])
def test_possible_count_is_kept(value: float) -> None:
    assert possible_count(value) == value


@pytest.mark.parametrize("value", [-1, 2**31, 2**31 + 1, True, 12.5, "3", None])
def test_impossible_count_becomes_none(value: object) -> None:
    assert possible_count(value) is None


@pytest.mark.parametrize(("index", "kept"), [(2**31, 2**31 - 1), (-(2**40), -(2**31 - 1))])
def test_index_of_a_choice_is_brought_into_32_bits(index: int, kept: int) -> None:
    line = json.loads(attempt(CELLS[0], 1, choices=(Choice(index, "3"),)).to_line())
    assert from_fields(line, ("", 0)).choices[0].index == kept


@pytest.mark.parametrize(
    ("fields", "answered"),
    [
        ({}, True),
        ({"choices": (Choice(0, None), Choice(1, "3"))}, True),
        ({"choices": (Choice(0, ""), Choice(1, None))}, False),
        ({"choices": ()}, False),
        ({"cause": "timeout", "choices": ()}, False),
        ({"cause": "http_500"}, False),
    ],
)
def test_model_answered_where_a_request_did_not_fail_and_a_reply_has_a_text(
    fields: dict[str, object], answered: bool
) -> None:
    assert attempt(CELLS[0], 1, **fields).has_text is answered


FLIPS = pytest.mark.parametrize("count", [200, pytest.param(1500, marks=pytest.mark.slow)])


def flips(whole: bytes, count: int) -> Iterator[bytes]:
    """Yield copies of a file's content with one bit flipped each."""
    draw = random.Random(count)
    for _ in range(count):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        yield bytes(damaged)


@given(attempts, st.data())
def test_checksum_of_a_line_tells_every_flipped_bit(entry: Attempt, data: st.DataObject) -> None:
    line = with_checksum(entry.to_line())
    assert line_is_whole(line)
    assert line_is_whole(entry.to_line()) is None
    assert from_fields(json.loads(line), ("", 0)) == entry
    damaged = bytearray(line)
    damaged[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not line_is_whole(bytes(damaged))


@FLIPS
def test_flipped_bit_changes_no_answer_and_hides_none_silently(count: int, tmp_path: Path) -> None:
    path = write(tmp_path, [attempt(CELLS[n], n, str(n)) for n in range(4)])
    shards = cycle([CELLS[:1], CELLS[1:3], CELLS[:4]])
    before = read_attempts(folder(tmp_path), CELLS).attempts
    for damaged, shard in zip(flips(path.read_bytes(), count), shards, strict=False):
        path.write_bytes(damaged)
        found = read_attempts(folder(tmp_path), shard)
        for cell, entries in found.attempts.items():
            assert entries == before[cell], damaged
        assert found.attempts.keys() == set(shard) or found.damage, damaged


@FLIPS
def test_flipped_bit_in_a_compacted_file_is_refused(count: int, tmp_path: Path) -> None:
    filled(tmp_path)
    compact_store(tmp_path)
    (path,) = folder(tmp_path).iterdir()
    prices = Path("resources/prices.yaml")
    for damaged in flips(path.read_bytes(), count):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"differs from what was written.*from a backup"):
            read_attempts(folder(tmp_path), CELLS[39:])
    messages: list[str] = []
    (row,) = store_contents(tmp_path, prices, messages).to_dicts()
    assert (row["damaged_files"], row["unchecked_files"], row["attempts"]) == (1, 0, 0)
    assert len(messages) == 1
    assert str(path) in messages[0]


def test_damaged_header_hides_no_line(tmp_path: Path) -> None:
    path = write(tmp_path, [attempt(CELLS[0], 1), attempt(CELLS[1], 2)])
    for old in (False, True):
        if old:
            as_before_checksums(path)
        lines = path.read_bytes().splitlines(keepends=True)
        header = lines[0]
        before = read_attempts(folder(tmp_path), CELLS[:1])
        assert len(before.attempts) == 1
        for place in range(0, len(header) - 1, 3):
            lines[0] = header[:place] + bytes([header[place] ^ 2]) + header[place + 1 :]
            path.write_bytes(b"".join(lines))
            found = read_attempts(folder(tmp_path), CELLS[:1])
            assert found.attempts == before.attempts, lines[0]
            assert old or found.damage, lines[0]
        path.write_bytes(b"".join([header, *lines[1:]]))


def test_line_without_its_checksum_is_dropped_unless_the_file_never_had_any(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, [attempt(CELLS[n], n) for n in range(2)])
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(whole.replace(lines[1], lines[1].replace(b',"crc"', b',"cru"')))
    found = read_attempts(folder(tmp_path), CELLS)
    assert set(found.attempts) == set(CELLS[1:2])
    assert "line 2: damaged" in found.damage[0]
    path.write_bytes(whole)
    as_before_checksums(path)
    found = read_attempts(folder(tmp_path), CELLS)
    assert set(found.attempts) == set(CELLS[:2])
    assert found.damage == []


def test_store_reports_damaged_lines_and_files_without_checksums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_before_checksums(write(tmp_path, [attempt(CELLS[0], 1)]))
    path = write(tmp_path, [attempt(CELLS[1], 1, "3"), attempt(CELLS[2], 1)])
    path.write_bytes(path.read_bytes().replace(b'"text":"3"', b'"text":"2"', 1))
    show_store(str(tmp_path), "resources/prices.yaml")
    said = capsys.readouterr().out
    assert f"{path}, line 2: damaged; its" in said
    assert "1 files were written without checksums by an earlier version" in said
    (row,) = store_contents(tmp_path, Path("resources/prices.yaml")).to_dicts()
    assert (row["damaged_lines"], row["unchecked_files"], row["attempts"]) == (1, 1, 2)


def test_interrupted_compaction_leaves_one_compacted_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    originals = {path: path.read_bytes() for path in folder(tmp_path).iterdir()}
    compact_store(tmp_path)
    (first,) = folder(tmp_path).iterdir()
    for path, content in originals.items():
        path.write_bytes(content)
    monkeypatch.setattr(
        compaction,
        "compacted_name",
        lambda names, path: compacted_name(names, path).replace(".parquet", "x.parquet"),
    )
    compact_store(tmp_path)
    assert [path.name for path in folder(tmp_path).iterdir()] == [f"{first.stem}x.parquet"]
