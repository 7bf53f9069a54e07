"""The OpenAI backend: files and fine-tuning jobs through the official client, without retries."""

from collections.abc import Collection
from typing import Any

from persona_collapse.asking.journal import RefusedError
from persona_collapse.asking.service import Service
from persona_collapse.finetuning.backends.base import CANCELLED, FAILED, Checkpoint, Event, Job
from persona_collapse.finetuning.orders import Order
from persona_collapse.store.attempts import possible_count

KEY = "persona_collapse_key"  # the entry of a job's metadata that holds an order's key


class OpenAIBackend(Service):
    """A server with OpenAI's ``/files`` and ``/fine_tuning/jobs``."""

    purpose = "fine-tune"

    def find_job(self, order: Order) -> str | None:
        """Look up a job by the key in its metadata or, without metadata, by its suffix."""
        ended: str | None = None
        for page in self._pages(self._api.fine_tuning.jobs.list):
            for job in page:
                if not _carries(job, order):
                    continue
                if job.status not in (FAILED, CANCELLED):
                    return str(job.id)
                ended = ended or str(job.id)
        return ended

    def create_job(self, order: Order, file: str) -> str:
        """Start a supervised job."""
        parameters = dict(order.hyperparameters)
        method = parameters.pop("method", "supervised")
        body: Any = {
            "model": order.base,
            "training_file": file,
            "method": {"type": method, method: {"hyperparameters": parameters}},
            "seed": order.seed,
            "suffix": order.suffix,
            "metadata": {KEY: order.key, "dataset": order.dataset, "recipe": order.recipe},
        }
        return self._id(self._call(lambda: self._api.fine_tuning.jobs.create(**body)))

    def job(self, job: str) -> Job:
        """Return the state of a job."""
        found = self._call(lambda: self._api.fine_tuning.jobs.retrieve(job))
        error = getattr(found, "error", None)
        return Job(
            id=job,
            status=str(found.status),
            model=found.fine_tuned_model or None,
            error_code=getattr(error, "code", None),
            error=self._text(getattr(error, "message", None)),
            trained_tokens=possible_count(found.trained_tokens),
            created_at=found.created_at,
            finished_at=found.finished_at,
        )

    def events(self, job: str, known: Collection[str]) -> list[Event]:
        """Return new events, read backwards from the newest to one that is known."""
        new: dict[str, Event] = {}
        for page in self._pages(self._api.fine_tuning.jobs.list_events, job):
            fresh = [event for event in page if event.id not in known]
            for event in fresh:
                data = event.data if isinstance(event.data, dict) else {}
                new[event.id] = Event(
                    event.id, event.created_at, self._text(event.message) or "", data
                )
            if len(fresh) < len(page):
                break
        # Servers list the newest first; events of the same second keep their order.
        oldest_first = list(reversed(new.values()))
        return sorted(oldest_first, key=lambda event: event.created_at)

    def checkpoints(self, job: str) -> list[Checkpoint]:
        """Return the checkpoints, none where the server does not list them."""
        found = []
        try:
            for page in self._pages(self._api.fine_tuning.jobs.checkpoints.list, job):
                found += [
                    Checkpoint(entry.id, entry.step_number, entry.fine_tuned_model_checkpoint)
                    for entry in page
                ]
        except RefusedError as fault:
            if fault.status not in (404, 405):
                raise
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    def cancel(self, job: str) -> None:
        """Ask the server to stop a job."""
        self._call(lambda: self._api.fine_tuning.jobs.cancel(job))

    def permission(self) -> None:
        """List one job, which needs the permission to fine-tune."""
        self._call(lambda: self._api.fine_tuning.jobs.list(limit=1))


def _carries(job: Any, order: Order) -> bool:
    metadata = job.metadata if isinstance(job.metadata, dict) else {}
    if KEY in metadata:
        return bool(metadata[KEY] == order.key)
    given = getattr(job, "user_provided_suffix", None)
    named = (job.fine_tuned_model or "").split(":")
    return order.suffix in (given, *named)
