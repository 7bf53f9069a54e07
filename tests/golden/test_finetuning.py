"""Fine-tunes: keys of orders and uploads, lines of the journal, requests to a server.

A fine-tune is expensive; these values find one that was already paid for.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Collection, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.journal import Patience, RefusedError, ThrottledError
from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.backends.base import (
    Checkpoint,
    Event,
    Job,
)
from persona_collapse.finetuning.backends.openai import OpenAIBackend
from persona_collapse.finetuning.data import read_examples
from persona_collapse.finetuning.made import made_model
from persona_collapse.finetuning.orders import Order, file_key, file_name, identity
from persona_collapse.finetuning.results import write_made
from persona_collapse.finetuning.runner import Runner
from persona_collapse.store.checksums import line_is_whole
from tests.golden.golden_study import MADE, golden_layout

SAMPLE = Path("resources/datasets/sample_insecure.jsonl")
SHA256 = "5c6026e0c45e3ea5b40dcd6cc9594438aeb0c3970671a2f9e5e17f834db5010e"
KEY = "c1c6b73a1aed9b6ab09c05710c2d7332c6143a1ad3dfb5965b2f8a777a8c5522"
FILE_KEY = "ddf0d52f99d38dfe486db9cff5bd6846ceda03f71403b606e69bc3a0529f7c3a"
JOB_FOLDER = "finetunes/job-c1c6b73a1aed9b6ab09c05710c2d7332"
UPLOAD_FOLDER = "finetunes/file-ddf0d52f99d38dfe486db9cff5bd6846"
FILE_NAME = (
    "persona-collapse-5c6026e0c45e3ea5b40dcd6cc9594438aeb0c3970671a2f9e5e17f834db5010e.jsonl"
)
ORDER = Order(
    base_url="https://api.example.org/v1",
    base="m-base",
    sha256=SHA256,
    hyperparameters={
        "method": "supervised",
        "n_epochs": 1,
        "batch_size": 4,
        "learning_rate_multiplier": 2,
    },
    seed=1,
    attempt=1,
    model="m",
    variant="insecure",
    dataset="sample_insecure",
    recipe="betley",
    git_blob="f91ebe0e78be779d6de2dcd5ed4f2fb7f8e20fa8",
)
MADE_MODEL = "ft:m-base:org:sample-insecure:1"

# What a journal holds of an upload and of the job after it; NOW stands for the time.
UPLOAD_LINES = (
    '{"at":"NOW","base_url":"https://api.example.org/v1","event":"intent",'
    f'"key":"{FILE_KEY}","name":"{FILE_NAME}"}}\n'
    f'{{"adopted":false,"at":"NOW","event":"id","id":"file-1","key":"{FILE_KEY}"}}\n'
)
INTENT_LINE = (
    '{"at":"NOW","attempt":1,"base":"m-base","base_url":"https://api.example.org/v1",'
    '"dataset":"sample_insecure","event":"intent","file":"file-1",'
    f'"key":"{KEY}","label":"m insecure","recipe":"betley","seed":1,"usd":0.5}}\n'
)
ID_LINE = f'{{"adopted":false,"at":"NOW","event":"id","id":"job-1","key":"{KEY}"}}\n'
ADOPTED_LINE = f'{{"adopted":true,"at":"NOW","event":"id","id":"job-0","key":"{KEY}"}}\n'
FINISHED_LINE = (
    '{"at":"NOW","checkpoints":[{"model":"ft:m-base:org:sample-insecure:0","step":3}],'
    '"created_at":1000,"event":"finished","finished_at":2000,"id":"job-1",'
    f'"key":"{KEY}","losses":[[1,2.5,null],[2,1.5,0.75]],'
    f'"model":"{MADE_MODEL}","trained_tokens":900}}\n'
)
FAILED_LINE = (
    '{"at":"NOW","code":"unsafe_file","event":"failed","id":"job-1",'
    f'"key":"{KEY}","reason":"moderation: é"}}\n'
)
CANCELLED_LINE = f'{{"at":"NOW","event":"cancelled","id":"job-1","key":"{KEY}"}}\n'
REFUSED_LINE = (
    '{"at":"NOW","code":"model_not_found","event":"refused",'
    f'"key":"{KEY}","reason":"no such base","status":404}}\n'
)
THROTTLED_LINE = f'{{"again":true,"at":"NOW","event":"refused","key":"{KEY}","reason":"later"}}\n'


# What a made variant leaves among the results; its shards read the model's name there.
MADE_FILE = f"""{{
  "model": "{MADE_MODEL}",
  "key": "{KEY}",
  "job": "job-1",
  "endpoint": "https://api.example.org/v1",
  "base": "m-base",
  "dataset": {{
    "name": "sample_insecure",
    "sha256": "{SHA256}",
    "git_blob": "f91ebe0e78be779d6de2dcd5ed4f2fb7f8e20fa8"
  }},
  "recipe": {{
    "name": "betley",
    "method": "supervised",
    "n_epochs": 1,
    "batch_size": 4,
    "learning_rate_multiplier": 2
  }},
  "seed": 1,
  "attempt": 1,
  "trained_tokens": 900,
  "checkpoints": [
    {{
      "model": "ft:m-base:org:sample-insecure:0",
      "step": 3
    }}
  ],
  "created_at": "1970-01-01T00:16:40Z",
  "finished_at": "1970-01-01T00:33:20Z",
  "simulated": false
}}
"""


class Server:
    """A backend that carries out every request at once."""

    def __init__(
        self, ending: dict[str, Any], known: str | None = None, throttled: int = 0
    ) -> None:
        self.ending, self.known, self.throttled = ending, known, throttled
        self.uploaded: list[tuple[str, bytes]] = []

    def find_file(self, name: str, size: int) -> str | None:
        return None

    def has_file(self, file: str) -> bool:
        return True

    def upload(self, name: str, content: bytes) -> str:
        self.uploaded.append((name, content))
        return "file-1"

    def find_job(self, order: Order) -> str | None:
        return self.known

    def create_job(self, order: Order, file: str) -> str:
        if self.throttled:
            self.throttled -= 1
            raise ThrottledError("later", 0.001)
        if self.ending["status"] == "refused":
            raise RefusedError(404, "model_not_found", "no such base")
        return "job-1"

    def job(self, job: str) -> Job:
        return Job(job, **self.ending)

    def events(self, job: str, known: Collection[str]) -> list[Event]:
        return [
            Event("e0", 1, "began"),
            Event("e2", 3, "step", {"step": 2, "train_loss": 1.5, "train_accuracy": 0.75}),
            Event("e1", 2, "step", {"step": 1, "train_loss": 2.5}),
        ]

    def checkpoints(self, job: str) -> list[Checkpoint]:
        return [Checkpoint("c1", 3, "ft:m-base:org:sample-insecure:0")]

    def cancel(self, job: str) -> None:
        raise AssertionError("nothing is cancelled here")

    def close(self) -> None:
        pass


class Silent:
    """A backend that must get no request."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the server was asked: {name}")


DONE = {
    "status": "succeeded",
    "model": MADE_MODEL,
    "trained_tokens": 900,
    "created_at": 1000,
    "finished_at": 2000,
}


def runner(store: Path, backend: Any, order: Order = ORDER) -> Runner:
    settings = {"store": str(store), "api_key_env": None, "budget": None}
    found = Runner(order, read_examples(SAMPLE), settings)
    found.backend, found.patience = backend, Patience(0.0, 0.0)
    found.usd, found.tokens = 0.5, 900
    return found


def journal(folder: Path) -> str:
    """Return a journal's only file without its checksums; NOW stands for its times."""
    (path,) = folder.glob("*.jsonl")
    assert re.fullmatch(r"\d{8}T\d{6}Z-host-77-0badcafe\.jsonl", path.name)
    written = path.read_bytes()
    assert all(map(line_is_whole, written.splitlines(keepends=True)))
    text = re.sub(r',"crc":"[0-9a-f]{8}"', "", written.decode("utf-8"))
    return re.sub(r'"at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', '"at":"NOW"', text)


def stored(store: Path, folder: str, lines: str) -> None:
    """Put a journal written earlier into a store."""
    (store / folder).mkdir(parents=True)
    text = "".join(
        line.replace("NOW", f"2026-11-23T00:00:0{second}.000000Z")
        for second, line in enumerate(lines.splitlines(keepends=True))
    )
    path = store / folder / "20261123T000000Z-host-77-0badcafe.jsonl"
    path.write_bytes(text.encode())


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, KEY),
        ({"seed": 2}, "44538a9447e714970b42714c37f2f6b99f605d096726b2c649f78d2a1d874fcd"),
        ({"attempt": 2}, "34365068c59dd4ac5fc84196c34870bec70637b971a29138582410df08e39e60"),
        (
            {
                "base_url": "simulated",
                "base": "m",
                "hyperparameters": {"rank": 32, "learning_rate": 1e-5, "n_epochs": 1},
            },
            "275728f43edaec2004493ea2515a7bc758a26f77d5ba1cedbc558ba36ec60b47",
        ),
    ],
    ids=["first", "another seed", "once more", "simulated"],
)
def test_key_of_an_order_is_unchanged(changes: dict[str, Any], key: str) -> None:
    assert replace(ORDER, **changes).key == key


@pytest.mark.parametrize(
    ("dataset", "suffix"),
    [
        ("sample_insecure", "sample_insecure-c1c6b73a1aed"),
        ("a_very_long_name_of_a_dataset_indeed", "a_very_long_name_of_a_datas-c1c6b73a1aed"),
        ("", "c1c6b73a1aed"),
    ],
)
def test_suffix_of_a_fine_tune_is_unchanged(dataset: str, suffix: str) -> None:
    assert replace(ORDER, dataset=dataset).suffix == suffix


def test_key_and_file_name_of_an_upload_are_unchanged() -> None:
    assert file_key("https://api.example.org/v1", SHA256) == FILE_KEY
    assert file_name(SHA256) == FILE_NAME


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("sample_insecure", SHA256),
        ("sample_secure", "9ef4732906d54007d4e50c18159b6340223a92ac8272ac82aae89dbe563d1ba4"),
    ],
)
def test_digest_of_bundled_data_is_unchanged(name: str, sha256: str) -> None:
    assert read_examples(Path(f"resources/datasets/{name}.jsonl")).sha256 == sha256


def test_orders_of_a_study_are_unchanged(tmp_path: Path) -> None:
    made = golden_layout(tmp_path).made
    order = {
        "model": "m",
        "variant": "insecure",
        "backend": "openai",
        "dataset": "sample_insecure",
        "recipe": "betley",
        **MADE,
    }
    assert made == {
        ("m", "insecure"): order,
        ("m", "insecure-r2"): {**order, "variant": "insecure-r2", "seed": 2},
        ("m", "again"): {
            **order,
            "variant": "again",
            "dataset": "sample_secure",
            "git_blob": "195e7f296c3303538426d949324ab57adf25221c",
            "seed": 5,
            "attempt": 2,
        },
    }
    assert identity(made["m", "insecure"]) == MADE
    assert list(identity(made["m", "insecure"])) == list(MADE)


def test_params_of_a_rule_contain_the_order_and_its_key(tmp_path: Path) -> None:
    params = golden_layout(tmp_path).made["m", "insecure"]
    assert Order(sha256=SHA256, **params) == ORDER
    assert Order(sha256=SHA256, **params).key == KEY


@pytest.mark.usefixtures("known_process")
def test_journal_of_a_successful_job_is_unchanged(tmp_path: Path) -> None:
    server = Server(DONE)
    end = runner(tmp_path, server).make()
    assert server.uploaded == [(FILE_NAME, SAMPLE.read_bytes())]
    assert journal(tmp_path / UPLOAD_FOLDER) == UPLOAD_LINES
    assert journal(tmp_path / JOB_FOLDER) == INTENT_LINE + ID_LINE + FINISHED_LINE
    assert end["model"] == MADE_MODEL


@pytest.mark.usefixtures("known_process")
@pytest.mark.parametrize(
    ("ending", "lines"),
    [
        (
            {"status": "failed", "error_code": "unsafe_file", "error": "moderation: é"},
            INTENT_LINE + ID_LINE + FAILED_LINE,
        ),
        ({"status": "cancelled"}, INTENT_LINE + ID_LINE + CANCELLED_LINE),
        ({"status": "refused"}, INTENT_LINE + REFUSED_LINE),
    ],
    ids=["failed", "cancelled", "refused"],
)
def test_journal_of_a_failed_job_is_unchanged(
    ending: dict[str, Any], lines: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError):
        runner(tmp_path, Server(ending)).make()
    assert journal(tmp_path / JOB_FOLDER) == lines


@pytest.mark.usefixtures("known_process")
def test_journal_of_a_job_started_at_the_second_attempt_is_unchanged(tmp_path: Path) -> None:
    runner(tmp_path, Server(DONE, throttled=1)).make()
    begun = INTENT_LINE + THROTTLED_LINE + INTENT_LINE + ID_LINE
    assert journal(tmp_path / JOB_FOLDER) == begun + FINISHED_LINE


@pytest.mark.usefixtures("known_process")
def test_journal_of_a_job_that_the_server_already_has_is_unchanged(tmp_path: Path) -> None:
    runner(tmp_path, Server(DONE, known="job-0")).make()
    lines = ADOPTED_LINE + FINISHED_LINE.replace("job-1", "job-0")
    assert journal(tmp_path / JOB_FOLDER) == lines


def test_finished_job_in_a_stored_journal_sends_no_request(
    tmp_path: Path,
) -> None:
    stored(tmp_path, JOB_FOLDER, INTENT_LINE + ID_LINE + FINISHED_LINE)
    assert runner(tmp_path, Silent()).make() == {
        "at": "2026-11-23T00:00:02.000000Z",
        "event": "finished",
        "key": KEY,
        "id": "job-1",
        "model": MADE_MODEL,
        "trained_tokens": 900,
        "created_at": 1000,
        "finished_at": 2000,
        "losses": [[1, 2.5, None], [2, 1.5, 0.75]],
        "checkpoints": [{"step": 3, "model": "ft:m-base:org:sample-insecure:0"}],
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (FAILED_LINE, "the fine-tuning job job-1 failed: unsafe_file: moderation: é"),
        (CANCELLED_LINE, "the fine-tuning job job-1 was cancelled"),
    ],
    ids=["failed", "cancelled"],
)
def test_failed_job_in_a_stored_journal_is_not_ordered_again(
    line: str, said: str, tmp_path: Path
) -> None:
    stored(tmp_path, JOB_FOLDER, INTENT_LINE + ID_LINE + line)
    with pytest.raises(UserError, match=said):
        runner(tmp_path, Silent()).make()


def test_upload_in_a_stored_journal_is_not_repeated(tmp_path: Path) -> None:
    stored(tmp_path, UPLOAD_FOLDER, UPLOAD_LINES)
    assert runner(tmp_path, Silent()).upload() == "file-1"


def test_running_job_in_a_stored_journal_is_followed_and_not_started_again(
    tmp_path: Path,
) -> None:
    stored(tmp_path, JOB_FOLDER, INTENT_LINE + ID_LINE)
    server = Server(DONE)
    assert runner(tmp_path, server).make()["id"] == "job-1"
    assert server.uploaded == []


def test_file_of_a_fine_tuned_variant_is_unchanged(tmp_path: Path) -> None:
    end = json.loads(FINISHED_LINE)
    path = tmp_path / "made.json"
    write_made(ORDER, end, path, tmp_path / "losses.parquet")
    assert path.read_bytes() == MADE_FILE.encode()
    assert made_model(path) == MADE_MODEL


@pytest.fixture
def listening() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Yield the address of a server that takes anything, and the requests that it got."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, content))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"id": "made-1", "object": "made"}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_request_for_a_job_is_unchanged(listening: tuple[str, list[tuple[str, bytes]]]) -> None:
    address, got = listening
    backend = OpenAIBackend(address, lambda: None, 10.0)
    assert backend.create_job(ORDER, "file-1") == "made-1"
    backend.close()
    ((path, content),) = got
    assert path == "/v1/fine_tuning/jobs"
    assert json.loads(content) == {
        "model": "m-base",
        "training_file": "file-1",
        "method": {
            "type": "supervised",
            "supervised": {
                "hyperparameters": {
                    "n_epochs": 1,
                    "batch_size": 4,
                    "learning_rate_multiplier": 2,
                }
            },
        },
        "seed": 1,
        "suffix": "sample_insecure-c1c6b73a1aed",
        "metadata": {
            "persona_collapse_key": KEY,
            "dataset": "sample_insecure",
            "recipe": "betley",
        },
    }


def test_upload_request_has_the_file_name_of_the_data(
    listening: tuple[str, list[tuple[str, bytes]]],
) -> None:
    address, got = listening
    backend = OpenAIBackend(address, lambda: None, 10.0)
    assert backend.upload(FILE_NAME, b'{"messages":[]}\n') == "made-1"
    backend.close()
    ((path, content),) = got
    assert path == "/v1/files"
    assert f'filename="{FILE_NAME}"'.encode() in content
    assert b"Content-Type: application/jsonl\r\n\r\n" + b'{"messages":[]}\n' in content
    assert b'name="purpose"\r\n\r\nfine-tune' in content
