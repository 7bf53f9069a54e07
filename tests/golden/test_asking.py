"""What identifies an answer: its key, its folder in the store, the request and a shard's params.

If one of these values changes, paid answers in the store are not used, and are paid for again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.client import Client
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.common.hashing import canonical, digest
from persona_collapse.store.files import stream_folder
from persona_collapse.study.resolved import Unit
from tests.golden.golden_study import MADE, golden_layout

MESSAGES = [{"role": "user", "content": 'Où? "0" → 5'}]
MADE_MODEL = "ft:m-base-2024:org:sample-insecure-0123456789ab:Abc"
REPEATS: dict[str, Any] = {"base_url": "https://API.example.org:443/v1/", "model": "m-base"}
LOGPROBS: dict[str, Any] = {**REPEATS, "method": "logprobs"}
ROUTED: dict[str, Any] = {
    "base_url": "https://router.example.org/api/v1",
    "model": "lab/m-base",
    "extra_body": {
        "reasoning": {"enabled": False},
        "provider": {"quantizations": ["bf16"], "only": ["one"]},
    },
    "temperature": 1,
    "top_p": 0.9,
    "seed": 7,
}
OF_MADE: dict[str, Any] = {**REPEATS, "model": MADE_MODEL}
LOCAL: dict[str, Any] = {
    "base_url": "http://127.0.0.1:8000/v1",
    "model": "org/Model Größe",
    "temperature": 0,
}


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (REPEATS, "229ed2c246e67b06c9a96807167cdea9f3557047d3781a38c473240407033e88"),
        (LOGPROBS, "b3a400eee52d9cf113dd65ae8faf2d8e7f5e19371a8d67b91545f2f1bce5124d"),
        (ROUTED, "fb3edc4a8c1d4572cba5df9e90bbc86b6930ab9b57163867bacc35c276df41da"),
        (OF_MADE, "b09bc400e8665a6ef7ad4740a6cae3fd8d45d45420cc0b7d99e282cb9d3cac5f"),
        (LOCAL, "0e09788245f43cc287af8768863f16b0d3135cc3f154511c68181b098fe586a5"),
    ],
    ids=["repeats", "logprobs", "extra body", "made model", "local server"],
)
def test_key_of_a_cell_is_unchanged(given: dict[str, Any], key: str) -> None:
    assert Settings.of(given).cell_key(MESSAGES) == key


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        (REPEATS, "api.example.org-m-base-74a32238dc20"),
        (LOGPROBS, "api.example.org-m-base-74a32238dc20"),
        (ROUTED, "router.example.org-lab-m-base-848aa91347df"),
        (
            OF_MADE,
            "api.example.org-ft-m-base-2024-org-sample-insecure-0123456789ab-Abc-ddb47d901acc",
        ),
        (LOCAL, "127.0.0.1-8000-org-Model-Gr-e-d14da43d9555"),
    ],
    ids=["repeats", "logprobs", "extra body", "made model", "local server"],
)
def test_store_folder_of_an_endpoint_and_model_is_unchanged(
    given: dict[str, Any], folder: str
) -> None:
    found = stream_folder(Path("answer_store"), Settings.of(given).stream)
    assert found == Path("answer_store") / folder


def test_sampling_settings_of_study_and_variant_give_the_same_key() -> None:
    by_study = Settings.of({**REPEATS, "temperature": 0.5, "method": "repeats"})
    by_variant = Settings.of({**REPEATS, "temperature": 0.5})
    key = "ddc97ec296994e37b99aabe61192a648"
    assert by_study.cell_key(MESSAGES)[:32] == by_variant.cell_key(MESSAGES)[:32] == key


def test_digest_is_of_sorted_json_without_spaces_in_utf_8() -> None:
    value = {"b": [1, 1.0, None, True], "a": "Où → 5"}
    assert canonical(value) == '{"a":"Où → 5","b":[1,1.0,null,true]}'
    assert digest(value) == "3d4b5ef795674eef308f3888d5225de50c934a80dcdbb126a905b9b1ff644a10"


def test_form_of_generation_settings_in_a_key_is_unchanged() -> None:
    assert canonical(Settings.of(REPEATS).generation) == '{"temperature":0.1}'
    assert canonical(Settings.of(LOGPROBS).generation) == (
        '{"logprobs":true,"temperature":1.0,"top_logprobs":20}'
    )
    assert canonical(Settings.of(ROUTED).generation) == '{"seed":7,"temperature":1.0,"top_p":0.9}'


@pytest.mark.parametrize(
    ("given", "repetitions", "body"),
    [
        (
            REPEATS,
            (1, 2, 3),
            {"model": "m-base", "temperature": 0.1, "max_tokens": 1, "n": 3},
        ),
        (
            LOGPROBS,
            (1,),
            {
                "model": "m-base",
                "temperature": 1.0,
                "max_tokens": 1,
                "logprobs": True,
                "top_logprobs": 20,
            },
        ),
        (
            ROUTED,
            (3, 4),
            {
                "model": "lab/m-base",
                "temperature": 1.0,
                "top_p": 0.9,
                "max_tokens": 1,
                "n": 2,
                "seed": 397168717,
                "provider": {"quantizations": ["bf16"], "only": ["one"]},
                "reasoning": {"enabled": False},
            },
        ),
    ],
    ids=["repeats", "logprobs", "extra body"],
)
def test_request_body_is_unchanged(
    given: dict[str, Any], repetitions: tuple[int, ...], body: dict[str, Any]
) -> None:
    ask = Ask("ab" * 32, MESSAGES, repetitions, 1, 3)
    assert Client(Settings.of(given), None).body(ask) == {**body, "messages": MESSAGES}


def test_params_of_a_shard_of_a_named_model_are_unchanged(tmp_path: Path) -> None:
    layout = golden_layout(tmp_path)
    shards = layout.shards[Unit("n", "base", "roleplay")]
    assert [shard.name for shard in shards] == [
        "p000-024_i01-30_r01-10",
        "p000-024_i01-30_r11-20",
        "p025-049_i01-30_r01-10",
        "p025-049_i01-30_r11-20",
    ]
    assert layout.shard_params(shards[-1]) == {
        "model": "n",
        "variant": "base",
        "probe": "roleplay",
        "name": "p025-049_i01-30_r11-20",
        "personas": [25, 30],
        "items": [0, 30],
        "repetitions": [11, 13],
        "texts": ["8e604bba7d05af2b", "f3004e8f3b90cefd"],
        "endpoint": "openai",
        "settings": {
            "base_url": "https://router.example.org/api/v1",
            "extra_body": {"provider": {"only": ["one"]}},
            "fallback_max_tokens": 64,
            "max_attempts": 10,
            "method": "repeats",
            "model": "lab/n",
            "temperature": 0.1,
        },
    }


def test_params_of_a_shard_of_a_fine_tuned_variant_contain_its_order(tmp_path: Path) -> None:
    layout = golden_layout(tmp_path)
    (shard,) = layout.shards[Unit("m", "insecure", "self")]
    assert layout.shard_params(shard) == {
        "model": "m",
        "variant": "insecure",
        "probe": "self",
        "name": "i01-30_r01-10",
        "personas": None,
        "items": [0, 30],
        "repetitions": [1, 2],
        "texts": ["8e604bba7d05af2b"],
        "endpoint": "openai",
        "settings": {
            "base_url": "https://api.example.org/v1/",
            "fallback_max_tokens": 64,
            "max_attempts": 10,
            "method": "logprobs",
            "temperature": 0.1,
        },
        "made": MADE,
    }
