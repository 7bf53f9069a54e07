"""Which shards a study is cut into, and the params of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.asking.unanswered import note_of
from persona_collapse.common.errors import UserError
from persona_collapse.plan import checks
from persona_collapse.plan.answers import Layout, Places
from persona_collapse.plan.checks import check_inputs, check_size
from persona_collapse.study.resolved import Study
from tests.helpers.studies import (
    THREE_KINDS,
    load_changed,
)


def load(tmp_path: Path, change: dict[str, Any] | None = None, **narrow: Any) -> Study:
    return load_changed(THREE_KINDS, tmp_path, change, **narrow)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probes/roleplay/instrument": "moral3"}, "did you mean 'moral30'"),
        ({"probes/roleplay/personas": "everyday10"}, "did you mean 'everyday100'"),
        ({"probes/roleplay/personas": "no/such.yaml"}, "no/such.yaml: there is no such file"),
        ({"probes/roleplay/persona_count": 101}, "101 personas are asked for, everyday100 has 100"),
    ],
)
def test_unknown_resources_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Layout(load(tmp_path, change))


def test_many_shards_give_a_warning_and_too_many_are_refused(tmp_path: Path) -> None:
    fine = {"shards": {"personas": 1, "items": 3, "repetitions": 3}}  # 100 x 10 x 4 x 3 units
    (warning,) = check_size(Layout(load(tmp_path, fine)))
    assert "12000 shards would be planned" in warning
    finer = {"shards": {"personas": 1, "items": 1, "repetitions": 1}}
    with pytest.raises(
        UserError, match="90000 shards would be planned; use larger blocks"
    ) as fault:
        check_size(Layout(load(tmp_path, finer)))
    advice = yaml.safe_load(str(fault.value).split("shards: ")[-1].split(" (more")[0])
    assert check_size(Layout(load(tmp_path, {"shards": advice}))) == []


def test_shards_are_counted_without_listing_them(tmp_path: Path) -> None:
    billions = {
        "shards": {"personas": 1, "items": 1, "repetitions": 1},
        "probes/roleplay/repetitions": 10**7,
    }
    with pytest.raises(UserError, match="90000000000 shards would be planned"):
        check_size(Layout(load(tmp_path, billions)))


def test_planted_values_need_no_fetched_instrument(tmp_path: Path) -> None:
    layout = Layout(load(tmp_path, {"probes/roleplay/instrument": "mfq30"}))
    planted = layout.identity(layout.study.units()[0])["planted"]
    assert [entry["domain"] for entry in planted][:2] == ["Harm/Care", "Fairness/Reciprocity"]


def test_advice_on_shards_ends_where_no_larger_block_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "WARN_SHARDS", 2)
    whole = {"shards": {"personas": 100, "items": 30, "repetitions": 10}}
    (warning,) = check_size(Layout(load(tmp_path, whole)))
    assert "3 shards would be planned" in warning


@pytest.mark.parametrize(("count", "more"), [(1, False), (12, False), (13, True)])
def test_missing_recorded_files_are_named_up_to_twelve(
    tmp_path: Path, count: int, more: bool
) -> None:
    entry = THREE_KINDS["models"]["m1"]
    files = {
        f"models/m{n}": {
            **entry,
            "variants": {
                **entry["variants"],
                "insecure": {"endpoint": "files", "files": {"roleplay": f"{n}.csv"}},
            },
        }
        for n in range(1, count + 1)
    }
    models = ", ".join(f"m{n}" for n in range(1, count + 1))
    with pytest.raises(UserError, match=rf"recorded answers of {models} are not there") as fault:
        check_inputs(Layout(load(tmp_path, files)))
    message = str(fault.value)
    assert [str(tmp_path / f"{n}.csv") in message for n in range(1, count + 1)].count(True) == min(
        count, 12
    )
    assert ("and 1 more" in message) == more
    assert ("and 0 more" in message) is False
    assert "narrow the study" not in message


def test_models_whose_recorded_files_are_there_are_named_to_go_on_with(tmp_path: Path) -> None:
    entry = THREE_KINDS["models"]["m1"]
    rest = {**entry, "variants": {"base": entry["variants"]["base"]}}
    with pytest.raises(UserError, match=r"narrow the study with --config models=m2$"):
        check_inputs(Layout(load(tmp_path, {"models/m2": rest})))


def test_params_of_a_shard_stay_when_the_study_grows(tmp_path: Path) -> None:
    small = Layout(load(tmp_path))
    change = {"probes/roleplay/repetitions": 20, "models/m2": THREE_KINDS["models"]["m1"]}
    grown = Layout(load(tmp_path, change))
    secure = small.study.units()[1]
    assert secure in grown.shards
    after = {shard.name: grown.shard_params(shard) for shard in grown.shards[secure]}
    for shard in small.shards[secure]:
        assert small.shard_params(shard) == after[shard.name]


def test_run_settings_of_an_endpoint_stay_out_of_params(tmp_path: Path) -> None:
    plain = Layout(load(tmp_path))
    tuned = {"endpoints/server/max_in_flight": 7, "endpoints/server/timeout_s": 5}
    other = Layout(load(tmp_path, tuned))
    unit = plain.study.units()[1]
    assert [plain.shard_params(s) for s in plain.shards[unit]] == [
        other.shard_params(s) for s in other.shards[unit]
    ]
    moved = Layout(load(tmp_path, {"endpoints/server/base_url": "http://127.0.0.1:2/v1"}))
    assert plain.shard_params(plain.shards[unit][0]) != moved.shard_params(moved.shards[unit][0])


CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "base_url": ({"endpoints/server/base_url": "http://127.0.0.1:2/v1"}, {"settings.base_url"}),
    "model": ({"models/m1/variants/secure/model": "other"}, {"settings.model"}),
    "extra_body": ({"endpoints/server/extra_body": {"top_k": 1}}, {"settings.extra_body"}),
    "method": ({"sampling": {"method": "logprobs"}}, {"settings.method", "repetitions"}),
    "temperature": ({"sampling": {"temperature": 0.7}}, {"settings.temperature"}),
    "top_p": ({"sampling": {"top_p": 0.5}}, {"settings.top_p"}),
    "seed of sampling": ({"sampling": {"seed": 5}}, {"settings.seed"}),
    "max_attempts": ({"sampling": {"max_attempts": 4}}, {"settings.max_attempts"}),
    "fallback": ({"sampling": {"fallback_max_tokens": 99}}, {"settings.fallback_max_tokens"}),
    "reply_tokens": ({"endpoints/server/reply_tokens": 9}, {"settings.reply_tokens"}),
    "top_logprobs": ({"endpoints/server/top_logprobs": 5}, {"settings.top_logprobs"}),
    "defaults": ({"endpoints/server/sampling_defaults": "neutral"}, {"settings.sampling_defaults"}),
    "thinking": ({"endpoints/server/thinking": {"max_tokens": 99}}, {"settings.thinking"}),
    "personas": ({"probes/roleplay/persona_count": 2}, {"personas", "texts"}),
    "another instrument": ({"probes/roleplay/instrument": "mfq30"}, {"texts"}),
    "repetitions": ({"probes/roleplay/repetitions": 3}, {"repetitions"}),
    "items in a shard": ({"shards": {"items": 7}}, {"items", "texts", "name"}),
}


def flat(params: dict[str, Any]) -> dict[str, Any]:
    inner = {f"settings.{name}": value for name, value in params.get("settings", {}).items()}
    return {name: value for name, value in params.items() if name != "settings"} | inner


@pytest.mark.parametrize("name", CHANGES)
def test_what_answers_depend_on_changes_exactly_its_params(tmp_path: Path, name: str) -> None:
    change, expected = CHANGES[name]

    def params(more: dict[str, Any]) -> dict[str, Any]:
        layout = Layout(load(tmp_path, more))
        return flat(layout.shard_params(layout.shards[layout.study.units()[1]][0]))

    before, after = params({}), params(change)
    assert {key for key in before | after if before.get(key) != after.get(key)} == expected


def test_every_param_of_a_shard_is_changed_by_something(tmp_path: Path) -> None:
    """A new param needs a line above; names are those of the unit itself."""
    layout = Layout(load(tmp_path))
    params = flat(layout.shard_params(layout.shards[layout.study.units()[1]][0]))
    changed = {key for _, keys in CHANGES.values() for key in keys}
    assert set(params) - changed == {"model", "variant", "probe", "endpoint"}


@pytest.mark.parametrize("kind", ["instrument", "personas"])
def test_edited_text_changes_the_params_of_the_shards_that_hold_it_alone(
    tmp_path: Path, kind: str
) -> None:
    folder = {"instrument": "instruments", "personas": "personas"}[kind]
    name = {"instrument": "moral30", "personas": "everyday100"}[kind]
    lines = Path(f"resources/{folder}/{name}.yaml").read_text(encoding="utf-8").splitlines()
    grid = {"shards": {"personas": 2, "items": 10}, "probes/roleplay/persona_count": 4}

    def texts(place: Path) -> list[tuple[Any, Any, Any]]:
        (place / folder).mkdir(parents=True)
        text = "\n".join(lines) + "\n"
        (place / folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        layout = Layout(load(place, grid))
        found = [layout.shard_params(s) for s in layout.shards[layout.study.units()[1]]]
        return [(p["personas"], p["items"], p["texts"]) for p in found]

    before = texts(tmp_path / "before")
    edited = next(n for n, line in enumerate(lines) if _is_first_text(kind, line))
    old, new = ('text: "', 'text: "Now ') if kind == "instrument" else ("- A", "- This is a")
    lines[edited] = lines[edited].replace(old, new, 1)
    after = texts(tmp_path / "after")
    changed = [old[:2] for old, new in zip(before, after, strict=True) if old != new]
    axis = 1 if kind == "instrument" else 0
    first = min(entry[axis] for entry in before)
    assert changed == [entry[:2] for entry in before if entry[axis] == first]
    assert 0 < len(changed) < len(before)


def _is_first_text(kind: str, line: str) -> bool:
    if kind == "personas":
        return line.startswith("  - ")
    return line.startswith("  - {id: 1,")


def test_simulated_variant_without_planted_values_is_refused(tmp_path: Path) -> None:
    layout = Layout(load(tmp_path, {"models/m1/variants/base/planted": {"S": 1.0}}))
    shard = layout.shards[layout.study.units()[0]][0]
    with pytest.raises(UserError, match=r"variants\.base\.planted: give S and R"):
        layout.shard_params(shard)
    unknown = {"models/m1/variants/base/planted": {"label": "GPT-4oo", "variant": "base"}}
    with pytest.raises(UserError, match=r"base\.planted: .*did you mean 'GPT-4o'"):
        Layout(load(tmp_path, unknown)).check_endpoints()


THINKING = {"max_tokens": 4096, "effort": "low"}


@pytest.mark.parametrize(
    "change",
    [
        {"endpoints/server/thinking": THINKING, "sampling": {"method": "logprobs"}},
        {"models/m1/variants/secure/thinking": THINKING, "probes/roleplay/method": "logprobs"},
    ],
)
def test_thinking_with_log_probabilities_is_refused_with_variant_and_key(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    layout = Layout(load(tmp_path, change))
    with pytest.raises(UserError, match=r"variants\.secure: thinking: .* method: repeats"):
        layout.check_endpoints()


def test_temperature_null_is_refused_with_log_probabilities(tmp_path: Path) -> None:
    Layout(load(tmp_path, {"sampling": {"temperature": None}})).check_endpoints()
    both = {"sampling": {"temperature": None, "method": "logprobs"}}
    layout = Layout(load(tmp_path, both))
    with pytest.raises(UserError, match=r"sampling\.temperature: null has no meaning"):
        layout.check_endpoints()


def test_thinking_and_temperature_null_belong_to_what_answers_depend_on(tmp_path: Path) -> None:
    change = {"models/m1/variants/secure/thinking": THINKING, "sampling": {"temperature": None}}
    layout = Layout(load(tmp_path, change))
    (unit,) = [unit for unit in layout.shards if unit.variant == "secure"]
    settings = layout.shard_params(layout.shards[unit][0])["settings"]
    assert settings["thinking"] == THINKING
    assert settings["temperature"] is None
    assert layout.run_settings(unit)["thinking"] == THINKING


@pytest.mark.parametrize("thinking", [{"effort": "low"}, {"max_tokens": 1}, {"max_tokens": "4k"}])
def test_thinking_without_a_usable_length_is_refused(
    tmp_path: Path, thinking: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"endpoints\.server\.thinking.*max_tokens"):
        load(tmp_path, {"endpoints/server/thinking": thinking})


@pytest.mark.parametrize("accept_errors", [False, True])
@pytest.mark.parametrize("noted", [False, True])
def test_job_runs_again_where_errors_were_accepted_and_are_not_any_more(
    tmp_path: Path, noted: bool, accept_errors: bool
) -> None:
    places = Places(str(tmp_path), accept_errors=accept_errors)
    if noted:
        note = note_of(places.accepted, "a job")
        note.parent.mkdir()
        note.touch()
    again = {"ask_again": True} if noted and not accept_errors else {}
    assert places.again("another job", "a job") == again
    assert places.again("another job") == {}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"repetitions": 3}, True),
        ({"persona_count": 40}, False),
        ({"personas": "toxic8", "persona_count": None}, False),
        ({"personas": None}, False),
        ({"instrument": "mfq30"}, False),
    ],
)
def test_probes_have_the_same_cells_where_items_and_personas_are_the_same(
    tmp_path: Path, change: dict[str, Any], same: bool
) -> None:
    probe = THREE_KINDS["probes"]["roleplay"]
    other = {
        key: value
        for key, value in {**probe, **change, "variants": ["secure"]}.items()
        if value is not None
    }
    layout = Layout(load(tmp_path, {"probes/other": other}))
    assert layout.same_cells("roleplay", "other") is same
    assert layout.same_cells("other", "roleplay") is same


def test_first_asked_shard_of_every_variant_is_in_the_order_of_the_study(tmp_path: Path) -> None:
    asked = {"endpoint": "server", "model": "m1-other"}
    second = {**THREE_KINDS["probes"]["roleplay"], "variants": ["secure", "another"]}
    change = {
        "models/m1/variants/another": asked,
        "models/m1/variants/insecure": None,
        "probes/second": second,
    }
    layout = Layout(load(tmp_path, change))
    every, first = layout.asked_shards(), layout.asked_shards(first=True)
    names = [names_of(one) for one in every]
    assert len(names) == 2 * 2 * len(layout.shards[layout.asked[0]]) > 4
    (block, *_) = (shard.name for shard in layout.shards[layout.asked[0]])
    assert [names_of(one) for one in first] == [
        ("secure", "roleplay", block),
        ("another", "roleplay", block),
    ]
    assert all(one["texts"] and one["settings"] for one in first)


def names_of(asked: dict[str, Any]) -> tuple[str, str, str]:
    params = asked["shard"]
    return params["variant"], params["probe"], params["name"]


def test_recorded_answers_are_read_by_the_first_shard_of_their_unit(tmp_path: Path) -> None:
    layout = Layout(load(tmp_path))
    (row,) = layout.recorded()
    unit = layout.study.units()[2]
    assert row["shard"] == layout.shard_params(layout.shards[unit][0])
    assert row["inputs"] == layout.endpoint_files(unit)
    assert row["texts"] == layout.shard_inputs(unit)


def test_role_of_a_probe_follows_from_its_personas_and_the_analysis(tmp_path: Path) -> None:
    asked = {"instrument": "moral30", "repetitions": 2, "variants": ["secure"]}
    change = {
        "probes/toxic": {**asked, "personas": "toxic8"},
        "probes/bare": asked,
        "analysis": {"toxic_probe": "toxic"},
    }
    layout = Layout(load(tmp_path, change))
    roles = {name: layout.role(name) for name in layout.study.probes}
    assert roles == {"roleplay": "roleplay", "toxic": "toxic", "bare": "unconditioned"}
