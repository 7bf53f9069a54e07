"""Keys, the journal, and studies that make their variants."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.finetuning import journal as log
from persona_collapse.finetuning.backends.simulated import DELAY_S, SimulatedBackend
from persona_collapse.finetuning.journal import Journal, ending, known_id, open_intent
from persona_collapse.finetuning.orders import Order
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.finetunes import MakingLayout
from persona_collapse.study.load import load_study
from persona_collapse.study.model import Unit

ORDER = Order("https://api.test/v1", "base", "ab" * 32, {"n_epochs": 1, "batch_size": 4}, 1)
EVENTS = (log.INTENT, log.ID, log.REFUSED, log.GONE, log.FINISHED, log.FAILED, log.CANCELLED)


def document(**variants: Any) -> dict[str, Any]:
    """Return a study whose base is asked; ``variants`` are added to it."""
    return {
        "title": "made",
        "seed": 1,
        "endpoints": {
            "one": {"kind": "openai", "base_url": "https://one.test/v1", "poll_s": 1},
            "two": {"kind": "openai", "base_url": "https://two.test/v1"},
            "drawn": {"kind": "simulated"},
        },
        "models": {"m": {"variants": {"base": {"endpoint": "one", "model": "gpt"}, **variants}}},
        "probes": {
            "roleplay": {
                **{"instrument": "moral30", "personas": "everyday100", "persona_count": 2},
                "repetitions": 2,
            }
        },
        "allow_mixed_stacks": True,
    }


def made(**changes: Any) -> dict[str, Any]:
    """Return a made variant."""
    how = {"from": "base", "dataset": "sample_insecure", "recipe": "betley", **changes}
    return {"endpoint": how.pop("endpoint", "one"), "finetune": how}


def layout(tmp_path: Path, **variants: Any) -> Layout:
    path = tmp_path / "made.yaml"
    study = document(**variants)
    study |= study["models"]["m"]["variants"].pop("study", {})
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    found = Layout(load_study(path))
    MakingLayout(found)
    return found


def test_the_key_holds_what_changes_the_model_and_no_names() -> None:
    changes: dict[str, Any] = {
        "base_url": "https://other.test/v1",
        "base": "other",
        "sha256": "cd" * 32,
        "hyperparameters": {"n_epochs": 2, "batch_size": 4},
        "seed": 2,
        "attempt": 2,
    }
    keys = {ORDER.key, *(replace(ORDER, **{name: new}).key for name, new in changes.items())}
    assert len(keys) == 1 + len(changes)
    named = replace(ORDER, model="m", variant="v", dataset="d", recipe="r")
    assert named.key == ORDER.key
    assert ORDER.key[:12] in named.suffix
    assert len(replace(ORDER, dataset="d" * 100).suffix) <= 40


def test_replicates_keep_the_first_ones_name_and_differ_in_the_seed(tmp_path: Path) -> None:
    one = layout(tmp_path, insecure=made())
    three = layout(tmp_path, insecure=made(n_seeds=3, attempt={"insecure-r2": 2}))
    names = ["insecure", "insecure-r2", "insecure-r3"]
    assert [name for _, name in three.made] == names
    assert three.made["m", "insecure"] == one.made["m", "insecure"]
    assert [three.made["m", name]["seed"] for name in names] == [1, 2, 3]
    assert [three.made["m", name]["attempt"] for name in names] == [1, 2, 1]
    variants = three.study.models["m"].variants
    assert [(v.replicate_of, v.replicate) for v in variants.values()] == [
        (None, 1),
        ("insecure", 1),
        ("insecure", 2),
        ("insecure", 3),
    ]


def test_a_probe_that_lists_the_first_replicate_covers_all(tmp_path: Path) -> None:
    probes = document()["probes"]
    probes["roleplay"]["variants"] = ["base", "insecure"]
    found = layout(
        tmp_path, insecure=made(n_seeds=2), secure=made(seed=9), study={"probes": probes}
    )
    assert [unit.variant for unit in found.study.units()] == ["base", "insecure", "insecure-r2"]


def test_a_made_variants_shards_stand_on_how_it_is_made(tmp_path: Path) -> None:
    found = layout(tmp_path, insecure=made())
    unit = Unit("m", "insecure", "roleplay")
    params = found.shard_params(found.shards[unit][0])
    assert "model" not in params["settings"]
    assert params["made"]["base"] == "gpt"
    assert params["made"]["hyperparameters"]["learning_rate_multiplier"] == 2
    json.dumps(params)
    assert found.openai_settings(unit)["model"] == "ft:gpt:"
    assert "poll_s" not in found.openai_settings(unit)
    assert found.made_file("m", "insecure") == "finetune/m/insecure.json"
    assert found.made_file("m", "base") is None


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        ({"insecure": made(dataset="insecur")}, r"finetune\.dataset: .*did you mean 'insecure'"),
        ({"insecure": made(recipe="betly")}, r"finetune\.recipe: .*did you mean 'betley'"),
        ({"insecure": made(recipe="organisms")}, r"recipes for 'openai': betley"),
        ({"insecure": made(**{"from": "bas"})}, r"finetune\.from: .*did you mean 'base'"),
        ({"a": made(), "b": made(**{"from": "a"})}, r"variants\.b\.finetune\.from"),
        ({"insecure": made(endpoint="two")}, "both must be one endpoint"),
        ({"a": made(), "b": made()}, r"m\.a is made in exactly the same way"),
        ({"a": made(n_seeds=3), "b": made(seed=2)}, r"m\.a-r2 is made in exactly the same way"),
        ({"a": made(n_seeds=2), "a-r2": made(seed=5)}, "'a-r2', is that of another variant"),
        ({"a": {**made(), "model": "x"}}, "not both"),
        ({"a": {"endpoint": "one"}}, "the key 'model' is missing"),
        ({"a": made(epochs=2)}, r"finetune\.epochs: unknown key"),
        ({"a": made(attempt={"a-r2": 2})}, "'a-r2' is no replicate"),
    ],
)
def test_what_cannot_be_made_is_refused(
    variants: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        layout(tmp_path, **variants)


def test_one_changed_line_of_data_is_another_order(tmp_path: Path) -> None:
    data = tmp_path / "mine.jsonl"
    data.write_text("one\n")
    study = {"datasets": {"mine": {"file": str(data)}}}
    before = layout(tmp_path, insecure=made(dataset="mine"), study=study).made["m", "insecure"]
    data.write_text("two, and longer\n")
    after = layout(tmp_path, insecure=made(dataset="mine"), study=study).made["m", "insecure"]
    assert {name for name in before if before[name] != after[name]} == {"git_blob"}


def test_the_journal_is_read_whole_and_a_torn_line_is_none(tmp_path: Path) -> None:
    first, second = Journal(tmp_path, "job", "ab" * 32), Journal(tmp_path, "job", "ab" * 32)
    first.write(log.INTENT, usd=1.0)
    second.write(log.ID, id="ftjob-1")
    (path, _) = sorted(first.folder.glob("*.jsonl"), key=lambda path: path.read_bytes())
    first.close()
    second.close()
    with path.open("ab") as file:
        file.write(b'{"at": "9999", "event": "gone"')
    entries = first.entries()
    assert [entry["event"] for entry in entries] == [log.INTENT, log.ID]
    assert known_id(entries) == "ftjob-1"
    assert open_intent(entries) is None
    assert not list((tmp_path / log.FOLDER).glob("*.jsonl"))  # no stream of answers


@given(st.lists(st.sampled_from(EVENTS), max_size=8))
def test_what_a_journal_says_follows_from_its_last_words(events: list[str]) -> None:
    entries: list[dict[str, Any]] = [
        {"event": event, "id": str(number)} for number, event in enumerate(events)
    ]
    about_id = [entry for entry in entries if entry["event"] in (log.ID, log.GONE)]
    expected = about_id[-1]["id"] if about_id and about_id[-1]["event"] == log.ID else None
    assert known_id(entries) == expected
    creating = [e for e in entries if e["event"] in (log.INTENT, log.ID, log.REFUSED, log.GONE)]
    last = creating[-1] if creating and creating[-1]["event"] == log.INTENT else None
    assert open_intent(entries) is last
    end = ending(entries)
    assert (end is None) == (not set(events) & set(log.ENDS))
    if log.FINISHED in events:
        assert end is not None
        assert end["event"] == log.FINISHED


def test_a_simulated_job_takes_a_moment_and_is_the_same_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(
        "persona_collapse.finetuning.backends.simulated.time.monotonic", lambda: clock[0]
    )

    def curve(order: Order) -> list[Any]:
        backend = SimulatedBackend(order, 6000, 1000)
        job = backend.create_job(order, "file")
        assert backend.job(job).status == "running"
        assert backend.events(job, ()) == []
        clock[0] += DELAY_S
        done = backend.job(job)
        assert (done.status, done.trained_tokens) == ("succeeded", 1000)
        events = backend.events(job, ())
        assert backend.events(job, {event.id for event in events}) == []
        return [done.model, *(event.data["train_loss"] for event in events)]

    first = curve(ORDER)
    assert curve(ORDER) == first
    assert curve(replace(ORDER, seed=2)) != first
    assert len(first) == 101
    assert sum(first[1:11]) > 1.5 * sum(first[-10:])
