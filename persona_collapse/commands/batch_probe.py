"""Try variants with a batch of two requests: does the server take the model, n, log-probabilities?

Each request has the form that the run sends; the other one differs in its method. A server may take
hours for a batch: a preflight waits for a while, and the next one looks at the same batch again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from persona_collapse.asking.ask import stored
from persona_collapse.asking.batches import FAILED, Batch
from persona_collapse.asking.breaker import Breaker
from persona_collapse.asking.collecting import collected, rejected
from persona_collapse.asking.journal import RefusedError, UnansweredError
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.response import ADAPTED, said
from persona_collapse.asking.sending import Sender
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.submissions import Try
from persona_collapse.commands.findings import Finding
from persona_collapse.commands.probes import N, Tried
from persona_collapse.common.log import LOG
from persona_collapse.store.attempts import Attempt

WAIT_S = 600.0
LONGEST_PAUSE_S = 30.0
ADVICE = "set batching: n on the endpoint"
USABLE, RUNNING, SINGLE = "usable", "still running", "one reply to a request"


def try_batches(tried: Sequence[Tried]) -> list[Finding]:
    """Send a batch for each variant that is asked by batches, and note in its row what it showed.

    Waits for ``WAIT_S`` seconds at most. Variants that answer no live request are left out.
    """
    probes = [
        _Probe(one)
        for one in tried
        if one.canary.settings.batching == "batch" and one.row["answers"]
    ]
    for probe in probes:
        probe.look(probe.begin)
    until = time.monotonic() + WAIT_S
    pause = min((probe.tried.canary.settings.poll_s for probe in probes), default=0.0)
    if any(probe.batch for probe in probes):
        LOG.info("waiting for batches of two requests, %.0f minutes at most", WAIT_S / 60)
    while (waiting := [probe for probe in probes if probe.batch]) and time.monotonic() < until:
        for probe in waiting:
            probe.look(probe.collect)
        if any(probe.batch for probe in waiting):
            time.sleep(pause)
            pause = min(pause * 1.2, max(pause, LONGEST_PAUSE_S))
    return [finding for probe in probes for finding in probe.close()]


@dataclass
class _Probe:
    """The batch of one variant; ``batch`` is its id while the server works on it."""

    tried: Tried
    batch: str | None = None
    findings: list[Finding] = field(default_factory=list)
    _sent: Try | None = None

    def __post_init__(self) -> None:
        canary = self.tried.canary
        own = replace(canary.settings, scope="preflight", budget=None)
        # A model that thinks has no log-probabilities.
        method = "repeats" if own.logprobs else "logprobs"
        other = own if own.thinking else replace(own, method=method)
        self.sender = Sender(f"{canary.model} {canary.variant} preflight", own)
        self.own, self.other = own, other

    def look(self, step: Callable[[], None]) -> None:
        """Take a step; what a server refuses is a finding."""
        try:
            step()
        except RefusedError as fault:
            own = replace(self.own, stops=None)
            self._end(f"refused: {fault}", str(self.sender.refused(fault, Breaker(own))))
        except UnansweredError as fault:
            self._end("no response", f"no response about batches: {fault}")

    def begin(self) -> None:
        """Send the two requests, unless an earlier preflight did."""
        label = self.sender.label
        running = [one for one in self.sender.running() if one.submission.label == label]
        self._sent = (running or self.sender.submitted(self._asks()))[0]
        self.batch = self.sender.begun(self._sent)

    def _asks(self) -> list[tuple[Requests, Ask]]:
        canary, found = self.tried.canary, []
        blocks = [self.own.blocks(range(1, N + 1))[0], self.other.blocks(range(1, N + 1))[0]]
        if self.own.thinking:  # long replies: two of them tell what the run needs to know
            blocks = [range(1, 3), range(3, 4)]
        for settings, block in zip((self.own, self.other), blocks, strict=True):
            cell, by = settings.cell_key(canary.messages), self.sender.requests_by(settings)
            number = len(stored([cell], settings).get(cell, ()))
            ask = Ask(cell, canary.messages, tuple(block), settings.short, number)
            found.append((by, by.fitted(ask)))
        return found

    def collect(self) -> None:
        """Look at the batch; store and judge its replies where it is done."""
        assert self.batch is not None
        assert self._sent is not None
        state = self.sender.service.batch(self.batch)
        if not state.is_done:
            return
        taken, _ = collected(self.sender, self._sent, state)
        if state.status == FAILED:
            text = rejected(self.own, self._sent.submission, state, {})
            self._end("the file is refused", text)
            return
        attempts = [attempt for attempt, _ in taken]
        self.tried.batched.extend(attempts)
        self._judge(state, {attempt.cell: attempt for attempt in attempts})

    def _judge(self, state: Batch, found: Mapping[str, Attempt]) -> None:
        messages = self.tried.canary.messages
        mine = found.get(self.own.cell_key(messages))
        other = found.get(self.other.cell_key(messages))
        if mine is None:
            self._end(
                f"{state.status} without an answer", f"a batch ended {state.status}: {ADVICE}"
            )
        elif mine.cause == ADAPTED:
            text = f"in a batch the server refuses {len(mine.repetitions)} replies to a request"
            advice = "set max_n: 1, or the first batch is spent on learning it"
            self._end(SINGLE, f"{text} ({mine.detail}): {advice}", fatal=False)
        elif mine.cause is not None:
            self._end(f"no: {said(mine)}", f"in a batch it does not answer: {said(mine)}: {ADVICE}")
        else:
            count, asked = len(mine.replies()), len(mine.repetitions)
            few = f"gave {count} of {asked} choices in a batch: the others need another batch"
            self._end(USABLE, f"{few}; set max_n: 1" if count < asked else None, fatal=False)
            if other is not None and other.cause is not None and not self.own.thinking:
                what = "several replies to a request" if self.own.logprobs else "log-probabilities"
                self._find(f"in a batch it gives no {what}: {said(other)}", fatal=False)

    def _end(self, words: str, text: str | None, fatal: bool = True) -> None:
        self.batch = None
        self.tried.row["batch"] = words
        if text:
            self._find(text, fatal)

    def _find(self, text: str, fatal: bool) -> None:
        canary = self.tried.canary
        self.findings.append(Finding(canary.model, canary.variant, fatal, text))

    def close(self) -> list[Finding]:
        """Close connections; return what the batch showed."""
        self.sender.close()
        if self.batch:
            name = self.batch
            text = f"the batch of two requests, {name}, still runs: run preflight again later"
            self._end(RUNNING, f"{text} to see whether the server takes them", fatal=False)
        return self.findings
