"""The interface of fine-tuning backends.

To add a backend (such as a trainer on local GPUs), write its class in a module beside this one, add
sections of its name to the recipes, and build it in ``runner.Runner.backend``.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from persona_collapse.finetuning.orders import Order

SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
DONE = (SUCCEEDED, FAILED, CANCELLED)


@dataclass(frozen=True)
class Job:
    """A fine-tuning job as reported by the server; times are in Unix seconds."""

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
    """One event of a job; ``data`` holds the numbers of a training step."""

    id: str
    created_at: int
    message: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A model saved at a step of a job."""

    id: str
    step: int
    model: str


class Backend(Protocol):
    """A server that trains. Every method may raise the errors of ``asking.journal``."""

    def find_file(self, name: str, size: int) -> str | None:
        """Return the id of a file of this name and size, None where the server lists none."""

    def has_file(self, file: str) -> bool:
        """Return whether an uploaded file exists; raise ``RefusedError`` for an unusable one."""

    def upload(self, name: str, content: bytes) -> str:
        """Upload training data; return the file's id."""

    def find_job(self, order: Order) -> str | None:
        """Return the id of a job with the order's key, preferring one that has not failed."""

    def create_job(self, order: Order, file: str) -> str:
        """Start a job; return its id."""

    def job(self, job: str) -> Job:
        """Return the state of a job."""

    def events(self, job: str, known: Collection[str]) -> list[Event]:
        """Return the events of a job, oldest first, without those whose ids are ``known``."""

    def checkpoints(self, job: str) -> list[Checkpoint]:
        """Return the checkpoints of a job by increasing step."""

    def cancel(self, job: str) -> None:
        """Ask the server to stop a job."""

    def permission(self) -> None:
        """Make a request that needs the permission to fine-tune."""

    def close(self) -> None:
        """Close connections."""
