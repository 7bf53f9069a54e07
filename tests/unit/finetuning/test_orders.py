"""Keys of orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from persona_collapse.finetuning.orders import Order

ORDER = Order("https://api.test/v1", "base", "ab" * 32, {"n_epochs": 1, "batch_size": 4}, 1)


def test_order_key_depends_on_what_changes_the_model_and_on_no_name() -> None:
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


def test_every_further_attempt_has_a_key_of_its_own() -> None:
    assert len({replace(ORDER, attempt=attempt).key for attempt in range(1, 6)}) == 5


def test_suffix_has_as_much_of_the_dataset_as_40_characters_hold() -> None:
    part = ORDER.key[:12]
    assert ORDER.suffix == part
    assert replace(ORDER, dataset="insecure").suffix == f"insecure-{part}"
    assert replace(ORDER, dataset="d" * 27).suffix == f"{'d' * 27}-{part}"
    assert replace(ORDER, dataset="d" * 100).suffix == f"{'d' * 27}-{part}"


def test_only_training_at_the_simulated_backend_is_simulated() -> None:
    assert replace(ORDER, backend="simulated").simulated
    assert not ORDER.simulated
    assert not replace(ORDER, backend="a").simulated
    assert not replace(ORDER, backend="z").simulated
