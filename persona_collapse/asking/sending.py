"""Send submissions as batches: each once, whatever becomes of this process and of its requests.

What is sent is announced in the store before (``submissions``), and looked up at the server before
it is sent again, so that another process goes on, also on another machine with the same store.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from persona_collapse.asking.ask import needed_price
from persona_collapse.asking.batches import BatchService
from persona_collapse.asking.breaker import Breaker
from persona_collapse.asking.budget import Budget, settle_held
from persona_collapse.asking.journal import (
    GONE,
    ID,
    Patience,
    RefusedError,
    ThrottledError,
    ensure,
    known_id,
)
from persona_collapse.asking.keys import find_key, known_key
from persona_collapse.asking.prices import Price, most_prompt_tokens
from persona_collapse.asking.progress import Progress
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.response import in_words
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.stops import stopped
from persona_collapse.asking.submissions import (
    MOST_REQUESTS,
    Submission,
    Try,
    announce,
    running_of,
    settings_of,
)
from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now
from persona_collapse.common.hashing import canonical
from persona_collapse.store.attempts import Attempt

ACCOUNT = ("insufficient_quota", "invalid_api_key")  # codes that concern the key


class Sender:
    """Sends the batches of one stream; ``label`` names what they ask for."""

    def __init__(self, label: str, settings: Settings) -> None:
        self.label, self.settings = label, settings
        self.store = Path(settings.store)
        self.say = Progress(label, 0, folder=settings.stops).say
        self._requests: dict[str, Requests] = {}

    def close(self) -> None:
        """Close the connections."""
        if "service" in self.__dict__:
            self.service.close()

    @cached_property
    def service(self) -> BatchService:
        """The server's files and batches."""
        settings = self.settings
        key = partial(find_key, settings.api_key_env, settings.base_url)
        return BatchService(settings.base_url, key, max(settings.timeout_s, 60.0))

    @cached_property
    def key(self) -> str | None:
        """The key, which is removed from what the server says; nothing is asked with it."""
        name = self.settings.api_key_env
        return known_key(name) if name else None

    @cached_property
    def price(self) -> Price | None:
        """The price in a batch, where the budget is in dollars."""
        price = needed_price(self.settings)
        return price.in_batch() if price else None

    @property
    def patience(self) -> Patience:
        """How long to wait for a response where something is sent."""
        return Patience(self.settings.settle_s, self.settings.poll_s)

    def requests_by(self, settings: Settings) -> Requests:
        """Return the requests of some settings, which share what is learned."""
        kind = canonical([settings.generation, settings.token_limit_parameter, settings.max_n])
        return self._requests.setdefault(kind, Requests(settings, self.key))

    def requests_of(self, submission: Submission) -> list[Requests]:
        """Return the requests of each of a submission's settings."""
        return [self.requests_by(by) for by in settings_of(submission, self.settings)]

    def learn_again(self) -> None:
        """Read again what others learned of the server."""
        self._requests.clear()

    def running(self) -> list[Try]:
        """Return the stream's batches that a server works on, or may have received."""
        return running_of(self.store, self.settings.stream)

    def submitted(
        self, wanted: Sequence[tuple[Requests, Ask]], most: int = MOST_REQUESTS
    ) -> list[Try]:
        """Announce requests in the store and return their batches, which are not begun yet."""
        made = announce(wanted, self.settings.scope, self.label, most)
        # Smaller files than usual are sent one after another.
        return [one.next_try() for one in (made if most == MOST_REQUESTS else made[:1])]

    def begun(self, one: Try) -> str:
        """Return the id of a batch, after creating it unless it exists."""
        entries = one.journal.entries()
        known = known_id(entries)
        if known is not None:
            return known
        submission = one.submission
        since = datetime.fromisoformat(submission.at).timestamp()
        find = partial(self.service.find_batch, one.key, since)
        try:
            if entries:  # its reply was lost: one that exists needs no upload
                found = self.patience.keep_asking(find)
                if found is not None:
                    one.journal.write(ID, id=found, adopted=True)
                    return found
            file = self._uploaded(submission)
            about = {"study": submission.scope[:500], "asks": submission.label[:500]}
            made = ensure(
                one.journal,
                find=find,
                post=lambda: self.service.create_batch(file, one.key, about),
                before=lambda _: {"file": file, **self._reserved(one)},
                patience=self.patience,
            )
        except (RefusedError, ThrottledError):  # nothing was begun
            settle_held(self.store, submission.scope, one.stored_as, 0, 0.0)
            raise
        finally:
            one.journal.close()
        self.say(
            f"{len(submission.lines):,} requests are sent as {made}; it may take a day, and this "
            "run may be stopped meanwhile: the same command goes on"
        )
        return made

    def _uploaded(self, submission: Submission) -> str:
        """Return the id of a submission's file, uploading it unless it is there."""
        journal, content = submission.upload(), submission.content()
        try:
            known = known_id(journal.entries())
            if known is not None:
                if self.patience.keep_asking(partial(self.service.has_file, known)):
                    return known
                journal.write(GONE, id=known)
            return ensure(
                journal,
                find=lambda: self.service.find_file(submission.name, len(content)),
                post=lambda: self.service.upload(submission.name, content),
                before=lambda _: {"name": submission.name, "base_url": self.settings.base_url},
                patience=self.patience,
            )
        finally:
            journal.close()

    def _reserved(self, one: Try) -> dict[str, float]:
        """Reserve the most that a batch can cost, once for all tries to send it."""
        usd, submission = 0.0, one.submission
        if self.price is not None:
            kinds = self.requests_of(submission)
            for line in submission.lines:
                completion = kinds[line.settings].tokens(line.ask) * len(line.ask.repetitions)
                usd += self.price.cost(most_prompt_tokens(line.ask.messages), completion)
        if self.settings.budget and submission.scope == self.settings.scope:
            budget = Budget(self.store, self.settings.scope, self.settings.budget, 1)
            budget.hold(one.stored_as, len(submission.lines), usd)
        return {"usd": round(usd, 6)}

    def refused(self, fault: RefusedError, breaker: Breaker) -> UserError:
        """Return the message about a refused request; one about the key stops other jobs."""
        settings, cause = self.settings, f"http_{fault.status}"
        if fault.code in ACCOUNT or fault.status in (401, 402, 403):
            cause = fault.code if fault.code in ACCOUNT else cause
            attempt = Attempt("", (), 0, now(), status=fault.status, cause=cause, detail=str(fault))
            error = stopped(attempt, settings)
            breaker.trip(error.cause, str(error))
            return error
        said = f"{settings.base_url} answered {in_words(cause)}: {str(fault).rstrip('.')}"
        if fault.status in (404, 405, 501):
            return UserError(
                f"{said}. It seems to have no batches (/files and /batches), or does not know one "
                "that was begun with another key: set batching: n on the endpoint, or use that key"
            )
        return UserError(
            f"{said}. It does not take the batch: correct what it names, or set batching: n on "
            "the endpoint; then run the same command again"
        )
