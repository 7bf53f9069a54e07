"""Write a bundle: one archive of a finished study, without texts that may not be redistributed.

Names, sources and digests replace those texts. Equal studies give equal bytes.
"""

import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from persona_collapse.common.embedding import embedded
from persona_collapse.common.hashing import file_sha256, sha256
from persona_collapse.common.log import LOG
from persona_collapse.common.yaml import read_yaml
from persona_collapse.handover.bundle import AGAIN
from persona_collapse.handover.datapackage import File, descriptor
from persona_collapse.handover.unpack import SUMS
from persona_collapse.materials.sources import FOLDERS
from persona_collapse.tables import contract, read
from persona_collapse.tables.contracts.quality import TABLE as QUALITY

# Licences that allow redistribution, as files name them.
_OPEN = re.compile(r"\s*(CC0|CC[- ]BY|public domain|MIT|BSD|Apache|ODC|PDDL|Unlicense)\b", re.I)
WITHHELD = "withheld: their licence does not allow redistribution"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a ZIP archive
_STORED = (".parquet", ".png", ".pdf")  # already compressed
_README = """\
# {title}
{simulated}
A finished study, packed by persona-collapse {version}{commit}.

| file | content |
|---|---|
| `{name}.yaml` | study file that recomputes every table from the answers below |
| `study.json` | the study file with its defaults |
| `answers/<model>/<variant>/<probe>.parquet` | all answers, enough to recompute every table |
| `judged/` | replies to open questions and the judge's verdicts, where the study has them |
| `moments/` | mean, SD and counts per persona and item |
| `tables/`, `figures/`, `report/index.html` | results; the page needs nothing else |
| `instruments/`, `personas/` | the texts that were asked, if they may be redistributed |
| `provenance.json` | code, versions, and the sha256 of every input file |
| `datapackage.json` | every file with size, sha256 and columns (Frictionless Data Package) |
| `SHA256SUMS` | `sha256sum -c SHA256SUMS` checks every file |

## Analyse it again

In a checkout of persona-collapse{checkout}:

    snakemake --cores all --config study=PATH/{bundle}.zip

or, unpacked, `study=PATH/{bundle}`. Results go to `results/{name}/`; no model is asked. With the
same code, library versions and `resources/benchmarks/`, the CSV tables are equal byte for byte:

    diff -r PATH/{bundle}/tables results/{name}/tables

## Texts and their licences

{texts}

The column `response` in `answers/` and `judged/`, and the page's reader of replies, hold the
models' own words, or those of the recorded files. Check that you may redistribute them before you
pass this archive on.
"""


def write_bundle(
    plan: Mapping[str, Any], results: Path, files: Sequence[Path], output: Path
) -> None:
    """Write the archive of a finished study.

    ``plan`` is the result of ``bundle.bundle_of``. ``files``, with ``provenance.json``, are below
    the study's folder ``results`` and keep their relative paths. Instruments and persona sets are
    included where their licence allows it. Tables that quote the descriptions of other sets are
    left out; the page has them replaced, and the open questions likewise.
    """
    resources = [_resource(entry) for entry in plan["resources"]]
    secret = [text for entry in resources if not entry["included"] for text in entry["texts"]]
    content: dict[str, Path | bytes] = {p.relative_to(results).as_posix(): p for p in files}
    provenance = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    judge, questions = provenance.get("judge"), []
    if judge and not _OPEN.match(judge["licence"]):
        questions = list(judge["texts"].values())
        judge["texts"] = judge["prompts"] = WITHHELD
        content["provenance.json"] = _json(provenance)
    left_out = _left_out(content) if secret else []
    for place in [place for place in content if place.endswith(".html")]:
        page = (results / place).read_text(encoding="utf-8")
        content[place] = page_without(page, [*secret, *questions]).encode()
    for entry in resources:
        if entry["included"]:
            content[f"{FOLDERS[entry['kind']]}/{entry['name']}.yaml"] = Path(entry["path"])
        else:
            licence = entry["licence"].strip()
            LOG.info("%s: texts are left out of the bundle: %s", entry["name"], licence)
    document = yaml.safe_dump(plan["reanalysis"], sort_keys=False, allow_unicode=True)
    content[f"{plan['name']}{AGAIN}.yaml"] = document.encode()
    content["study.json"] = _json(provenance["study"])
    simulated = bool(read(QUALITY, results / "tables" / "quality.csv")["simulated"].any())
    text = readme(plan, provenance, resources, left_out, simulated=simulated)
    content["README.md"] = text.encode()
    stored = [_file(place, what) for place, what in sorted(content.items())]
    facts = {
        "sources": [
            {key: value for key, value in entry.items() if key not in ("path", "texts")}
            for entry in resources
        ],
        "code": provenance["code"],
        "left_out": left_out,
    }
    package = descriptor(plan["name"], plan["reanalysis"]["title"], stored, facts)
    stored.append(_file("datapackage.json", _json(package)))
    sums = "".join(f"{file.sha256}  {file.place}\n" for file in stored)
    stored.append(_file(SUMS, sums.encode()))
    _pack(f"{plan['name']}.bundle", sorted(stored, key=lambda file: file.place), output)


def _left_out(content: dict[str, Path | bytes]) -> list[dict[str, str]]:
    """Remove the tables that quote descriptions; return which."""
    left_out = []
    for place, path in sorted(content.items()):
        if place.endswith(".csv") and "description" in contract(Path(place).stem).columns:
            assert isinstance(path, Path)
            left_out.append({"path": place, "hash": f"sha256:{file_sha256(path)}"})
            del content[place]
    return left_out


def page_without(page: str, secret: Sequence[str]) -> str:
    """Return the report page with texts of its explorer and reader replaced by ``Withheld``."""
    for text in secret:
        page = page.replace(embedded(text), embedded("Withheld"))
    return page


def readme(
    plan: Mapping[str, Any],
    provenance: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    left_out: Sequence[Mapping[str, str]],
    *,
    simulated: bool,
) -> str:
    """Return the archive's README: what is in it, and how to analyse it again."""
    commit = provenance["code"].get("git_commit")
    texts = [_text_line(entry) for entry in resources]
    texts += [
        f"- `{entry['path']}` quotes descriptions that are left out, so it is left out too; the "
        f"reanalysis writes it ({entry['hash']})."
        for entry in left_out
    ]
    return _README.format(
        title=plan["reanalysis"]["title"],
        version=provenance["code"]["persona_collapse"],
        commit=f", commit {commit}" if commit else "",
        checkout=f" at {commit[:12]}" if commit else "",
        simulated="\n**Simulated respondents answered; no model was asked.**\n"
        if simulated
        else "",
        name=f"{plan['name']}{AGAIN}",
        bundle=f"{plan['name']}.bundle",
        texts="\n".join(texts),
    )


def _text_line(entry: Mapping[str, Any]) -> str:
    kind = "instrument" if entry["kind"] == "instrument" else "persona set"
    folder = FOLDERS[entry["kind"]]
    if entry["included"]:
        where = f"`{folder}/{entry['name']}.yaml`, licence: {entry['licence'].strip()}"
    elif entry["fetched"]:
        where = "not in here; the workflow fetches it from its public source and checks it"
    else:
        where = (
            f"not in here (licence: {entry['licence'].strip()}); ask for the file and put it at "
            f"`{folder}/{entry['name']}.yaml` in the unpacked folder"
        )
    source = " ".join(entry["source"].split())
    return f"- {kind} `{entry['name']}`: {where}. Source: {source} sha256: {entry['sha256']}"


def _resource(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts about an instrument or persona set, and its texts."""
    path = Path(entry["path"])
    document = read_yaml(path)
    return {
        "kind": entry["kind"],
        "name": entry["name"],
        "title": document["title"],
        "licence": document["licence"],
        "source": document["source"],
        "path": entry["path"],
        "sha256": entry["fetched"] or file_sha256(path),
        "fetched": entry["fetched"] is not None,
        "included": entry["fetched"] is None and bool(_OPEN.match(document["licence"])),
        "texts": document.get("personas") or _wording(document),
    }


def _wording(instrument: Mapping[str, Any]) -> list[str]:
    """Return the items and prompts of an instrument's document."""
    prompts = instrument["prompts"]
    items = [item["text"] for item in instrument["items"]]
    return [*items, *prompts["sections"].values(), prompts["persona"]]


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _file(place: str, content: Path | bytes) -> File:
    if isinstance(content, Path):
        return File(place, content, content.stat().st_size, file_sha256(content))
    return File(place, content, len(content), sha256(content))


def _pack(top: str, files: Iterable[File], output: Path) -> None:
    """Write an archive whose bytes depend on names and contents alone."""
    with zipfile.ZipFile(output, "w") as packed:
        for file in files:
            entry = zipfile.ZipInfo(f"{top}/{file.place}", _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Unix, anywhere
            stored = file.place.endswith(_STORED)
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            entry.file_size = file.size  # lets a file beyond 2 GB have the fields that it needs
            with packed.open(entry, "w") as into:
                if isinstance(file.content, bytes):
                    into.write(file.content)
                else:
                    with file.content.open("rb") as source:
                        shutil.copyfileobj(source, into, 1 << 20)
