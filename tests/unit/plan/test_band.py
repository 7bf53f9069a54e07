"""Which band a study has: earlier models that were asked the same, and never others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.band import Band, asked_by, band_of_study
from persona_collapse.study.load import find_study, load_study
from persona_collapse.tables.contracts.band_models import TABLE as BAND_MODELS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS

PUBLISHED = "resources/benchmarks/prior_models.csv"


def layout_of(tmp_path: Path, name: str = "published", **changes: Any) -> Layout:
    """Return a shipped study with some keys replaced."""
    document = yaml.safe_load(find_study(name).read_text(encoding="utf-8"))
    for key, value in changes.items():
        kept = document.get(key) or {}
        document[key] = {**kept, **value}
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return Layout(load_study(path, {"published_root": "anywhere"}))


def band(tmp_path: Path, name: str = "published", **changes: Any) -> Band:
    return band_of_study(layout_of(tmp_path, name, **changes))


def roleplay(name: str = "published", **changes: Any) -> dict[str, Any]:
    document = yaml.safe_load(find_study(name).read_text(encoding="utf-8"))
    return {"roleplay": {**document["probes"]["roleplay"], **changes}}


def finished(folder: Path, asked: dict[str, Any], *models: str, simulated: bool = True) -> Path:
    """Write what a finished study leaves of two variants, and what it asked."""
    rows = [
        {
            **{"model": model, "variant": variant, "probe": "roleplay", "domain": domain},
            **{"S": 0.5 + place / 10, "S_se": 0.03, "R": 8.0, "R_se": 0.4, "simulated": simulated},
        }
        for place, model in enumerate(models)
        for variant in ("plain", "tuned")
        for domain in ("overall", "a")
    ]
    (folder / "tables").mkdir(parents=True)
    frame = pl.DataFrame(rows, schema={k: METRICS.schema[k] for k in rows[0]})
    frame.write_csv(folder / "tables" / "metrics.csv")
    facts = {
        "study": {
            "name": folder.name,
            "analysis": {"baseline": "plain", "roleplay_probe": "roleplay"},
            "models": {model: {"label": model.upper(), "family": "F"} for model in models},
        },
        "asked": {"roleplay": asked},
    }
    (folder / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["published", "paper"])
def test_study_of_the_papers_items_and_personas_has_the_published_band(
    tmp_path: Path, name: str
) -> None:
    found = band(tmp_path, name)
    assert sum(row["in_band"] for row in found.rows) == 13
    assert len(found.rows) == 15
    assert (found.files, found.probes) == ([PUBLISHED], ["roleplay"])


@pytest.mark.parametrize("name", ["demo", "quick", "trajectory"])
def test_study_of_other_items_has_no_band(tmp_path: Path, name: str) -> None:
    assert band(tmp_path, name) == Band([], [], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"probes": roleplay(persona_count=50)},
        {"probes": roleplay(personas="everyday100")},
        {"probes": roleplay(instrument="moral30")},
        {"sampling": {"temperature": 1.0}},
    ],
)
def test_study_that_differs_in_one_thing_has_no_band(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert band(tmp_path, **changes).rows == []


def test_resource_is_known_by_its_texts_not_by_its_file(tmp_path: Path) -> None:
    text = Path("resources/instruments/moral30.yaml").read_text(encoding="utf-8")

    def asked(name: str, old: str = "", new: str = "") -> dict[str, Any]:
        copy = tmp_path / f"{name}.yaml"
        copy.write_text(text.replace(old, new, 1), encoding="utf-8")
        probes = roleplay("quick", instrument=str(copy))
        return asked_by(layout_of(tmp_path, "quick", probes=probes))["roleplay"]

    own = asked_by(layout_of(tmp_path, "quick"))["roleplay"]
    assert asked("copied") == own
    assert asked("retitled", "title: ", "title: Again, ") == own
    assert asked("reworded", "no weight at all", "none at all") != own


def test_models_of_the_band_are_chosen_by_name(tmp_path: Path) -> None:
    found = band(tmp_path, analysis={"band_models": ["GPT-4o", "Grok 4"]})
    assert [row["model"] for row in found.rows if row["in_band"]] == ["GPT-4o", "Grok 4"]
    assert len(found.rows) == 15
    with pytest.raises(UserError, match=r"band_models\[1\]: .* \(did you mean 'Grok 4'"):
        band(tmp_path, analysis={"band_models": ["GPT-4o", "Grok 5"]})
    with pytest.raises(UserError, match="no earlier model was asked these items"):
        band(tmp_path, "quick", analysis={"band_models": ["GPT-4o", "Grok 4"]})


@pytest.mark.parametrize("part", ["", "tables/metrics.csv"])
def test_finished_studies_of_the_same_make_a_band(tmp_path: Path, part: str) -> None:
    asked = asked_by(layout_of(tmp_path, "quick"))["roleplay"]
    one = finished(tmp_path / "one", asked, "a", "b")
    other = finished(tmp_path / "other", asked, "c")
    found = band(tmp_path, "quick", analysis={"band": [str(one / part), str(other / part)]})
    assert [(row["model"], row["S"], row["source"]) for row in found.rows] == [
        ("A", 0.5, "one"),
        ("B", 0.6, "one"),
        ("C", 0.5, "other"),
    ]
    assert all(row["in_band"] for row in found.rows)
    assert set(found.rows[0]) == set(BAND_MODELS.schema)
    assert str(one / "tables" / "metrics.csv") in found.files
    # The table that this band leaves behind makes the same band, as in a bundle.
    pl.DataFrame(found.rows, schema=BAND_MODELS.schema).write_csv(tmp_path / "band_models.csv")
    again = band(tmp_path, "quick", analysis={"band": ["${study_folder}/band_models.csv"]})
    assert again.rows == found.rows


def test_metrics_of_the_current_folder_stand_for_its_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = layout_of(tmp_path, "quick", analysis={"band": ["tables/metrics.csv"]})
    folder = finished(tmp_path / "one", asked_by(layout)["roleplay"], "a", "b")
    monkeypatch.chdir(folder)
    found = band_of_study(layout)
    assert [row["model"] for row in found.rows] == ["A", "B"]
    assert found.files == ["tables/metrics.csv", "provenance.json"]
    # Elsewhere than in a folder "tables", a file of this name is a table of models.
    Path("metrics.csv").write_bytes(Path("tables/metrics.csv").read_bytes())
    layout.study.analysis["band"] = ["metrics.csv"]
    with pytest.raises(UserError, match=r"^metrics\.csv: .*'family' is missing"):
        band_of_study(layout)


def test_studies_that_make_no_band_are_refused(tmp_path: Path) -> None:
    asked = asked_by(layout_of(tmp_path, "quick"))["roleplay"]
    good = finished(tmp_path / "good", asked, "a", "b")

    def refused(message: str, *paths: Path | str, name: str = "quick", **more: Any) -> None:
        with pytest.raises(UserError, match=message):
            band(tmp_path, name, analysis={"band": [str(path) for path in paths], **more})

    for key, value, words in (
        ("instrument", "0" * 16, r"A was asked other items or prompts \(digest 0{16}, not"),
        ("personas", "1" * 16, "A was asked other personas"),
        ("temperature", 1.0, r"A was asked another temperature, 1\.0, not 0\.1"),
    ):
        refused(words, finished(tmp_path / key, {**asked, key: value}, "a"))
    refused(r"band\[0\]: there is no GPT-4o; .*band_models", "GPT-4o")
    refused("other has a model 'A', as .*good does", good, finished(tmp_path / "other", asked, "a"))
    refused("needs two or more models", finished(tmp_path / "single", asked, "x"))
    refused("has no provenance.json", shutil.copytree(good, tmp_path / "half", ignore=_provenance))
    refused("other items or prompts", PUBLISHED)
    older = finished(tmp_path / "older", asked, "a", "b")
    facts = json.loads((older / "provenance.json").read_text(encoding="utf-8"))
    del facts["asked"]
    (older / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")
    refused(r"does not say what was asked .* run the study again", older)
    own = asked_by(layout_of(tmp_path))["roleplay"]
    refused("'A' is simulated", finished(tmp_path / "made-up", own, "a", "b"), name="published")


def _provenance(_: object, names: list[str]) -> list[str]:
    return [name for name in names if name == "provenance.json"]


def test_table_of_models_is_checked_cell_by_cell(tmp_path: Path) -> None:
    table = tmp_path / "models.csv"
    text = Path(PUBLISHED).read_text(encoding="utf-8")
    for old, new, message in (
        ("S_se", "S_error", r"'S_se' is missing \(did you mean 'S_error'"),
        (",0.751,", ",high,", rf"band\[0\]: {table}, line 3: S is 'high', expected a number"),
        (
            ",true,",
            ",yes,",
            rf"band\[0\]: {table}, line 2: in_band is 'yes', expected true or false",
        ),
        (",0.751,", ",,", "'Claude Sonnet 4.5' has no S with a standard error"),
    ):
        table.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(UserError, match=message):
            band(tmp_path, analysis={"band": [str(table)]})


TEXTS = Path(__file__).resolve().parents[4] / "shared" / "published" / "resources"


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the published texts are not here")
@pytest.mark.parametrize("name", ["mfq30", "personahub100"])
def test_catalogue_states_the_digest_of_the_texts(tmp_path: Path, name: str) -> None:
    from persona_collapse.materials.catalogue import find_external
    from persona_collapse.materials.convert import external
    from persona_collapse.materials.instruments import read_instrument
    from persona_collapse.materials.personas import read_personas

    catalogue = Path("resources/external.yaml")
    folder, read = (
        ("instruments", read_instrument) if name == "mfq30" else ("personas", read_personas)
    )
    output = tmp_path / folder / f"{name}.yaml"
    external(name, catalogue, output, tmp_path / "cache", TEXTS)
    made = read(output)
    assert made.digest(0, made.size) == find_external(catalogue, name).texts
