"""Bundles: what goes in, what must stay out, and that the way back loses nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from persona_collapse.common.embedding import embedded
from persona_collapse.common.errors import UserError
from persona_collapse.handover.archive import WITHHELD, write_bundle
from persona_collapse.handover.bundle import bundle_of, study_file
from persona_collapse.plan.answers import Layout
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.resolved import Study
from tests.helpers.pages import write_rows

SECRET = 'A keeper of "secrets" <who> would rather not be quoted.'
SETTINGS = {"published_root": "/nowhere"}


def layout_of(study: Study | str, **narrow: Any) -> Layout:
    if isinstance(study, str):
        study = load_study(find_study(study), SETTINGS, **narrow)
    return Layout(study)


def again(layout: Layout, folder: Path) -> Study:
    """Write the study file of a bundle and read it back."""
    path = folder / f"{layout.study.name}-reanalysis.yaml"
    path.write_text(yaml.safe_dump(bundle_of(layout)["reanalysis"], sort_keys=False))
    return load_study(path)


def shown(study: Study) -> list[tuple[str, str, str, bool]]:
    """Return what figures and page show of the models."""
    return [(m.key, m.label, m.family, m.mixed_backends) for m in study.models.values()]


@pytest.mark.parametrize("name", ["quick", "demo", "paper", "published", "trajectory"])
def test_reanalysis_resolves_to_the_same_study(name: str, tmp_path: Path) -> None:
    layout = layout_of(name)
    first, second = layout.study, again(layout, tmp_path)
    assert second.name == f"{name}-reanalysis"
    ours, theirs = first.resolved(), second.resolved()
    shared = ("title", "seed", "probes", "sampling", "shards", "analysis", "allow_mixed_backends")
    for part in shared:
        assert theirs[part] == ours[part], part
    assert first.variant_names == second.variant_names
    assert first.steps() == second.steps()
    assert shown(first) == shown(second)
    assert list(layout.shards) == list(Layout(second).shards)
    for unit, shards in Layout(second).shards.items():
        assert shards == layout.shards[unit]
        assert Layout(second).method(unit) == layout.method(unit)
        file = tmp_path / "answers" / unit.model / unit.variant / f"{unit.probe}.parquet"
        assert Layout(second).endpoint_files(unit) == [str(file)]


def test_band_of_finished_studies_is_read_from_the_bundles_own_table() -> None:
    study = load_study(find_study("quick"), SETTINGS)
    chosen = {"band": ["results/one", "results/two"], "band_models": ["a", "b"]}
    reanalysis = bundle_of(Layout(replace(study, analysis={**study.analysis, **chosen})))
    analysis = reanalysis["reanalysis"]["analysis"]
    assert analysis["band"] == ["${study_folder}/tables/band_models.csv"]
    assert "band_models" not in analysis


def written(tmp_path: Path, name: str, change: dict[str, Any]) -> Path:
    document = yaml.safe_load(Path(f"config/studies/{name}.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump({**document, **change}, sort_keys=False), encoding="utf-8")
    return path


def test_reanalysis_keeps_the_method_of_simulated_variants(tmp_path: Path) -> None:
    layout = layout_of(load_study(written(tmp_path, "quick", {"sampling": {"method": "logprobs"}})))
    assert {layout.method(unit) for unit in layout.shards} == {"repeats"}
    second = Layout(again(layout, tmp_path))
    assert {second.method(unit) for unit in second.shards} == {"repeats"}
    assert {second.repetitions(unit) for unit in second.shards} == {5}


def test_reanalysis_of_a_narrowed_study_names_only_its_variants(tmp_path: Path) -> None:
    document = yaml.safe_load(Path("config/studies/quick.yaml").read_text(encoding="utf-8"))
    models, probes = document["models"], document["probes"]
    extra = {"base": models["gpt-4o"]["variants"]["base"]}
    extra["special"] = extra["base"]
    models["other"] = {"variants": extra}
    probes["unconditioned"]["variants"] = ["special", "base"]
    probes["gone"] = {**probes["roleplay"], "variants": ["special"]}
    path = written(tmp_path, "quick", {"models": models, "probes": probes})
    second = again(layout_of(load_study(path, models="gpt-4o")), tmp_path)
    assert list(second.models) == ["gpt-4o"]
    assert second.probes["unconditioned"].variants == ("base",)
    assert "gone" not in second.probes


def test_resources_beside_the_study_file_take_precedence(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, "quick", {}))
    own = tmp_path / "instruments" / "moral30.yaml"
    own.parent.mkdir()
    own.write_bytes(Path("resources/instruments/moral30.yaml").read_bytes())
    layout = Layout(study)
    assert layout.instruments["roleplay"].path == own
    assert layout.personas["roleplay"].path == Path("resources/personas/everyday100.yaml")
    assert bundle_of(layout)["reanalysis"]["probes"]["roleplay"]["instrument"] == "moral30"


def test_resources_with_equal_names_are_numbered(tmp_path: Path) -> None:
    probes: dict[str, Any] = {}
    for folder, probe in (("a", "roleplay"), ("b", "other")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "mine.yaml"
        path.write_bytes(Path("resources/instruments/moral30.yaml").read_bytes())
        probes[probe] = {"instrument": str(path), "personas": "everyday100", "repetitions": 2}
    plan = bundle_of(layout_of(load_study(written(tmp_path, "quick", {"probes": probes}))))
    found = plan["reanalysis"]["probes"]
    assert [found[p]["instrument"] for p in ("roleplay", "other")] == ["mine", "mine-2"]
    assert [entry["name"] for entry in plan["resources"]] == ["mine", "mine-2", "everyday100"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A finished study's folder with a little of everything."""
    folder = tmp_path / "results" / "mine"
    for place in ("answers/m/base", "tables", "report"):
        (folder / place).mkdir(parents=True)
    pl.DataFrame(
        {"item_id": [1, 2], "rating": [3, None], "probabilities": [[0.5, 0.5], None]}
    ).cast({"rating": pl.Int8}).write_parquet(folder / "answers/m/base/roleplay.parquet")
    write_rows(folder / "tables/metrics.csv", [{"model": "4", "R": "inf", "simulated": "true"}])
    write_rows(folder / "tables/quality.csv", [{"model": "4", "simulated": "true"}])
    write_rows(folder / "tables/personas.csv", [{"model": "4", "description": SECRET}])
    page = f"<p>the page</p><script>{{'personas':[{embedded(SECRET)}]}}</script>"
    (folder / "report/index.html").write_text(page)
    study = {"name": "mine", "endpoints": {"e": {"kind": "simulated"}}}
    code = {"persona_collapse": "0.1.0", "git_commit": "c0ffee" * 7}
    (folder / "provenance.json").write_text(json.dumps({"study": study, "code": code}))
    return folder


def plan_of(tmp_path: Path, licence: str, fetched: str | None = None) -> dict[str, Any]:
    personas = tmp_path / "people.yaml"
    document = {"name": "p", "title": "People", "licence": licence, "source": "a place"}
    personas.write_text(yaml.safe_dump({**document, "personas": [SECRET]}), encoding="utf-8")
    instrument = "resources/instruments/moral30.yaml"
    return {
        "name": "mine",
        "reanalysis": {"title": "A study", "seed": 1},
        "resources": [
            {"kind": "instrument", "name": "moral30", "path": instrument, "fetched": None},
            {"kind": "personas", "name": "people", "path": str(personas), "fetched": fetched},
        ],
    }


def pack(results: Path, plan: dict[str, Any], name: str = "mine.bundle.zip") -> Path:
    files = [path for path in results.rglob("*") if path.is_file() and path.suffix != ".zip"]
    write_bundle(plan, results, files, results / name)
    return results / name


def test_items_and_prompts_of_other_instruments_are_withheld_on_the_page(
    results: Path, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, "CC0-1.0")
    document = yaml.safe_load(Path(plan["resources"][0]["path"]).read_text(encoding="utf-8"))
    instrument = tmp_path / "theirs.yaml"
    instrument.write_text(yaml.safe_dump({**document, "licence": "All rights reserved"}), "utf-8")
    plan["resources"][0]["path"] = str(instrument)
    texts = [item["text"] for item in document["items"]]
    texts += [document["prompts"]["persona"], *document["prompts"]["sections"].values()]
    page = results / "report/index.html"
    page.write_text(f"<script>{embedded({'items': texts})}</script>", encoding="utf-8")
    found = contents(pack(results, plan))["report/index.html"].decode()
    assert found == f"<script>{embedded({'items': ['Withheld'] * len(texts)})}</script>"


@pytest.mark.parametrize("licence", ["CC0-1.0", "The terms of the source apply."])
def test_open_questions_are_in_the_bundle_where_their_licence_allows_it(
    results: Path, tmp_path: Path, licence: str
) -> None:
    facts = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    asked = {"wish": "What do you wish for?"}
    facts["judge"] = {"licence": licence, "texts": asked, "prompts": {"aligned": "Judge {answer}"}}
    (results / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")
    (results / "report/index.html").write_text(f"<script>{embedded(asked)}</script>", "utf-8")
    found = contents(pack(results, plan_of(tmp_path, "CC0-1.0")))
    shown = found["report/index.html"].decode()
    given = json.loads(found["provenance.json"])["judge"]
    if licence == "CC0-1.0":
        assert shown == f"<script>{embedded(asked)}</script>"
        assert given == facts["judge"]
    else:
        assert shown == f"<script>{embedded({'wish': 'Withheld'})}</script>"
        assert given["texts"] == given["prompts"] == WITHHELD
        assert b"What do you wish for?" not in b"".join(found.values())
    assert "tables/personas.csv" in found


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        assert all(name.startswith("mine.bundle/") for name in names)
        assert names == sorted(names)
        return {name.removeprefix("mine.bundle/"): packed.read(name) for name in names}


def test_equal_studies_give_equal_bytes(results: Path, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "CC0-1.0")
    first = pack(results, plan, "one.zip").read_bytes()
    for path in results.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o755)
    assert pack(results, plan, "two.zip").read_bytes() == first


def test_checksums_and_descriptor_cover_every_file(results: Path, tmp_path: Path) -> None:
    found = contents(pack(results, plan_of(tmp_path, "CC-BY-4.0")))
    sums = dict(reversed(line.split("  ", 1)) for line in found["SHA256SUMS"].decode().splitlines())
    assert set(sums) == set(found) - {"SHA256SUMS"}
    for place, digest in sums.items():
        assert hashlib.sha256(found[place]).hexdigest() == digest, place
    package = json.loads(found["datapackage.json"])
    listed = {entry["path"]: entry for entry in package["resources"]}
    assert set(listed) == set(found) - {"SHA256SUMS", "datapackage.json"}
    assert len({entry["name"] for entry in listed.values()}) == len(listed)
    for place, entry in listed.items():
        assert entry["bytes"] == len(found[place])
        assert entry["hash"] == f"sha256:{sums[place]}"
    metrics = listed["tables/metrics.csv"]
    assert metrics["title"]
    fields = {field["name"]: field for field in metrics["schema"]["fields"]}
    header = found["tables/metrics.csv"].decode().splitlines()[0]
    assert list(fields) == header.split(",")
    types = {name: fields[name]["type"] for name in ("model", "R", "n_items", "simulated")}
    assert types == {"model": "string", "R": "number", "n_items": "integer", "simulated": "boolean"}
    assert all(field["description"] for field in fields.values())
    assert metrics["schema"]["primaryKey"] == ["model", "variant", "probe", "domain"]
    columns = listed["answers/m/base/roleplay.parquet"]["schema"]["fields"]
    assert {c["name"]: c["type"] for c in columns} == {
        "item_id": "integer", "rating": "integer", "probabilities": "array",
    }  # fmt: skip
    assert package["profile"] == "data-package"
    assert package["code"]["git_commit"].startswith("c0ffee")


def test_texts_with_free_licences_are_included(results: Path, tmp_path: Path) -> None:
    found = contents(pack(results, plan_of(tmp_path, "CC0-1.0")))
    assert found["personas/people.yaml"] == (tmp_path / "people.yaml").read_bytes()
    assert found["instruments/moral30.yaml"].startswith(b"name: moral30")
    assert found["tables/personas.csv"] == (results / "tables/personas.csv").read_bytes()
    assert found["report/index.html"] == (results / "report/index.html").read_bytes()
    assert json.loads(found["study.json"])["name"] == "mine"
    assert yaml.safe_load(found["mine-reanalysis.yaml"]) == {"title": "A study", "seed": 1}
    assert b"Simulated respondents answered" in found["README.md"]


@pytest.mark.parametrize(
    ("licence", "fetched"),
    [
        ("Not redistributed here. The terms of its authors apply.", "ab" * 32),
        ("CC0-1.0", "ab" * 32),  # fetched: a digest identifies the text
        ("All rights reserved", None),
        ("Mitigated by our lawyers", None),
    ],
)
def test_other_texts_appear_nowhere_in_the_bundle(
    results: Path, tmp_path: Path, licence: str, fetched: str | None
) -> None:
    found = contents(pack(results, plan_of(tmp_path, licence, fetched)))
    assert "personas/people.yaml" not in found
    assert "tables/personas.csv" not in found
    assert b"the page" in found["report/index.html"]
    assert b"Withheld" in found["report/index.html"]
    for place, content in found.items():
        assert b"keeper of" not in content, place
    package = json.loads(found["datapackage.json"])
    whole = (results / "tables/personas.csv").read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    assert package["left_out"] == [{"path": "tables/personas.csv", "hash": f"sha256:{digest}"}]
    people = next(entry for entry in package["sources"] if entry["name"] == "people")
    assert people["sha256"] == (
        fetched or hashlib.sha256((tmp_path / "people.yaml").read_bytes()).hexdigest()
    )
    assert people["source"] == "a place"
    letter = found["README.md"].decode()
    assert people["sha256"] in letter
    assert ("ask for the file" in letter) is (fetched is None)


def test_bundle_is_unpacked_once_and_returns_its_study_file(results: Path, tmp_path: Path) -> None:
    archive = pack(results, plan_of(tmp_path, "CC0-1.0"))
    plain = tmp_path / "people.yaml"
    assert study_file(plain, tmp_path) == plain
    study = study_file(archive, tmp_path / "unpacked")
    assert study.name == "mine-reanalysis.yaml"
    assert (study.parent / "tables/metrics.csv").read_text().startswith("model,variant")
    before = study.stat()
    assert study_file(archive, tmp_path / "unpacked") == study
    assert study.stat().st_mtime_ns == before.st_mtime_ns
    assert study_file(study.parent, tmp_path) == study
    assert len(list((tmp_path / "unpacked").iterdir())) == 1
    write_rows(results / "tables/metrics.csv", [{"model": "4", "R": 1, "simulated": "false"}])
    other = study_file(pack(results, plan_of(tmp_path, "CC0-1.0")), tmp_path / "unpacked")
    assert other.parent != study.parent


def test_damaged_bundle_is_refused(results: Path, tmp_path: Path) -> None:
    archive = pack(results, plan_of(tmp_path, "CC0-1.0"))
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be unpacked"):
        study_file(archive, tmp_path / "u")
    place = whole.index(b"PAR1") + 10  # inside the answers, which are stored as they are
    archive.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(UserError, match=r"cannot be unpacked.*roleplay"):
        study_file(archive, tmp_path / "u")
    assert list((tmp_path / "u").iterdir()) == []


def test_bundle_with_exchanged_files_is_refused(results: Path, tmp_path: Path) -> None:
    found = contents(pack(results, plan_of(tmp_path, "CC0-1.0")))
    found["tables/metrics.csv"] += b"6,1,,30,false\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for place, content in found.items():
            archive.writestr(f"mine.bundle/{place}", content)
    path = tmp_path / "forged.zip"
    path.write_bytes(packed.getvalue())
    with pytest.raises(UserError, match=r"tables/metrics\.csv is not what SHA256SUMS says"):
        study_file(path, tmp_path / "u")


def test_other_folders_and_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no bundle: it has no files \*-reanalysis\.yaml"):
        study_file(tmp_path, tmp_path)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/b", "")
        archive.writestr("../c", "")
    with pytest.raises(UserError, match="is no bundle"):
        study_file(tmp_path / "x.zip", tmp_path)
    with pytest.raises(UserError, match="there is no such file"):
        find_study("nothing.bundle.zip")


def test_reanalysis_reads_the_verdicts_of_the_bundle() -> None:
    again = bundle_of(Layout(load_study(find_study("demo"))))["reanalysis"]
    assert again["misalignment"] == {"recorded": "${study_folder}/judged"}
