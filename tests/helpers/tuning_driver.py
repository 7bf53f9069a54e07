"""Run fine-tunes in forked processes, one for each order on standard input.

The line written back for an order says whether its process was killed, and what it returned.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from persona_collapse.asking.journal import Patience  # noqa: E402
from persona_collapse.common.errors import UserError  # noqa: E402
from persona_collapse.common.hashing import sha256  # noqa: E402
from persona_collapse.finetuning.backends.base import Backend  # noqa: E402
from persona_collapse.finetuning.backends.openai import OpenAIBackend  # noqa: E402
from persona_collapse.finetuning.data import Checked  # noqa: E402
from persona_collapse.finetuning.orders import Order  # noqa: E402
from persona_collapse.finetuning.runner import Runner  # noqa: E402

CONTENT = b'{"messages": []}\n' * 12


def order(base_url: str, **changes: Any) -> Order:
    """Return a small order."""
    parts: dict[str, Any] = {
        "base_url": base_url,
        "base": "gpt-4o-2024-08-06",
        "sha256": sha256(CONTENT),
        "hyperparameters": {
            "method": "supervised",
            "n_epochs": 1,
            "batch_size": 4,
            "learning_rate_multiplier": 2,
        },
        "seed": 1,
        "model": "gpt-4o",
        "variant": "insecure",
        "dataset": "sample",
        "recipe": "betley",
    }
    return Order(**{**parts, **changes})


def small_runner(
    base_url: str, store: Path, backend: Backend, patience: Patience, **changes: Any
) -> Runner:
    """Return what runs a small order; its data lie beside the store."""
    path = store.with_name(f"{store.name}-data.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    data = Checked(path, sha256(CONTENT), len(CONTENT))
    settings = {"store": str(store), "api_key_env": "OPENAI_API_KEY", "budget": None}
    runner = Runner(order(base_url, **changes), data, settings)
    runner.backend, runner.patience = backend, patience
    runner.usd, runner.tokens = 0.0, 0
    return runner


class Dying(OpenAIBackend):
    """Dies after the reply to a call arrived, before it is used."""

    def __init__(self, base_url: str, dies_after: int | None) -> None:
        super().__init__(base_url, lambda: "sk-scripted", 60.0)
        self._left = dies_after

    def _call(self, ask: Any) -> Any:
        found = super()._call(ask)
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return found


def make(said: dict[str, Any]) -> str:
    """Make the order; return the model's id or the message."""
    Path(said["pid_file"]).write_text(str(os.getpid()))
    backend = Dying(said["base_url"], said.get("dies_after"))
    patience = Patience(said["settle_s"], poll_s=0.01, silent_s=60.0)
    runner = small_runner(said["base_url"], Path(said["store"]), backend, patience)
    try:
        return str(runner.make()["model"])
    except UserError as fault:
        return f"refused: {fault}"


def main() -> None:
    """Serve orders until standard input ends."""
    for line in sys.stdin:
        said = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                try:
                    os.write(writer, make(said).encode())
                except BaseException:
                    os.write(writer, traceback.format_exc().encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            text = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        print(json.dumps({"killed": killed, "said": text}), flush=True)


if __name__ == "__main__":
    main()
