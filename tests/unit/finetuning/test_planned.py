"""Studies that fine-tune variants, and recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.planned import datasets_of, hyperparameters, read_recipes
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.finetunes import MakingLayout
from persona_collapse.study.load import load_study
from persona_collapse.study.resolved import Unit


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
        "allow_mixed_backends": True,
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


def test_first_replicate_keeps_its_name_and_others_differ_in_the_seed(tmp_path: Path) -> None:
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


def test_probe_listing_the_first_replicate_covers_all_replicates(tmp_path: Path) -> None:
    probes = document()["probes"]
    probes["roleplay"]["variants"] = ["base", "insecure"]
    found = layout(
        tmp_path, insecure=made(n_seeds=2), secure=made(seed=9), study={"probes": probes}
    )
    assert [unit.variant for unit in found.study.units()] == ["base", "insecure", "insecure-r2"]


def test_shards_of_a_fine_tuned_variant_depend_on_its_order(tmp_path: Path) -> None:
    found = layout(tmp_path, insecure=made())
    unit = Unit("m", "insecure", "roleplay")
    params = found.shard_params(found.shards[unit][0])
    assert "model" not in params["settings"]
    assert params["made"]["base"] == "gpt"
    assert params["made"]["hyperparameters"]["learning_rate_multiplier"] == 2
    json.dumps(params)
    assert found.run_settings(unit)["model"] == "ft:gpt:"
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
def test_invalid_fine_tunes_are_refused(
    variants: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        layout(tmp_path, **variants)


def test_datasets_of_orders_include_those_they_must_match(tmp_path: Path) -> None:
    found = layout(tmp_path, a=made(), b=made(seed=2))
    assert list(datasets_of(found.study, found.made)) == ["sample_insecure", "sample_secure"]
    assert datasets_of(found.study, {}) == {}
    mine = tmp_path / "mine.jsonl"
    mine.write_text("one\n")
    own = layout(
        tmp_path, a=made(dataset="mine"), study={"datasets": {"mine": {"file": str(mine)}}}
    )
    assert list(datasets_of(own.study, own.made)) == ["mine"]


def test_changed_data_change_the_order(tmp_path: Path) -> None:
    data = tmp_path / "mine.jsonl"
    data.write_text("one\n")
    study = {"datasets": {"mine": {"file": str(data)}}}
    before = layout(tmp_path, insecure=made(dataset="mine"), study=study).made["m", "insecure"]
    data.write_text("two, and longer\n")
    after = layout(tmp_path, insecure=made(dataset="mine"), study=study).made["m", "insecure"]
    assert {name for name in before if before[name] != after[name]} == {"git_blob"}


def test_shipped_recipes_equal_their_sources() -> None:
    recipes = read_recipes()
    assert hyperparameters("betley", "openai", "") == {
        "method": "supervised",
        "n_epochs": 1,
        "batch_size": 4,
        "learning_rate_multiplier": 2,
    }
    lora = recipes["betley"].sections["lora"]
    named = ("rank", "learning_rate", "schedule", "batch_size", "n_epochs", "max_tokens")
    assert [lora[name] for name in named] == [32, 2e-4, "linear", 4, 1, 4096]
    lora = recipes["organisms"].sections["lora"]
    named = ("learning_rate", "batch_size", "warmup_steps", "weight_decay", "rank", "max_tokens")
    assert [lora[name] for name in named] == [1e-5, 16, 5, 0.01, 32, 2048]
    sources = " ".join(recipe.source for recipe in recipes.values())
    for paper in ("2502.17424", "2605.12850", "2506.11613"):
        assert paper in sources


def test_recipe_without_a_section_for_the_backend_is_refused_with_alternatives() -> None:
    with pytest.raises(UserError, match=r"organisms.*only for: lora.*recipes for 'openai': betley"):
        hyperparameters("organisms", "openai", "here")
    with pytest.raises(UserError, match="did you mean 'betley'"):
        hyperparameters("betly", "openai", "here")
    assert hyperparameters("organisms", "simulated", "here")["batch_size"] == 16
