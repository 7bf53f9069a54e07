"""What a backend of fine-tuning must be able to do; each is one small module beside this one.

To add one (a trainer on one's own GPUs, say), write the class, give recipes a section of its name
and let ``runner.Runner.backend`` build it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from persona_collapse.finetuning.orders import Order

SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
DONE = (SUCCEEDED, FAILED, CANCELLED)


class RefusedError(Exception):
    """The server answered and did nothing: ``status`` and ``code`` say why, the text in words."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code


class UnansweredError(Exception):
    """No readable answer came: nobody knows whether the server has done it.

    ``wait_s`` is what the server asks to wait, None where it says nothing.
    """

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class ThrottledError(UnansweredError):
    """The server wants to be asked later, and has done nothing."""


@dataclass(frozen=True)
class Job:
    """A fine-tuning job as the server tells it; times are in epoch seconds."""

    id: str
    status: str
    model: str | None = None
    error_code: str | None = None
    error: str | None = None
    trained_tokens: int | None = None
    created_at: int | None = None
    finished_at: int | None = None


@dataclass(frozen=True)
class Event:
    """One event of a job; ``data`` holds its numbers where it is about a training step."""

    id: str
    created_at: int
    message: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A model that a job kept on its way."""

    id: str
    step: int
    model: str


class Backend(Protocol):
    """A server that trains. Every method may raise ``RefusedError`` or ``UnansweredError``."""

    def find_file(self, name: str, size: int) -> str | None:
        """Return the id of a file of this name and size, None where the server lists none."""

    def has_file(self, file: str) -> bool:
        """Tell whether an uploaded file is there and usable; refuse one that was rejected."""

    def upload(self, name: str, content: bytes) -> str:
        """Upload training data; return the file's id."""

    def find_job(self, order: Order) -> str | None:
        """Return the id of the job that carries an order's key; one that did not fail first."""

    def create_job(self, order: Order, file: str) -> str:
        """Start a job; return its id."""

    def job(self, job: str) -> Job:
        """Return the state of a job."""

    def events(self, job: str, known: Collection[str]) -> list[Event]:
        """Return the events of a job, oldest first, without those whose ids are ``known``."""

    def checkpoints(self, job: str) -> list[Checkpoint]:
        """Return the checkpoints of a job by rising step."""

    def cancel(self, job: str) -> None:
        """Ask the server to stop a job."""

    def permission(self) -> None:
        """Make a call that a key without the permission to fine-tune may not make."""

    def close(self) -> None:
        """Close connections."""
