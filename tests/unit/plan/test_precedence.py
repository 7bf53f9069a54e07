"""Which jobs wait for others of the study that ask for the same answers."""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from persona_collapse.plan.answers import Layout, Places
from persona_collapse.plan.misalignment import CheckLayout
from persona_collapse.plan.precedence import Precedence
from tests.helpers.studies import CHECKED, load_changed

SAME = {"endpoint": "server", "model": "m-base"}
PROBE = CHECKED["probes"]["roleplay"]
BLOCKS = {"personas": 50, "items": 30, "repetitions": 2}


def of(tmp_path: Path, change: dict[str, Any]) -> Precedence:
    fixed = {"shards": BLOCKS, "allow_mixed_backends": True}
    study = load_changed(CHECKED, tmp_path, {**fixed, **change})
    layout = Layout(study, Places(results="r"))
    return Precedence(layout, CheckLayout(layout))


def waits(found: Precedence) -> dict[str, list[str]]:
    """Return what every shard that waits waits for, by names without the folders around them."""
    pairs = {
        shard: found.shards(SimpleNamespace(**vars_of(shard), shard=shard.name))
        for shards in found.layout.shards.values()
        for shard in shards
    }
    return {
        short(found.layout.shard_file(one)): list(map(short, on)) for one, on in pairs.items() if on
    }


def vars_of(shard: Any) -> dict[str, str]:
    return {"model": shard.model, "variant": shard.variant, "probe": shard.probe}


def short(path: str) -> str:
    return path.removeprefix("r/shards/m/").removesuffix(".parquet")


def test_units_of_different_models_do_not_wait(tmp_path: Path) -> None:
    assert waits(of(tmp_path, {})) == {}


def test_shards_of_a_model_named_twice_wait_for_the_first_ones(tmp_path: Path) -> None:
    found = waits(of(tmp_path, {"models/m/variants/insecure": SAME}))
    blocks = ("p000-049_i01-30_r01-02", "p050-099_i01-30_r01-02")
    assert found == {f"insecure/roleplay/{name}": [f"base/roleplay/{name}"] for name in blocks}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base_url", "http://127.0.0.1:2/v1"),
        ("extra_body", {"provider": "x"}),
        ("sampling_defaults", "neutral"),
    ],
)
def test_endpoints_that_change_the_key_of_an_answer_share_nothing(
    tmp_path: Path, key: str, value: object
) -> None:
    other = {**CHECKED["endpoints"]["server"], key: value}
    change = {
        "endpoints/another": other,
        "models/m/variants/insecure": {**SAME, "endpoint": "another"},
    }
    assert waits(of(tmp_path, change)) == {}


def test_endpoints_that_differ_in_how_they_are_asked_share_answers(tmp_path: Path) -> None:
    other = {**CHECKED["endpoints"]["server"], "max_in_flight": 3, "batching": "single"}
    change = {
        "endpoints/another": other,
        "models/m/variants/insecure": {**SAME, "endpoint": "another"},
    }
    assert len(waits(of(tmp_path, change))) == 2


def test_probes_wait_only_for_shards_with_slots_in_common(tmp_path: Path) -> None:
    """The second probe has fewer personas and more repetitions; the third asks no persona."""
    change = {
        "models/m/variants": {"base": SAME},
        "probes/more": {**PROBE, "persona_count": 60, "repetitions": 4},
        "probes/unconditioned": {"instrument": "moral30", "repetitions": 2},
    }
    found = waits(of(tmp_path, change))
    first, second = "p000-049_i01-30_r01-02", "p050-099_i01-30_r01-02"
    assert found == {
        f"base/more/{first}": [f"base/roleplay/{first}"],
        f"base/more/{second}": [f"base/roleplay/{second}"],
    }


def test_shard_waits_only_for_its_own_block_on_every_axis(tmp_path: Path) -> None:
    change = {
        "models/m/variants/insecure": SAME,
        "shards": {"personas": 40, "items": 10, "repetitions": 1},
    }
    found = waits(of(tmp_path, change))
    assert len(found) == 3 * 3 * 2
    for waiting, on in found.items():
        assert on == [waiting.replace("insecure/", "base/")]


def test_shard_waits_for_the_blocks_that_hold_its_personas_and_items_in_another_order(
    tmp_path: Path,
) -> None:
    probe = {**PROBE}
    for kind, name, key in (
        ("personas", "everyday100", "personas"),
        ("instruments", "moral30", "items"),
    ):
        document = yaml.safe_load(Path(f"resources/{kind}/{name}.yaml").read_text("utf-8"))
        document[key].reverse()
        path = tmp_path / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        probe["instrument" if kind == "instruments" else kind] = str(path)
    change = {
        "models/m/variants": {"base": SAME},
        "probes/reversed": probe,
        "shards": {"personas": 50, "items": 15, "repetitions": 2},
    }
    ends = {"p000-049": "p050-099", "p050-099": "p000-049", "i01-15": "i16-30", "i16-30": "i01-15"}
    found = waits(of(tmp_path, change))
    assert len(found) == 4
    for waiting, on in found.items():
        people, items, repetitions = waiting.removeprefix("base/reversed/").split("_")
        assert on == [f"base/roleplay/{ends[people]}_{ends[items]}_{repetitions}"]


def test_fine_tunes_of_one_base_share_nothing(tmp_path: Path) -> None:
    made = {"from": "base", "dataset": "insecure", "recipe": "betley", "n_seeds": 2}
    variants = {
        "base": {"endpoint": "server", "model": "gpt-4o-2024-08-06"},
        "insecure": {"endpoint": "server", "finetune": made},
    }
    assert waits(of(tmp_path, {"models/m/variants": variants, "misalignment": None})) == {}


def test_waiting_has_no_cycle(tmp_path: Path) -> None:
    variants = dict.fromkeys(("base", "insecure", "a", "b"), SAME)
    change = {"models/m/variants": variants, "probes/copy": PROBE}
    found = waits(of(tmp_path, change))
    assert len(found) == 2 * (4 * 2 - 1)
    tuple(TopologicalSorter(found).static_order())


def test_check_of_a_model_named_twice_waits_for_the_first(tmp_path: Path) -> None:
    change = {"models/m/variants/insecure": SAME, "models/m/variants/third": SAME}
    found = of(tmp_path, change)
    names = [SimpleNamespace(model="m", variant=name) for name in ("base", "insecure", "third")]
    first = ["r/judged/m/base.parquet"]
    assert list(map(found.checked, names)) == [[], first, first]
    apart = of(tmp_path, {})
    assert list(map(apart.checked, names[:2])) == [[], []]
