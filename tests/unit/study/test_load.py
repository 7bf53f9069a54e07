"""Reading a study file: defaults, faults, narrowing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.common.faults import check
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.checks import check_size
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.resolved import Study
from persona_collapse.study.settings import RunSettings
from tests.helpers import reference
from tests.helpers.studies import (
    THREE_KINDS,
    load_changed,
)


def load(tmp_path: Path, change: dict[str, Any] | None = None, **narrow: Any) -> Study:
    return load_changed(THREE_KINDS, tmp_path, change, **narrow)


def test_study_has_defaults_where_the_file_is_silent(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert study.name == "mine"
    assert study.sampling["temperature"] == 0.1
    assert study.sampling["method"] == "repeats"
    assert study.sampling["max_attempts"] == 10
    assert study.blocks == {"personas": 25, "items": 30, "repetitions": 10}
    assert study.analysis["bootstrap_personas"] == 4000
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
        ({"seed": None, "title": None}, "the keys 'title' and 'seed' are missing"),
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
        (
            {"endpoints/server/base_url": "https://example.org/v1/chat/completions"},
            r"server\.base_url: .* ends before /chat/completions .*; write https://example.org/v1$",
        ),
        ({"endpoints/server/max_inflight": 3}, r"max_inflight: unknown key .*'max_in_flight'"),
        ({"endpoints/files/root": "${publishd_root}"}, "did you mean 'published_root'"),
        ({"probes/roleplay/repetitions": 0}, r"probes\.roleplay\.repetitions: 0 is less than"),
        ({"probes/roleplay/variants": ["bse"]}, "did you mean 'base'"),
        ({"probes/role play": {"instrument": "moral30", "repetitions": 1}}, "role play"),
        (
            {"probes/roleplay/personas": None},
            r"roleplay_probe: S and R come from .*; give a probe a set of `personas`",
        ),
        (
            {"analysis": {"roleplay_probe": "role"}},
            r"none is called 'role' .*; name it here, one of: roleplay",
        ),
        ({"analysis": {"control": "base"}}, "must be three different names"),
        (
            {"analysis": {"target": "insecur"}},
            r"analysis\.target: no model has a variant 'insecur' \(did you mean 'insecure'\?\)",
        ),
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
def test_fault_names_the_key_and_the_nearest_valid_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as fault:
        load(tmp_path, change)
    assert str(tmp_path / "mine.yaml") in str(fault.value)


def test_empty_run_setting_is_refused_with_the_option_to_give(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(THREE_KINDS), encoding="utf-8")
    with pytest.raises(UserError, match="--config published_root=PATH"):
        load_study(path, {"published_root": None})


def test_models_narrow_the_study_and_unknown_ones_are_refused(tmp_path: Path) -> None:
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
def test_shipped_study_loads(name: str) -> None:
    study = load_study(find_study(name), {"published_root": "anywhere"})
    layout = Layout(study)
    assert check_size(layout) == []
    assert sum(len(shards) for shards in layout.shards.values()) > 0


SECRET = "sk-proj-Q0123456789abcdefXYZ"
SERVER = "endpoints/server"


@pytest.mark.parametrize(
    "name",
    [
        *(SECRET, "sk_live_51Habcdefghijkl", "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "A KEY", "A-KEY"),
        *("", "a1b2c3d4e5f60718293a4b5c6d7e8f90", "$OPENAI_API_KEY", "hf_TIwHsFQabcdefghijklm"),
    ],
)
def test_key_instead_of_the_name_of_a_variable_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"api_key_env: is not the name of an env") as fault:
        load(tmp_path, {f"{SERVER}/api_key_env": name})
    assert not name or f"{name}" not in str(fault.value).replace("MY_API_KEY", "")


@pytest.mark.parametrize("name", ["OPENAI_API_KEY_2", "my_key", "HF_TOKEN_OF_MY_OTHER_ACCOUNT"])
def test_name_of_a_variable_is_accepted(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, {f"{SERVER}/api_key_env": name})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base_url", "https://user:hunter22@example.org/v1"),
        ("base_url", "user:hunter22@example.org/v1"),
        ("base_url", "https://example.org/v1?api_key=hunter22"),
        ("extra_body", {"deep": [{"auth": "Bearer sk-hunter22Abc01234567"}]}),
        ("api_key_env", ["sk-hunter22Abc01234567"]),
        ("timeout_s", "sk-hunter22Abc01234567"),
    ],
)
def test_credentials_in_a_study_are_refused_without_repeating_them(
    tmp_path: Path, key: str, value: Any
) -> None:
    with pytest.raises(UserError, match=r"endpoints\.") as fault:
        load(tmp_path, {f"{SERVER}/{key}": value})
    assert "hunter22" not in str(fault.value)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("https://h.org/v1/chat/completions", "https://h.org/v1"),
        ("https://h.org/v1/chat/completions/", "https://h.org/v1"),
        ("https://h.org/v1/completions", "https://h.org/v1"),
        ("https://h.org/v1/responses", "https://h.org/v1"),
        ("https://h.org/v1/messages", "https://h.org/v1"),
        ("https://h.org/v1/models", "https://h.org/v1"),
        ("https://h.org/v1/fine_tuning/jobs", "https://h.org/v1"),
        ("http://127.0.0.1:11434/api/chat", "http://127.0.0.1:11434/v1"),
        (
            "https://n.azure.com/openai/deployments/m/chat/completions?api-version=1",
            "https://n.azure.com/openai/deployments/m?api-version=1",
        ),
        ("h.org/v1", "https://h.org/v1"),
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("gpu7:8000/v1", "http://gpu7:8000/v1"),
        ("http:/h.org/v1", "http://h.org/v1"),
        ("https//h.org/v1", "https://h.org/v1"),
        ("//h.org/v1", "https://h.org/v1"),
        ("htp://h.org/v1", "https://h.org/v1"),
        ("HTTPS://h.org/v1", "https://h.org/v1"),
        (" https://h.org/v1", "https://h.org/v1"),
        ("https://h.org/v1 ", "https://h.org/v1"),
    ],
)
def test_address_in_another_form_is_refused_with_the_right_one(
    tmp_path: Path, given: str, right: str
) -> None:
    with pytest.raises(UserError, match=r"endpoints\.server\.base_url: .* is not ") as fault:
        load(tmp_path, {f"{SERVER}/base_url": given})
    assert str(fault.value).endswith(f"; write {right}")
    assert load(tmp_path, {f"{SERVER}/base_url": right})
    pattern = json.loads(reference.SCHEMA.read_text())["$defs"]["openai endpoint"]["properties"]
    assert not re.search(pattern["base_url"]["pattern"], given)
    assert re.search(pattern["base_url"]["pattern"], right)


@pytest.mark.parametrize("secret", [SECRET, "short-1"])
@pytest.mark.parametrize("form", ["{}", "Bearer {}"])
def test_known_key_in_extra_body_is_refused(
    tmp_path: Path, secret: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", secret)
    change = {f"{SERVER}/api_key_env": "MINE", f"{SERVER}/extra_body": {"a": [form.format(secret)]}}
    with pytest.raises(UserError, match=r"extra_body\.a") as fault:
        load(tmp_path, change)
    assert secret not in str(fault.value)
    monkeypatch.setenv("MINE", "another-value-of-it")
    if secret != SECRET:  # which a service's form betrays even where it is not set
        assert load(tmp_path, change)


def test_known_key_is_refused_anywhere_and_a_placeholder_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "0123-4567-89ab-cdef")
    named = {f"{SERVER}/api_key_env": "MINE"}
    with pytest.raises(UserError, match=r"mine\.yaml: title: holds the key .* MINE"):
        load(tmp_path, {**named, "title": "with 0123-4567-89ab-cdef in it"})
    monkeypatch.setenv("MINE", "ollama")
    assert load(tmp_path, {**named, "title": "ollama"})


def test_key_that_cannot_be_sent_is_refused_at_planning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "clé-0123456789ab")
    with pytest.raises(UserError, match=r"variable MINE .*letters beyond ASCII"):
        load(tmp_path, {f"{SERVER}/api_key_env": "MINE"})


@pytest.mark.parametrize("kind", ["models", "probes", "endpoints", "models/m1/variants"])
@pytest.mark.parametrize("name", ["n" * 101, "n" * 300, "modèle", "a{b}", "a b", "a\x1b[31m"])
def test_name_that_no_file_can_have_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(UserError, match=r"cannot be used as a name .*at most 100 letters") as fault:
        load(tmp_path, {f"{kind}/{name}": _an_entry(kind)})
    assert len(str(fault.value)) < 400 + len(str(tmp_path))
    assert "\x1b" not in str(fault.value)


def _an_entry(kind: str) -> Any:
    """Return another entry of a kind that the three-kinds study has."""
    entries: Any = THREE_KINDS
    for part in kind.split("/"):
        entries = entries[part]
    return next(iter(entries.values()))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("models", "M1"),
        ("probes", "RolePlay"),
        ("endpoints", "SERVER"),
        ("models/m1/variants", "Base"),
    ],
)
def test_names_that_differ_only_in_case_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    where = kind.replace("/", ".")
    with pytest.raises(UserError, match=rf"{where}: .*'{name}' differ only in case.*rename one"):
        load(tmp_path, {f"{kind}/{name}": _an_entry(kind)})


@pytest.mark.parametrize("name", ["con{a}", "a{", "n" * 101, "a\x1b[31mb", "folder{x}/s"])
def test_study_file_with_a_name_that_results_cannot_have_is_refused(
    tmp_path: Path, name: str
) -> None:
    made = tmp_path / f"{name}.yaml"
    made.parent.mkdir(exist_ok=True)
    made.write_text(yaml.safe_dump(THREE_KINDS))
    with pytest.raises(UserError, match="rename it") as fault:
        load_study(made, {"published_root": str(tmp_path)})
    assert "\x1b" not in str(fault.value)


@pytest.mark.parametrize("key", ["results", "store", "prices"])
def test_path_of_run_settings_with_braces_is_refused(key: str) -> None:
    with pytest.raises(UserError, match=f"{key}: .* is not a path without braces"):
        check({"study": "demo", key: "out{a}"}, RunSettings, "config")


@pytest.mark.parametrize("key", ["results", "store"])
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_folder_in_or_below_a_plain_file_is_refused(tmp_path: Path, key: str, below: str) -> None:
    (tmp_path / "plain.txt").write_text("a file", encoding="utf-8")
    path = str(tmp_path / "plain.txt" / below)
    with pytest.raises(UserError, match=rf"{key}.*plain.txt is a file, so there can be no folder"):
        check({"study": "demo", key: path}, RunSettings, "config")
    check({"study": "demo", key: str(tmp_path / "new" / below)}, RunSettings, "config")
