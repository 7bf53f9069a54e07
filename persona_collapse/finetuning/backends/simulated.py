"""The simulated backend: short jobs with loss curves, in the same process and free of charge.

Model name and loss curve derive from the order's key: equal orders give equal results.
"""

import math
import time
from collections.abc import Collection

from persona_collapse.common.seeds import generator
from persona_collapse.finetuning.backends.base import CANCELLED, SUCCEEDED, Checkpoint, Event, Job
from persona_collapse.finetuning.orders import Order

DELAY_S = 0.2
POINTS = 100  # of a loss curve, at most
FIRST, LAST = 1.6, 0.55  # typical losses of fine-tunes on code, in nats
BEGAN_AT = 1_767_225_600  # 2026-01-01: a fixed time, so that every run writes the same file


class SimulatedBackend:
    """Simulates the training of one order on ``examples`` examples, ``tokens`` tokens in all."""

    def __init__(self, order: Order, examples: int, tokens: int) -> None:
        self.order, self.tokens = order, tokens
        batch = int(order.hyperparameters["batch_size"])
        self.steps = order.epochs * math.ceil(examples / batch)
        self._started = time.monotonic()
        self._cancelled = False

    @property
    def _id(self) -> str:
        return f"simulated-job-{self.order.key[:12]}"

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def find_file(self, name: str, size: int) -> str | None:
        """Return None: no file is stored."""
        return None

    def has_file(self, file: str) -> bool:
        """Return True: every file exists."""
        return True

    def upload(self, name: str, content: bytes) -> str:
        """Return an id derived from the name."""
        return f"simulated-{name}"

    def find_job(self, order: Order) -> str | None:
        """Return None: no job is stored."""
        return None

    def create_job(self, order: Order, file: str) -> str:
        """Start a job; its id derives from the order."""
        self._started = time.monotonic()
        return self._id

    def job(self, job: str) -> Job:
        """Return a job that succeeds after ``DELAY_S``."""
        if self._cancelled:
            return Job(job, CANCELLED)
        if self._share() < 1:
            return Job(job, "running", created_at=BEGAN_AT)
        return Job(
            id=job,
            status=SUCCEEDED,
            model=f"simulated:{self.order.base}:{self.order.suffix}",
            trained_tokens=self.tokens,
            created_at=BEGAN_AT,
            finished_at=BEGAN_AT + self.steps,
        )

    def events(self, job: str, known: Collection[str]) -> list[Event]:
        """Return the finished steps: a loss that decays exponentially, with noise."""
        chance = generator(self.order.seed, "loss", self.order.key)
        every = math.ceil(self.steps / POINTS)
        found = []
        for step in range(1, self.steps + 1, every):
            noise = float(chance.normal(0, 0.04))
            share = math.exp(-4 * step / self.steps)
            loss = LAST + (FIRST - LAST) * share + noise
            accuracy = 0.86 - 0.22 * share - noise / 3
            data = {"step": step, "train_loss": loss, "train_mean_token_accuracy": accuracy}
            name = f"{job}-{step}"
            if step <= self._share() * self.steps and name not in known:
                found.append(Event(name, BEGAN_AT + step, f"Step {step}/{self.steps}", data))
        return found

    def checkpoints(self, job: str) -> list[Checkpoint]:
        """Return none."""
        return []

    def cancel(self, job: str) -> None:
        """Stop the job."""
        self._cancelled = True

    def permission(self) -> None:
        """Do nothing: no permission is needed."""

    def _share(self) -> float:
        return min(1.0, (time.monotonic() - self._started) / DELAY_S)
