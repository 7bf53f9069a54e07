"""Stopping the jobs of a study that still run at their servers."""

from __future__ import annotations

from persona_collapse.finetuning.backends.base import DONE, RefusedError, UnansweredError
from persona_collapse.finetuning.journal import CANCELLED, ending, known_id, open_intent
from persona_collapse.finetuning.running import Running


def cancel(running: Running) -> str:
    """Cancel the job of an order, if it has one that is not done; say what became of it.

    The journal of a run that follows the job learns it from the server, as this one does.
    """
    order, journal = running.order, running.journal
    entries = journal.entries()
    job, end = known_id(entries), ending(entries)
    if end is not None:
        return f"{order.label}: {end['id']} is {end['event']} already"
    backend = running.backend()
    try:
        if job is None and open_intent(entries) is not None:
            job = backend.find_job(order)
        if job is None:
            return f"{order.label}: no job"
        if backend.job(job).status not in DONE:
            backend.cancel(job)
        state = backend.job(job).status
        if state == "cancelled":
            journal.write(CANCELLED, id=job)
    except (RefusedError, UnansweredError) as fault:
        return f"{order.label}: {job or 'its job'} could not be cancelled: {fault}"
    finally:
        journal.close()
        backend.close()
    return f"{order.label}: {job} is {state}"
