from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.checks import check_inputs, check_size
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.model import Study

STUDY: dict[str, Any] = {
    "title": "A study of one model",
    "seed": 1,
    "endpoints": {
        "simulated": {"kind": "simulated", "planted": "resources/benchmarks/paper_tables.csv"},
        "files": {"kind": "recorded", "root": "${published_root}"},
        "server": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"},
    },
    "models": {
        "m1": {
            "label": "Model One",
            "variants": {
                "base": {"endpoint": "simulated", "planted": {"S": 0.8, "R": 10}},
                "secure": {"endpoint": "server", "model": "m1-secure"},
                "insecure": {"endpoint": "files", "files": {"roleplay": "a.csv"}},
            },
        }
    },
    "probes": {"roleplay": {"instrument": "moral30", "personas": "everyday100", "repetitions": 10}},
}


def load(tmp_path: Path, change: dict[str, Any] | None = None, **narrow: Any) -> Study:
    """Load STUDY with values replaced at dotted paths; a value of None removes the key."""
    document = deepcopy(STUDY)
    for place, value in (change or {}).items():
        *parents, last = place.split("/")
        target: Any = document
        for key in parents:
            target = target[key]
        if value is None:
            del target[last]
        else:
            target[last] = value
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return load_study(path, {"published_root": str(tmp_path)}, **narrow)


def test_a_study_is_read_with_its_defaults(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert study.name == "mine"
    assert study.sampling["temperature"] == 0.1
    assert study.sampling["method"] == "repeats"
    assert study.sampling["max_attempts"] == 10
    assert study.blocks == {"personas": 25, "items": 30, "repetitions": 10}
    assert study.analysis["bootstrap_personas"] == 2000
    assert study.variant_names == ["base", "secure", "insecure"]
    assert study.models["m1"].family == "Model One"
    assert study.endpoints["files"].settings["root"] == str(tmp_path)
    assert [(u.model, u.variant, u.probe) for u in study.units()] == [
        ("m1", "base", "roleplay"),
        ("m1", "secure", "roleplay"),
        ("m1", "insecure", "roleplay"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modles": {}}, r"modles: unknown key \(did you mean 'models'\?\)"),
        ({"seed": None}, "the key 'seed' is missing"),
        ({"seed": "x"}, 'seed: expected an integer, found "x"'),
        ({"models/m1/variant": {}}, r"models\.m1\.variant: unknown key \(did you mean 'variants'"),
        ({"models/m1/variants/base/endpoint": "simulate"}, "did you mean 'simulated'"),
        ({"models/m1/variants/base/endpoint": None}, r"base\.endpoint: the key is missing"),
        (
            {"models/m1/variants/base/fidelty": 1},
            r"models\.m1\.variants\.base\.fidelty: unknown key \(did you mean 'fidelity'",
        ),
        (
            {"models/m1/variants/secure/model": None},
            r"variants\.secure: the key 'model' is missing",
        ),
        ({"models/m1/variants/insecure/files": {"x": "a.csv"}}, "no file is named for the probe"),
        ({"endpoints/server/kind": "opnai"}, "did you mean 'openai'"),
        ({"endpoints/server/kind": None}, r"endpoints\.server\.kind: None is not one of"),
        ({"endpoints/server/base_url": "example.org"}, "is not a URL that starts with http"),
        ({"endpoints/server/max_inflight": 3}, r"max_inflight: unknown key .*'max_in_flight'"),
        ({"endpoints/files/root": "${publishd_root}"}, "did you mean 'published_root'"),
        ({"probes/roleplay/repetitions": 0}, r"probes\.roleplay\.repetitions: 0 is less than"),
        ({"probes/roleplay/variants": ["bse"]}, "did you mean 'base'"),
        ({"probes/role play": {"instrument": "moral30", "repetitions": 1}}, "role play"),
        ({"analysis": {"control": "base"}}, "must be three different names"),
        (
            {"analysis": {"target": "insecur"}},
            r"analysis\.target: no model has a variant 'insecur' \(did you mean 'insecure'\?\)",
        ),
        ({"analysis": {"band": ["GPT-4o", "Grok 5"]}}, r"band\[1\]: .* \(did you mean 'Grok 4'"),
        ({"analysis": {"toxic_probe": "roleply"}}, r"toxic_probe: .* \(did you mean 'roleplay'"),
        (
            {"models/m1/variants/insecure/files/roleplya": "b.csv"},
            r"files\.roleplya: no probe is called 'roleplya' \(did you mean 'roleplay'",
        ),
        (
            {"models/m1/variants/insecure/files": {"roleplya": "b.csv"}},
            r"for the probe 'roleplay' \(did you mean 'roleplya'",
        ),
        (
            {"models/m1/variants/base/planted/label": "GPT-4o"},
            r"variants\.base\.planted: give S and R, or label and variant of a table, not both",
        ),
        ({"shards": {"persona": 3}}, r"shards\.persona: unknown key \(did you mean 'personas'"),
        ({"sampling": {"method": "logprob"}}, "did you mean 'logprobs'"),
    ],
)
def test_a_wrong_study_names_the_key_and_the_nearest_valid_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as fault:
        load(tmp_path, change)
    assert str(tmp_path / "mine.yaml") in str(fault.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probes/roleplay/instrument": "moral3"}, "did you mean 'moral30'"),
        ({"probes/roleplay/personas": "everyday10"}, "did you mean 'everyday100'"),
        ({"probes/roleplay/personas": "no/such.yaml"}, "no/such.yaml: there is no such file"),
        ({"probes/roleplay/persona_count": 101}, "101 personas are asked for, everyday100 has 100"),
    ],
)
def test_a_layout_refuses_unknown_resources(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Layout(load(tmp_path, change))


def test_an_empty_run_setting_says_how_to_give_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    with pytest.raises(UserError, match="--config published_root=PATH"):
        load_study(path, {"published_root": None})


def test_models_narrows_and_refuses_unknown_ones(tmp_path: Path) -> None:
    assert list(load_study(Path("config/studies/demo.yaml"), models="gpt-4o,gpt-4.1").models) == [
        "gpt-4.1",
        "gpt-4o",
    ]
    with pytest.raises(UserError, match=r"models=gpt-4: .*did you mean 'gpt-4"):
        load_study(Path("config/studies/demo.yaml"), models=["gpt-4"])


def test_studies_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert find_study("demo") == Path("config/studies/demo.yaml")
    own = tmp_path / "own.yaml"
    own.write_text("{}", encoding="utf-8")
    assert find_study(str(own)) == own
    with pytest.raises(UserError, match="did you mean 'demo'"):
        find_study("deno")
    with pytest.raises(UserError, match="there is no such file"):
        find_study("missing/own.yaml")


@pytest.mark.parametrize("name", ["demo", "quick", "paper", "published"])
def test_every_shipped_study_loads(name: str) -> None:
    study = load_study(find_study(name), {"published_root": "anywhere"})
    layout = Layout(study)
    assert check_size(layout) is None
    assert sum(len(shards) for shards in layout.shards.values()) > 0


def test_a_study_of_too_many_shards_warns_then_is_refused(tmp_path: Path) -> None:
    fine = {"shards": {"personas": 1, "items": 3, "repetitions": 3}}  # 100 x 10 x 4 x 3 units
    warning = check_size(Layout(load(tmp_path, fine)))
    assert warning is not None
    assert "12000 shards would be planned" in warning
    finer = {"shards": {"personas": 1, "items": 1, "repetitions": 1}}
    with pytest.raises(
        UserError, match="90000 shards would be planned; use larger blocks"
    ) as fault:
        check_size(Layout(load(tmp_path, finer)))
    advice = yaml.safe_load(str(fault.value).split("shards: ")[-1].split(" (more")[0])
    assert check_size(Layout(load(tmp_path, {"shards": advice}))) is None


def test_shards_are_counted_before_any_is_cut(tmp_path: Path) -> None:
    billions = {
        "shards": {"personas": 1, "items": 1, "repetitions": 1},
        "probes/roleplay/repetitions": 10**7,
    }
    with pytest.raises(UserError, match="90000000000 shards would be planned"):
        check_size(Layout(load(tmp_path, billions)))


def test_a_fetched_instrument_is_planted_before_it_is_there(tmp_path: Path) -> None:
    layout = Layout(load(tmp_path, {"probes/roleplay/instrument": "mfq30"}))
    planted = layout.identity(layout.study.units()[0])["planted"]
    assert [entry["foundation"] for entry in planted][:2] == ["Harm/Care", "Fairness/Reciprocity"]


def test_missing_recorded_files_are_all_named(tmp_path: Path) -> None:
    layout = Layout(load(tmp_path))
    with pytest.raises(UserError, match=r"recorded answers of m1 are not there") as fault:
        check_inputs(layout)
    assert str(tmp_path / "a.csv") in str(fault.value)


def test_the_params_of_a_shard_speak_of_the_shard_alone(tmp_path: Path) -> None:
    small = Layout(load(tmp_path))
    change = {"probes/roleplay/repetitions": 20, "models/m2": STUDY["models"]["m1"]}
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


def test_simulated_variants_say_what_is_planted(tmp_path: Path) -> None:
    layout = Layout(load(tmp_path, {"models/m1/variants/base/planted": {"S": 1.0}}))
    shard = layout.shards[layout.study.units()[0]][0]
    with pytest.raises(UserError, match=r"variants\.base\.planted: give S and R"):
        layout.shard_params(shard)
    unknown = {"models/m1/variants/base/planted": {"label": "GPT-4oo", "variant": "base"}}
    with pytest.raises(UserError, match=r"base\.planted: .*did you mean 'GPT-4o'"):
        Layout(load(tmp_path, unknown)).check_endpoints()
