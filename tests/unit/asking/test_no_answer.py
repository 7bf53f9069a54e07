"""What a run says that stops because nothing was answered."""

from __future__ import annotations

import pytest

from persona_collapse.asking.settings import Settings
from persona_collapse.asking.stops import CHECK, no_answer
from persona_collapse.store.attempts import Attempt

SETTINGS = Settings.of({"base_url": "http://127.0.0.1:9/v1", "model": "m"})


@pytest.mark.parametrize(
    ("detail", "advice"),
    [
        ("extra fields not permitted: logprobs, top_logprobs", "method: repeats"),
        ("max_tokens or model output limit was reached", "thinking: {max_tokens: 4096}"),
        ("temperature must be between 0 and 1", "sampling.temperature"),
        ("Content Exists Risk", "change the provider's filter"),
        (None, CHECK),
    ],
)
def test_run_without_an_answer_names_the_key_that_the_reason_speaks_of(
    detail: str | None, advice: str
) -> None:
    attempt = Attempt("cell", (1,), 1, "now", cause="http_400", detail=detail)
    assert advice in str(no_answer(attempt, SETTINGS, "5 requests in a row"))
