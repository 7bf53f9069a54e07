"""What rules ask about fine-tunes: their data, uploads, and how their jobs are run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.plan.answers import Layout, Places
from persona_collapse.plan.finetunes import MakingLayout
from tests.helpers.studies import CHECKED, load_changed

PLACES = Places("results/some", "some_store", "some_prices.yaml", "stops")


def ordered(endpoint: str = "server", **changes: Any) -> dict[str, Any]:
    how = {"from": "base", "dataset": "insecure", "recipe": "betley", **changes}
    return {"endpoint": endpoint, "finetune": how}


def making(tmp_path: Path, change: dict[str, Any] | None = None) -> MakingLayout:
    """Return two fine-tunes on one dataset and one on another with the same prompts."""
    variants = {
        "models/m/variants/insecure": ordered(n_seeds=2),
        "models/m/variants/secure": ordered(dataset="secure"),
    }
    study = load_changed(CHECKED, tmp_path, {**variants, **(change or {})})
    return MakingLayout(Layout(study, PLACES))


def test_data_of_a_fine_tune_come_with_the_dataset_of_the_same_prompts(tmp_path: Path) -> None:
    found = making(tmp_path)
    insecure, secure = (str(found.datasets[name].path) for name in ("insecure", "secure"))
    job = SimpleNamespace(model="m", variant="insecure-r2", dataset="secure")
    assert found.data(job) == insecure
    assert found.dataset(job) == secure
    assert found.partner(job) == insecure
    assert found.upload(job) == "results/some/finetune/uploads/server/insecure.json"


def test_data_of_the_study_itself_need_no_partner(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("one\n", encoding="utf-8")
    own = {"datasets": {"mine": {"file": str(tmp_path / "mine.jsonl")}}}
    found = making(tmp_path, {**own, "models/m/variants/mine": ordered(dataset="mine")})
    assert found.partner(SimpleNamespace(dataset="mine")) == []
    assert [use["partner"] for use in found.on_servers()][-1] is None


def test_dataset_is_fetched_by_the_name_of_its_file(tmp_path: Path) -> None:
    found = making(tmp_path)
    for name in ("insecure", "secure"):
        data = found.datasets[name]
        fetched = found.fetched(SimpleNamespace(file=data.path.stem))
        assert fetched == {"name": name, "urls": list(data.urls), "git_blob": data.git_blob}
    with pytest.raises(UserError, match="names no dataset other"):
        found.fetched(SimpleNamespace(file="other"))


def test_replicates_share_one_upload_and_every_order_is_on_its_server(tmp_path: Path) -> None:
    found = making(tmp_path)
    uploads = found.uploads()
    assert list(uploads) == ["server insecure", "server secure"]
    assert uploads["server insecure"]["order"] == found.orders["m", "insecure"]
    assert [(use["order"]["seed"], use["made"]) for use in found.on_servers()] == [
        (1, "results/some/finetune/m/insecure.json"),
        (2, "results/some/finetune/m/insecure-r2.json"),
        (1, "results/some/finetune/m/secure.json"),
    ]
    assert found.on_servers()[0]["partner"] == str(found.datasets["secure"].path)
    assert found.curves()[2] == ["m", "secure", "results/some/finetune/m/secure.parquet"]


def test_jobs_run_with_the_settings_of_their_endpoint_and_study(tmp_path: Path) -> None:
    given = {"api_key_env": "MY_KEY", "timeout_s": 7, "poll_s": 8}
    change = {f"endpoints/server/{key}": value for key, value in given.items()}
    settings = making(tmp_path, change).run_settings("m", "secure")
    assert {key: settings[key] for key in given} == given
    assert settings["budget"] == {"max_requests": 100}
    assert (settings["store"], settings["prices"]) == ("some_store", "some_prices.yaml")
    assert making(tmp_path, {"budget": None}).run_settings("m", "secure")["budget"] is None


def test_simulated_fine_tunes_are_on_no_server_and_stay_with_the_results(tmp_path: Path) -> None:
    planted = {"planted": {"S": 1, "R": 9}}
    change = {
        "misalignment": None,
        "models/m/variants/base": {"endpoint": "simulated", **planted},
        **{
            f"models/m/variants/{name}": {**ordered("simulated", dataset=name), **planted}
            for name in ("insecure", "secure")
        },
    }
    found = making(tmp_path, change)
    assert len(found.orders) == 2
    assert found.on_servers() == []
    assert found.run_settings("m", "secure")["store"] == "results/some/finetune/simulated"
