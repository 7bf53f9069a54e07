"""Fine-tuning jobs at an API in memory: which are found, and what is read of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace as Made
from typing import Any

import httpx2
import openai
import pytest

from persona_collapse.asking.journal import RefusedError
from persona_collapse.finetuning.backends.openai import KEY, OpenAIBackend
from tests.helpers.tuning_driver import order

ORDER = order("https://api.test/v1")
PAGE = 3


class Listed:
    """A list of an API, ``PAGE`` entries a call."""

    def __init__(self, entries: list[Made]) -> None:
        self.entries, self.calls = entries, 0

    def __call__(self, *_: str, after: Any, limit: int) -> Made:
        self.calls += 1
        ids = [entry.id for entry in self.entries]
        start = ids.index(after) + 1 if after in ids else 0
        more = start + PAGE < len(ids)
        return Made(data=self.entries[start : start + PAGE], has_more=more)


def backend(**jobs: Any) -> OpenAIBackend:
    """Return a backend whose API has these methods of jobs."""
    made = OpenAIBackend(ORDER.base_url, lambda: None, 1.0)
    made.__dict__["_api"] = Made(fine_tuning=Made(jobs=Made(**jobs)))
    return made


def job(name: str, status: str = "running", **fields: Any) -> Made:
    return Made(
        **{"id": name, "status": status, "metadata": None, "fine_tuned_model": None}, **fields
    )


def with_key(name: str, status: str = "running", key: str = ORDER.key) -> Made:
    made = job(name, status)
    made.metadata = {KEY: key}
    return made


def test_job_that_goes_on_is_found_before_one_that_has_failed() -> None:
    others = [with_key(f"other-{n}", key="another") for n in range(PAGE)]
    ended = [with_key("a", "failed"), with_key("b", "cancelled")]
    found = Listed([*ended, *others, with_key("c")])
    assert backend(list=found).find_job(ORDER) == "c"
    assert found.calls == 2
    assert backend(list=Listed([*others, *ended])).find_job(ORDER) == "a"
    assert backend(list=Listed(others)).find_job(ORDER) is None
    assert backend(list=Listed([with_key("d", "succeeded")])).find_job(ORDER) == "d"


def test_job_without_the_keys_metadata_is_found_by_its_suffix() -> None:
    def found(**fields: Any) -> str | None:
        made = job("a")
        vars(made).update(fields)
        return backend(list=Listed([made])).find_job(ORDER)

    assert found(user_provided_suffix=ORDER.suffix) == "a"
    assert found(fine_tuned_model=f"ft:base:org:{ORDER.suffix}:x") == "a"
    assert found(metadata={"dataset": "d"}, user_provided_suffix=ORDER.suffix) == "a"
    assert found(metadata={KEY: "another"}, user_provided_suffix=ORDER.suffix) is None
    assert found(user_provided_suffix="another", fine_tuned_model="ft:base:org:x:y") is None
    assert found() is None


def test_events_are_read_back_to_one_that_is_known_and_returned_oldest_first() -> None:
    def event(number: int, data: object = None) -> Made:
        text = None if number == 1 else f"step\n{number}"
        return Made(id=f"e{number}", created_at=10 + number // 4, message=text, data=data)

    newest_first = Listed([event(number, {"step": number}) for number in range(10, 0, -1)])
    made = backend(list_events=newest_first)
    found = made.events("job", ())
    assert [entry.id for entry in found] == [f"e{number}" for number in range(1, 11)]
    assert [entry.data["step"] for entry in found] == list(range(1, 11))
    assert [entry.message for entry in found[:2]] == ["", "step 2"]
    assert newest_first.calls == 4
    assert [entry.id for entry in made.events("job", {"e6", "e5"})] == ["e7", "e8", "e9", "e10"]
    assert newest_first.calls == 6
    assert made.events("job", {"e10"})[-1].id == "e9"
    assert newest_first.calls == 7
    assert backend(list_events=Listed([event(2, "text")])).events("job", ())[0].data == {}


def test_checkpoints_of_all_pages_are_sorted_by_step() -> None:
    steps = [50, 40, 10, 30, 20]
    entries = [
        Made(id=f"c{step}", step_number=step, fine_tuned_model_checkpoint=f"ft:{step}")
        for step in steps
    ]
    found = backend(checkpoints=Made(list=Listed(entries))).checkpoints("job")
    assert [entry.step for entry in found] == sorted(steps)
    assert found[0].model == "ft:10"


def refusing(status: int) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> Any:
        request = httpx2.Request("GET", ORDER.base_url)
        response = httpx2.Response(status, request=request)
        raise openai.APIStatusError("no", response=response, body=None)

    return refuse


@pytest.mark.parametrize("status", [404, 405])
def test_server_without_checkpoints_has_none(status: int) -> None:
    assert backend(checkpoints=Made(list=refusing(status))).checkpoints("job") == []


@pytest.mark.parametrize("status", [400, 403, 406])
def test_refused_checkpoints_are_an_error(status: int) -> None:
    with pytest.raises(RefusedError):
        backend(checkpoints=Made(list=refusing(status))).checkpoints("job")


def test_state_of_a_job_holds_its_error_and_possible_tokens() -> None:
    def state(**fields: Any) -> Any:
        known = {"trained_tokens": 5, "created_at": 1, "finished_at": 2, **fields}
        made = job("a", "failed")
        vars(made).update(known)
        return backend(retrieve=lambda _: made).job("a")

    assert state().trained_tokens == 5
    assert (state().model, state().error) == (None, None)
    assert state(trained_tokens=-5).trained_tokens is None
    assert state(fine_tuned_model="").model is None
    assert state(fine_tuned_model="ft:x").model == "ft:x"
    failed = state(error=Made(code="bad", message="line\n 3"))
    assert (failed.error_code, failed.error) == ("bad", "line 3")
    assert (failed.created_at, failed.finished_at) == (1, 2)


def test_job_is_created_with_the_recipes_method_and_the_orders_key() -> None:
    sent: list[dict[str, Any]] = []

    def create(**body: Any) -> Made:
        sent.append(body)
        return Made(id="ftjob-1")

    parts = {"n_epochs": 2, "batch_size": 4}
    for method in ({}, {"method": "supervised"}, {"method": "dpo"}):
        made = order("https://api.test/v1", hyperparameters={**method, **parts})
        assert backend(create=create).create_job(made, "file-1") == "ftjob-1"
        name = method.get("method", "supervised")
        assert sent[-1] == {
            "model": made.base,
            "training_file": "file-1",
            "method": {"type": name, name: {"hyperparameters": parts}},
            "seed": 1,
            "suffix": made.suffix,
            "metadata": {KEY: made.key, "dataset": "sample", "recipe": "betley"},
        }
