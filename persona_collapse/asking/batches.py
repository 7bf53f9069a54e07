"""A server's batches: files of requests that are answered within a day, at half price."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from persona_collapse.asking.journal import RefusedError
from persona_collapse.asking.service import Service

KEY = "persona_collapse_key"  # the entry of a batch's metadata that says what it answers
FAILED, CANCEL = "failed", "cancel"  # the latter begins two spellings
# The server works on it no more. Others than OpenAI have words of their own for the same.
DONE = ("completed", FAILED, "expired", "cancelled", "canceled", "succeeded", "error")
DAY_S = 86_400
MOST_BYTES = 4 << 30  # of a file of results


@dataclass(frozen=True)
class Fault:
    """Why a server rejected a file: the line of the file, from 1, None where it is about all."""

    line: int | None
    code: str
    message: str


@dataclass(frozen=True)
class Batch:
    """A batch as the server reports it.

    ``files`` hold what it answered: replies and failures. ``total`` and ``answered`` count
    requests, ``ended_at`` is in Unix seconds.
    """

    id: str
    status: str
    files: tuple[str, ...] = ()
    total: int = 0
    answered: int = 0
    faults: tuple[Fault, ...] = field(default=())
    ended_at: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether no more replies will come."""
        return self.status.lower() in DONE


class BatchService(Service):
    """A server with OpenAI's ``/files`` and ``/batches``."""

    purpose = "batch"

    def find_batch(self, key: str, since: float) -> str | None:
        """Look up a batch by its metadata; ``since`` (Unix seconds) bounds how far back."""
        for page in self._pages(self._api.batches.list):
            for batch in page:
                metadata = batch.metadata if isinstance(batch.metadata, dict) else {}
                if metadata.get(KEY) == key:
                    return str(batch.id)
            # The newest come first.
            oldest = page[-1].created_at if page else None
            if isinstance(oldest, int | float) and oldest < since - DAY_S:
                return None
        return None

    def create_batch(self, file: str, key: str, about: Mapping[str, str]) -> str:
        """Have the requests of a file answered; return the batch's id."""
        create = partial(
            self._api.batches.create,
            input_file_id=file,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={KEY: key, **about},
        )
        return self._id(self._call(create))

    def batch(self, batch: str) -> Batch:
        """Return the state of a batch."""
        found = self._call(lambda: self._api.batches.retrieve(batch))
        files = [getattr(found, name, None) for name in ("output_file_id", "error_file_id")]
        counts = getattr(found, "request_counts", None)
        faults = getattr(getattr(found, "errors", None), "data", None)
        ends = [getattr(found, f"{end}_at", None) for end in ("completed", "expired", "cancelled")]
        return Batch(
            id=batch,
            status=str(found.status),
            files=tuple(file for file in files if isinstance(file, str) and file),
            total=_count(counts, "total"),
            answered=_count(counts, "completed"),
            faults=tuple(self._fault(fault) for fault in faults or ()),
            ended_at=next((end for end in ends if isinstance(end, int)), None),
        )

    def content(self, file: str) -> bytes | None:
        """Return what a file holds, None where the server has no such file."""
        try:
            return self._call(lambda: self._read(file))
        except RefusedError as fault:
            if fault.status == 404:
                return None
            raise

    def _read(self, file: str) -> bytes:
        parts, size = [], 0
        with self._api.files.with_streaming_response.content(file) as response:
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    raise RefusedError(
                        response.status_code,
                        "too_large",
                        f"the file of results {file} is larger than {MOST_BYTES:,} bytes",
                    )
        return b"".join(parts)

    def cancel(self, batch: str) -> None:
        """Ask the server to stop a batch; what it answered until then is kept and billed."""
        self._call(lambda: self._api.batches.cancel(batch))

    def _fault(self, fault: Any) -> Fault:
        line, code = getattr(fault, "line", None), getattr(fault, "code", None)
        message = self._text(str(getattr(fault, "message", None) or "no reason given")) or ""
        return Fault(line if isinstance(line, int) else None, str(code or "invalid"), message)


def _count(counts: Any, name: str) -> int:
    found = getattr(counts, name, None)
    return found if isinstance(found, int) else 0
