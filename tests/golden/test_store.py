"""The answer store byte for byte: what is written, and that earlier files can still be read.

Files of paid answers are kept longer than the code that wrote them; these are complete examples.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.asking.breaker import Breaker
from persona_collapse.asking.budget import Budget
from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.openai import OpenAI
from persona_collapse.store.attempts import Attempt, Choice, from_fields
from persona_collapse.store.checksums import line_is_whole, with_checksum
from persona_collapse.store.compaction import Compacted, compact_store
from persona_collapse.store.files import header_line, read_attempts
from persona_collapse.store.writer import Writer
from persona_collapse.tasks import task_of

AT = "2026-11-23T00:00:00.000001Z"
AT_SECOND = "2026-11-23T00:00:%02d.000000Z"
CELL = "c9b77db458c49e228874afd1f0953e055d516d0173ee5472ced00a5d145a5ecd"
OTHER = "35dee74818f703a0681ae6de367dba2f7cc456b9a4e91d452668b4c378b83d6b"
UNCONDITIONED = "78a4c79b097fc85b9a147c9044c561ba93eb58f8c0a937f7dd546d4b6b033d40"
CELLS = [CELL, OTHER, UNCONDITIONED]
FIRST = b'{"cell":"c9b77db458c49e228874afd1f0953e055d516d0173ee5472ced00a5d145a5ecd",'
SECOND = b'{"cell":"35dee74818f703a0681ae6de367dba2f7cc456b9a4e91d452668b4c378b83d6b",'
STREAM: dict[str, Any] = {
    "base_url": "https://api.example.org/v1",
    "extra_body": {},
    "model": "m-base",
}
FOLDER = "api.example.org-m-base-74a32238dc20"
FILE = "20261123T000000Z-host-77-0badcafe.jsonl"
FILE_OF_LOGPROBS = "20261123T010000Z-host-78-0badcaff.jsonl"
COMPACTED = "compacted-7732dac07acc6bf1.parquet"
KEPT = Path(__file__).parent / COMPACTED  # made from STORED and STORED_LOGPROBS by today's code

OK = Attempt(
    cell=CELL,
    repetitions=(1, 2),
    max_tokens=1,
    created_at=AT,
    seconds=0.25,
    status=200,
    choices=(Choice(0, "3", "length"), Choice(1, " 4")),
    prompt_tokens=10,
    completion_tokens=2,
    served_model="m-base-2024",
    system_fingerprint="fp_1",
    provider="one",
    response_id="chatcmpl-1",
)
REFUSED = Attempt(
    CELL, (1,), 1, AT, 1.5, 200, choices=(Choice(0, None, "stop", "Je n'ai pas à répondre."),)
)
FILTERED = Attempt(CELL, (1,), 1, AT, status=400, choices=(Choice(0, None, "content_filter"),))
FAILED = Attempt(CELL, (1, 2), 1, AT, 60.0, cause="timeout", detail="no complete answer in time")
UNPARSEABLE = Attempt(
    CELL, (2,), 64, AT, 0.1, 200, choices=(Choice(None, 'Well… "yes"\n', "stop"),)
)
LOGPROBS = Attempt(
    CELL,
    (1,),
    1,
    AT,
    0.1,
    200,
    choices=(
        Choice(
            0,
            "3",
            "length",
            alternatives=(("3", -0.25), ("3", -0.25), (" 4", -9999.0), ("é", None)),
        ),
    ),
)
LINES = [
    (
        OK,
        b'"repetitions":[1,2],"max_tokens":1,"created_at":"2026-11-23T00:00:00.000001Z",'
        b'"seconds":0.25,"status":200,"prompt_tokens":10,"completion_tokens":2,'
        b'"served_model":"m-base-2024","system_fingerprint":"fp_1","provider":"one",'
        b'"response_id":"chatcmpl-1","choices":[{"index":0,"text":"3","finish":"length"},'
        b'{"index":1,"text":" 4"}]}\n',
    ),
    (
        REFUSED,
        b'"repetitions":[1],"max_tokens":1,"created_at":"2026-11-23T00:00:00.000001Z",'
        b'"seconds":1.5,"status":200,"choices":[{"index":0,"text":null,"finish":"stop",'
        b'"refusal":"Je n\'ai pas \xc3\xa0 r\xc3\xa9pondre."}]}\n',
    ),
    (
        FILTERED,
        b'"repetitions":[1],"max_tokens":1,"created_at":"2026-11-23T00:00:00.000001Z",'
        b'"seconds":0.0,"status":400,"choices":[{"index":0,"text":null,'
        b'"finish":"content_filter"}]}\n',
    ),
    (
        FAILED,
        b'"repetitions":[1,2],"max_tokens":1,"created_at":"2026-11-23T00:00:00.000001Z",'
        b'"seconds":60.0,"cause":"timeout","detail":"no complete answer in time"}\n',
    ),
    (
        UNPARSEABLE,
        b'"repetitions":[2],"max_tokens":64,"created_at":"2026-11-23T00:00:00.000001Z",'
        b'"seconds":0.1,"status":200,"choices":[{"index":null,'
        b'"text":"Well\xe2\x80\xa6 \\"yes\\"\\n","finish":"stop"}]}\n',
    ),
    (
        LOGPROBS,
        b'"repetitions":[1],"max_tokens":1,"created_at":"2026-11-23T00:00:00.000001Z",'
        b'"seconds":0.1,"status":200,"choices":[{"index":0,"text":"3","finish":"length",'
        b'"alternatives":[["3",-0.25],["3",-0.25],[" 4",-9999.0],["\xc3\xa9",null]]}]}\n',
    ),
]
KINDS = ["ok", "refused", "filtered", "failed", "unparseable", "logprobs"]

# A whole file of the store. Of two items, asked of the first persona four times each: a reply that
# was refused, filtered, unreadable twice and then fallback, or never readable; a failed request.
HEADER = (
    b'{"format":1,"at":"2026-11-23T00:00:00.000000Z","base_url":"https://api.example.org/v1",'
    b'"extra_body":{},"generation":{"temperature":0.1},"host":"host","model":"m-base","pid":77,'
    b'"probe":"m base roleplay p000-024_i01-30_r01-10","scope":"golden","~cells":'
    b'"35dee748c9b77db4"}\n'
)
STORED = b"".join(
    [
        HEADER,
        FIRST
        + b'"repetitions":[1,2,3,4],"max_tokens":1,"created_at":"2026-11-23T00:00:01.000000Z",'
        b'"seconds":60.0,"cause":"timeout","detail":"no complete answer in time"}\n',
        FIRST
        + b'"repetitions":[1,2,3,4],"max_tokens":1,"created_at":"2026-11-23T00:00:02.000000Z",'
        b'"seconds":0.2,"status":200,"prompt_tokens":150,"completion_tokens":4,'
        b'"served_model":"m-base-2024","system_fingerprint":"fp_1","response_id":"chatcmpl-1",'
        b'"choices":[{"index":0,"text":"3","finish":"length"},'
        b'{"index":2,"text":null,"finish":"content_filter"},'
        b'{"index":1,"text":null,"finish":"stop","refusal":"Non, d\xc3\xa9sol\xc3\xa9."},'
        b'{"index":3,"text":"As","finish":"length"}]}\n',
        FIRST + b'"repetitions":[4],"max_tokens":1,"created_at":"2026-11-23T00:00:03.000000Z",'
        b'"seconds":0.2,"status":200,"choices":[{"index":0,"text":"I","finish":"length"}]}\n',
        FIRST + b'"repetitions":[4],"max_tokens":64,"created_at":"2026-11-23T00:00:04.000000Z",'
        b'"seconds":0.9,"status":200,"served_model":"m-base-2024",'
        b'"choices":[{"index":0,"text":"I would say 2, as ever.","finish":"stop"}]}\n',
        SECOND + b'"repetitions":[1,2,3],"max_tokens":1,"created_at":"2026-11-23T00:00:05.000000Z",'
        b'"seconds":0.2,"status":200,"served_model":"m-base-2024","choices":['
        b'{"index":0,"text":" 0","finish":"length"},{"index":1,"text":"5"},'
        b'{"index":2,"text":"1"}]}\n',
        SECOND + b'"repetitions":[4],"max_tokens":1,"created_at":"2026-11-23T00:00:06.000000Z",'
        b'"seconds":0.2,"status":200,"choices":[{"index":0,"text":"","finish":"length"}]}\n',
        SECOND + b'"repetitions":[4],"max_tokens":1,"created_at":"2026-11-23T00:00:07.000000Z",'
        b'"seconds":0.2,"status":200,"choices":[{"index":0,"text":"9","finish":"length"}]}\n',
        SECOND + b'"repetitions":[4],"max_tokens":64,"created_at":"2026-11-23T00:00:08.000000Z",'
        b'"seconds":0.2,"status":200,"choices":[{"index":0,"text":"None.","finish":"stop"}]}\n',
        b'{"end":"2026-11-23T00:00:09.000000Z"}\n',
    ]
)
# Another: one item, asked of nobody by log-probabilities, first without success.
HEADER_OF_LOGPROBS = (
    b'{"format":1,"at":"2026-11-23T01:00:00.000000Z","base_url":"https://api.example.org/v1",'
    b'"extra_body":{},"generation":{"logprobs":true,"temperature":1.0,"top_logprobs":20},'
    b'"host":"host","model":"m-base","pid":78,"probe":"m base self i01-30_r01-10",'
    b'"scope":"golden","~cells":"78a4c79b"}\n'
)
THIRD = b'{"cell":"78a4c79b097fc85b9a147c9044c561ba93eb58f8c0a937f7dd546d4b6b033d40",'
STORED_LOGPROBS = b"".join(
    [
        HEADER_OF_LOGPROBS,
        THIRD + b'"repetitions":[1],"max_tokens":1,"created_at":"2026-11-23T01:00:01.000000Z",'
        b'"seconds":0.2,"status":500,"cause":"http_500","detail":"try again"}\n',
        THIRD + b'"repetitions":[1],"max_tokens":1,"created_at":"2026-11-23T01:00:02.000000Z",'
        b'"seconds":0.2,"status":200,"prompt_tokens":90,"completion_tokens":1,'
        b'"choices":[{"index":0,"text":"4","finish":"length","alternatives":['
        b'["4",0.0],["4",0.0],[" 4",-2.0],["5",-1.0],["3",-1.5],["\xe2\x96\x813",-3.0],'
        b'["the",-4.0],["0",-9999.0]]}]}\n',
        b'{"end":"2026-11-23T01:00:03.000000Z"}\n',
    ]
)
TASK: dict[str, Any] = {
    "model": "m",
    "variant": "base",
    "probe": "roleplay",
    "name": "p000-024_i01-30_r01-10",
    "personas": [0, 1],
    "items": [0, 2],
    "repetitions": [1, 5],
    "endpoint": "openai",
    "settings": {
        "base_url": "https://api.example.org/v1/",
        "fallback_max_tokens": 64,
        "max_attempts": 2,
        "method": "repeats",
        "model": "m-base",
        "temperature": 0.1,
    },
}
COLUMNS = {
    "model": pl.String(),
    "variant": pl.String(),
    "probe": pl.String(),
    "persona_id": pl.Int32(),
    "item_id": pl.Int32(),
    "repetition": pl.Int32(),
    "rating": pl.Int8(),
    "status": pl.String(),
    "fallback": pl.Boolean(),
    "probabilities": pl.List(pl.Float64()),
    "attempts": pl.Int32(),
    "parse_failures": pl.Int32(),
    "transport_failures": pl.Int32(),
    "response": pl.String(),
    "served_model": pl.String(),
    "system_fingerprint": pl.String(),
    "request_key": pl.String(),
    "created_at": pl.String(),
    "read_from": pl.String(),
    "rating_mass": pl.Float64(),
    "left_out": pl.String(),
    "mean_rating": pl.Float64(),
}
# What comes of STORED: item, repetition, rating, status, fallback.
READ = [
    (1, 1, 3, "ok", False),
    (1, 2, None, "refused", False),
    (1, 3, None, "filtered", False),
    (1, 4, 2, "ok", True),
    (2, 1, 0, "ok", False),
    (2, 2, 5, "ok", False),
    (2, 3, 1, "ok", False),
    (2, 4, None, "unparseable", True),
]
# Of each row: attempts, parse failures, transport failures.
COUNTED = [(2, 0, 1), (2, 0, 1), (2, 0, 1), (4, 2, 1), (1, 0, 0), (1, 0, 0), (1, 0, 0), (3, 3, 0)]
# Of each row: response, served model, fingerprint, time.
SAID = [
    ("3", "m-base-2024", "fp_1", AT_SECOND % 2),
    ("Non, désolé.", "m-base-2024", "fp_1", AT_SECOND % 2),
    (None, "m-base-2024", "fp_1", AT_SECOND % 2),
    ("I would say 2, as ever.", "m-base-2024", None, AT_SECOND % 4),
    (" 0", "m-base-2024", None, AT_SECOND % 5),
    ("5", "m-base-2024", None, AT_SECOND % 5),
    ("1", "m-base-2024", None, AT_SECOND % 5),
    ("None.", None, None, AT_SECOND % 8),
]
# For the ratings 0 to 5: those that the server does not name have the least weight that it names.
PROBABILITIES = [
    0.010002648816994841,
    0.010002648816994841,
    0.010002648816994841,
    0.14904722731977182,
    0.6200362540858143,
    0.20090857214342933,
]


def timeless(text: str) -> str:
    """Write NOW for the moments at which this test ran."""
    text = re.sub(r'("at":|"end":)"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', r'\1"NOW"', text)
    return re.sub(r"^\d{8}T\d{6}Z", "NOW", text)


def store(root: Path, compacted: bool = False) -> Path:
    """Put files written earlier, or their compacted form, into a store; return their folder."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    if compacted:
        shutil.copy(KEPT, folder / COMPACTED)
    else:
        (folder / FILE).write_bytes(STORED)
        (folder / FILE_OF_LOGPROBS).write_bytes(STORED_LOGPROBS)
    return folder


@pytest.mark.parametrize(("attempt", "rest"), LINES, ids=KINDS)
def test_line_written_for_an_attempt_is_unchanged(attempt: Attempt, rest: bytes) -> None:
    assert attempt.to_line() == FIRST + rest


@pytest.mark.parametrize(("attempt", "rest"), LINES, ids=KINDS)
def test_stored_line_is_read_as_the_same_attempt(attempt: Attempt, rest: bytes) -> None:
    found = from_fields(json.loads(FIRST + rest), ("file", 2))
    assert found == attempt
    assert found.source == ("file", 2)


def of_version_one(written: bytes) -> bytes:
    """Return lines as the first format has them, without the checksums, which are verified."""
    lines = written.splitlines(keepends=True)
    assert all(map(line_is_whole, lines))
    plain = re.sub(rb',"crc":"[0-9a-f]{8}"\}\n', b"}\n", written)
    return plain.replace(b'{"format":2,', b'{"format":1,')


def test_line_in_a_file_ends_in_its_checksum() -> None:
    line = with_checksum(FIRST + LINES[0][1])
    assert line == (FIRST + LINES[0][1])[:-2] + b',"crc":"2d0e6fc0"}\n'


def test_header_of_a_file_is_unchanged() -> None:
    header = {
        **STREAM,
        "generation": {"temperature": 0.1},
        "scope": "golden",
        "probe": "m base roleplay p000-024_i01-30_r01-10",
        "host": "host",
        "pid": 77,
        "at": "2026-11-23T00:00:00.000000Z",
    }
    written = header_line(header, [CELL, OTHER, CELL])
    assert written.startswith(b'{"format":2,')
    assert of_version_one(written) == HEADER


@pytest.mark.usefixtures("known_process")
def test_file_and_folder_of_a_writer_are_unchanged(tmp_path: Path) -> None:
    about = {"generation": {"temperature": 0.1}, "scope": "golden", "probe": "one"}
    writer = Writer(tmp_path, STREAM, {CELL}, about)
    writer.append(OK)
    writer.append(FAILED)
    writer.close()
    (path,) = (tmp_path / FOLDER).iterdir()
    assert timeless(path.name) == "NOW-host-77-0badcafe.jsonl"
    plain = of_version_one(path.read_bytes()).decode()
    assert timeless(plain).encode() == b"".join(
        [
            b'{"format":1,"at":"NOW","base_url":"https://api.example.org/v1","extra_body":{},',
            b'"generation":{"temperature":0.1},"host":"host.example.org","model":"m-base",',
            b'"pid":77,"probe":"one","scope":"golden","~cells":"c9b77db4"}\n',
            FIRST + LINES[0][1],
            FIRST + LINES[3][1],
            b'{"end":"NOW"}\n',
        ]
    )


@pytest.mark.parametrize("compacted", [False, True], ids=["as written", "compacted"])
def test_stored_file_gives_the_same_answers_without_a_request(
    compacted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    store(tmp_path, compacted)
    task = task_of(
        TASK, "resources/instruments/moral30.yaml", "resources/personas/everyday100.yaml"
    )
    found = OpenAI().answer(task, {**TASK["settings"], "store": str(tmp_path), "progress": False})
    assert dict(found.schema) == COLUMNS
    shared = {"model": "m", "variant": "base", "probe": "roleplay", "persona_id": 0}
    assert all(shared.items() <= row.items() for row in found.to_dicts())
    assert found["probabilities"].is_null().all()
    assert found.select("item_id", "repetition", "rating", "status", "fallback").rows() == READ
    counts = ("attempts", "parse_failures", "transport_failures")
    assert found.select(counts).rows() == COUNTED
    said = ("response", "served_model", "system_fingerprint", "created_at")
    assert found.select(said).rows() == SAID
    keys = [f"{cell}:{repetition}" for cell in (CELL, OTHER) for repetition in (1, 2, 3, 4)]
    assert found["request_key"].to_list() == keys


@pytest.mark.parametrize("compacted", [False, True], ids=["as written", "compacted"])
def test_stored_log_probabilities_give_the_same_probabilities_without_a_request(
    compacted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    store(tmp_path, compacted)
    shard = {"probe": "self", "personas": None, "items": [0, 1], "repetitions": [1, 2]}
    task = task_of({**TASK, **shard}, "resources/instruments/moral30.yaml", None)
    settings = {**TASK["settings"], "method": "logprobs", "store": str(tmp_path)}
    (row,) = OpenAI().answer(task, {**settings, "progress": False}).to_dicts()
    assert row.pop("probabilities") == pytest.approx(PROBABILITIES, abs=1e-12)
    assert row == {
        "model": "m",
        "variant": "base",
        "probe": "self",
        "persona_id": None,
        "item_id": 1,
        "repetition": 1,
        "rating": None,
        "status": "ok",
        "fallback": False,
        "attempts": 2,
        "parse_failures": 0,
        "transport_failures": 1,
        "response": "4",
        "served_model": None,
        "system_fingerprint": None,
        "request_key": f"{UNCONDITIONED}:1",
        "created_at": "2026-11-23T01:00:02.000000Z",
        "read_from": "logprobs",
        "rating_mass": 1.0,
        "left_out": None,
        "mean_rating": None,
    }


def test_compaction_writes_one_table_of_unchanged_form(tmp_path: Path) -> None:
    folder = store(tmp_path)
    before = read_attempts(folder, CELLS).attempts
    messages = compact_store(tmp_path)
    (path,) = folder.iterdir()
    assert messages == [Compacted(path, attempts=10, files=2, damaged_lines=0)]
    assert re.fullmatch(rf"{COMPACTED[:-8]}-[0-9a-f]{{16}}\.parquet", path.name)
    assert read_attempts(folder, CELLS).attempts == before
    choice = pl.Struct(
        {
            "index": pl.Int64,
            "text": pl.String,
            "finish": pl.String,
            "refusal": pl.String,
            "alternatives": pl.List(pl.Struct({"token": pl.String, "logprob": pl.Float64})),
            "thoughts": pl.String,
        }
    )
    assert dict(pl.read_parquet_schema(path)) == {
        "cell": pl.String(),
        "repetitions": pl.List(pl.Int32),
        "max_tokens": pl.Int64(),
        "created_at": pl.String(),
        "seconds": pl.Float64(),
        "status": pl.Int64(),
        "cause": pl.String(),
        "detail": pl.String(),
        "prompt_tokens": pl.Int64(),
        "completion_tokens": pl.Int64(),
        "served_model": pl.String(),
        "system_fingerprint": pl.String(),
        "provider": pl.String(),
        "response_id": pl.String(),
        "reasoning_tokens": pl.Int64(),
        "left_out": pl.String(),
        "estimated": pl.String(),
        "choices": pl.List(choice),
        "writer": pl.String(),
        "line": pl.Int64(),
    }


@pytest.mark.parametrize("made_now", [True, False], ids=["made now", "made before"])
def test_compacted_file_lists_its_cells_and_the_headers_of_its_sources(
    made_now: bool, tmp_path: Path
) -> None:
    folder = store(tmp_path, compacted=not made_now)
    compact_store(tmp_path)
    (path,) = folder.iterdir()
    metadata = pl.read_parquet_metadata(path)
    assert metadata["cells"] == "35dee74878a4c79bc9b77db4"
    assert json.loads(metadata["writers"]) == {
        FILE: {**json.loads(HEADER), "~cells": ""},
        FILE_OF_LOGPROBS: {**json.loads(HEADER_OF_LOGPROBS), "~cells": ""},
    }


def test_stored_compacted_file_is_read_like_its_source(tmp_path: Path) -> None:
    written = read_attempts(store(tmp_path / "written"), CELLS)
    compacted = read_attempts(store(tmp_path / "compacted", compacted=True), CELLS)
    assert compacted.attempts == written.attempts
    assert not written.damage
    sources = {
        cell: [attempt.source for attempt in found] for cell, found in compacted.attempts.items()
    }
    assert sources == {
        CELL: [(FILE, line) for line in (2, 3, 4, 5)],
        OTHER: [(FILE, line) for line in (6, 7, 8, 9)],
        UNCONDITIONED: [(FILE_OF_LOGPROBS, line) for line in (2, 3)],
    }


@pytest.mark.usefixtures("known_process")
def test_file_of_a_budget_is_unchanged(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "my study/2", {"max_requests": 10, "max_usd": 1.5}, 4)
    budget.take(0.125)
    path = tmp_path / "budgets" / "my-study-2" / "host-77-0badcafe.json"
    assert list(tmp_path.rglob("*.json")) == [path]
    assert path.read_bytes() == (
        b'{"requests": 4, "usd": 0.5, "closed": false,"crc":"b6f39a2f"}' + b" " * 58 + b"\n"
    )
    budget.settle(0.125, 0.1)
    budget.close()
    assert path.read_bytes() == (
        b'{"requests": 1, "usd": 0.1, "closed": true,"crc":"56186032"}' + b" " * 59 + b"\n"
    )


def test_spending_of_earlier_runs_is_read_from_stored_files(tmp_path: Path) -> None:
    folder = tmp_path / "budgets" / "golden"
    folder.mkdir(parents=True)
    (folder / "a-1-00.json").write_bytes(b'{"requests": 3, "usd": 0.25, "closed": true}  \n')
    (folder / "b-2-00.json").write_bytes(b'{"requests": 4, "usd": 0.5, "closed": false}\n')
    assert Budget(tmp_path, "golden", {}, 1).spent() == (7, 0.75)


@pytest.mark.parametrize(
    ("given", "of_the_key", "of_the_model"),
    [
        ({}, "bc21ef1b115c5fad.txt", "e2a1a5058d627faf.txt"),
        ({"extra_body": {"a": 1}}, "bc21ef1b115c5fad.txt", "e2a1a5058d627faf.txt"),
        ({"model": "m-other"}, "bc21ef1b115c5fad.txt", "4dcbf0f4f06261cf.txt"),
        ({"api_key_env": None}, "37ab16af92f0909c.txt", "837f95f9ae04e47e.txt"),
    ],
    ids=["named key", "extra body", "another model", "no key"],
)
def test_files_that_stop_later_jobs_are_unchanged(
    given: dict[str, Any], of_the_key: str, of_the_model: str, tmp_path: Path
) -> None:
    settings = Settings.of(
        {
            "base_url": "https://api.example.org/v1",
            "model": "m-base",
            "stops": str(tmp_path / "stops"),
            **given,
        }
    )
    Breaker(settings).trip("http_404", "there is no such model")
    notes = {path.name: path.read_bytes() for path in (tmp_path / "stops").iterdir()}
    assert notes == {of_the_model: b"there is no such model"}
    Breaker(settings).trip("http_401", "the key is refused: é")
    notes = {path.name: path.read_bytes() for path in (tmp_path / "stops").iterdir()}
    assert notes[of_the_key] == b"the key is refused: \xc3\xa9"
    with pytest.raises(UserError, match="no request was sent for this shard: the key is refused"):
        Breaker(settings).check()
