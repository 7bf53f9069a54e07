"""Third-party servers, started on loopback, which tests can kill."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE / ".venv" / "bin"
MLX_BIN = HERE / ".venv-mlx" / "bin"
LITELLM_BIN = HERE / ".venv-litellm" / "bin"
START_S, STOP_S = 300.0, 20.0
UVICORN = "Uvicorn running on http://127.0.0.1:{port} "
POSTED = '"POST /v1/chat/completions HTTP/1.1" 200'
TAIL = 6000


@dataclass(frozen=True)
class Program:
    """A server program: how it is started, and what its log writes for each chat request.

    ``bin`` is its environment. ``models`` gives, by kind of model, the script that makes it there
    and what follows the folder. ``command`` makes the words of a command from the model's folder
    and a port, ``model`` the name under which the server knows the model. ``plain`` is what a
    request must say for the server to draw from all tokens, ``up`` what the log says when it
    listens, ``lacking`` why it cannot be installed on this platform.
    """

    name: str
    bin: Path
    models: Mapping[str, Sequence[str]]
    command: Callable[[Path, int], Sequence[str | Path]]
    model: Callable[[Path], str]
    request: str = POSTED
    up: str = UVICORN
    plain: Mapping[str, float] = field(default_factory=dict)
    surroundings: Mapping[str, str] = field(default_factory=dict)
    lacking: str | None = None


GPT2 = {"tiny": ("tiny_model.py",), "thinking": ("thinking_model.py",)}
TRANSFORMERS = Program(
    "transformers",
    BIN,
    GPT2,
    lambda made, port: [
        *(BIN / "transformers", "serve", made / "tiny"),
        *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
    ],
    lambda made: str(made / "tiny"),
    "[Request received]",
)
LLAMA = Program(
    "llama",
    BIN,
    GPT2,
    lambda made, port: [
        *(BIN / "python", "-m", "llama_cpp.server", "--model", made / "tiny.gguf"),
        *("--host", "127.0.0.1", "--port", str(port), "--model_alias", "tiny"),
        *("--n_ctx", "1024", "--n_threads", "1", "--verbose", "false"),
    ],
    lambda made: "tiny",
    # By itself it draws from the likeliest tokens only.
    plain={"top_k": 0, "top_p": 1.0, "min_p": 0.0},
)
MLX = Program(
    "mlx",
    MLX_BIN,
    {"tiny": ("tiny_llama.py", "tiny"), "thinking": ("tiny_llama.py", "thinking")},
    lambda made, port: [
        *(MLX_BIN / "mlx_lm.server", "--model", made, "--host", "127.0.0.1", "--port", str(port)),
    ],
    str,
    up="Starting httpd at 127.0.0.1 on port {port}...",
    lacking="mlx has no build for Intel Macs"
    if (sys.platform, platform.machine()) == ("darwin", "x86_64")
    else None,
)
PROGRAMS = (TRANSFORMERS, LLAMA, MLX)
# The proxy needs no model: its folder holds its configuration.
LITELLM = Program(
    "litellm",
    LITELLM_BIN,
    {},
    lambda made, port: [
        *(LITELLM_BIN / "litellm", "--config", made / "config.yaml"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ],
    lambda made: "scripted",
    surroundings={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
)


class Server:
    """A running program. ``start`` after ``kill`` brings it back to the same address."""

    def __init__(self, program: Program, made: Path, log: Path) -> None:
        self.program, self.made, self.log = program, made, log
        self.model = program.model(made)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Return the address that a study gives."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def said(self) -> str:
        """Return the log of all its runs."""
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def requests(self) -> int:
        """Return how many chat requests it has logged."""
        return self.said.count(self.program.request)

    def start(self) -> None:
        """Start the server unless it runs; wait until it listens, or fail with its log."""
        if self._process is not None and self._process.poll() is None:
            return
        # Offline: everything is in the model's folder. Unbuffered: the log counts requests.
        cache = self.made / "cache"
        (cache / "hub").mkdir(parents=True, exist_ok=True)
        surroundings = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(cache),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            **self.program.surroundings,
        }
        # Its own word that it listens: another process may have taken the port in the meantime.
        up = self.program.up.format(port=self.port)
        before = self.said.count(up)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(map(str, self.program.command(self.made, self.port))),
                env=surroundings,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.made,
            )
        deadline = time.monotonic() + START_S
        while self.said.count(up) == before:
            ended = self._process.poll()
            if ended is not None or time.monotonic() > deadline:
                self.kill()
                what = f"ended with {ended}" if ended is not None else f"not up in {START_S:.0f} s"
                raise AssertionError(f"{self.program.name}: {what}:\n{self.said[-TAIL:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, and kill it if that takes too long."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_S)
