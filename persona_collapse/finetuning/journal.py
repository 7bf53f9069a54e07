"""The journals of fine-tunes: ``<store>/finetunes/``, one of each upload and of each job."""

from pathlib import Path

from persona_collapse.asking.journal import Entry, Journal, last_of

FOLDER = "finetunes"
FINISHED, FAILED, CANCELLED = "finished", "failed", "cancelled"  # events: how a job ended
ENDS = (FINISHED, FAILED, CANCELLED)


def journal_of(store: Path, what: str, key: str) -> Journal:
    """Return the journal of one upload (``what`` is ``file``) or one job (``job``)."""
    return Journal(store / FOLDER / f"{what}-{key[:32]}", key)


def ending(entries: list[Entry]) -> Entry | None:
    """Return the entry that ended the job, None while it runs or was never ordered.

    Success reported by the server overrides a cancellation that came too late.
    """
    return last_of(entries, FINISHED) or last_of(entries, *ENDS)
