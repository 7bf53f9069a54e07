"""Writing a bundle: one archive of a finished study, without the texts that may not be passed on.

Names, sources and digests stand in for those texts. Equal studies give equal bytes.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from persona_collapse.common.embedding import embedded
from persona_collapse.common.hashing import file_sha256, sha256
from persona_collapse.common.yaml import read_yaml
from persona_collapse.handover.bundle import AGAIN, SUMS
from persona_collapse.handover.datapackage import File, descriptor
from persona_collapse.materials.sources import FOLDERS
from persona_collapse.tables import contract, read
from persona_collapse.tables.contracts.quality import TABLE as QUALITY

# Licences that let a copy be passed on, as files name them.
_OPEN = re.compile(r"\s*(CC0|CC[- ]BY|public domain|MIT|BSD|Apache|ODC|PDDL|Unlicense)\b", re.I)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP archive can tell
_STORED = (".parquet", ".png", ".pdf")  # compressed already
_README = """\
# {title}
{simulated}
A finished study, handed over by persona-collapse {version}{commit}.

| file | content |
|---|---|
| `{name}.yaml` | a study file that reads the answers below and computes every table again |
| `study.json` | the study as it was run, with its defaults |
| `answers/<model>/<variant>/<probe>.parquet` | all answers; they suffice to rebuild every table |
| `judged/` | replies to open questions and the judge's verdicts, where the study has them |
| `moments/` | mean, SD and counts per persona and item |
| `tables/`, `figures/`, `report/index.html` | results; the page needs nothing else |
| `instruments/`, `personas/` | the texts that were asked, as far as they may be passed on |
| `provenance.json` | code, versions, and the sha256 of every file the numbers stand on |
| `datapackage.json` | every file with its size, sha256 and columns (Frictionless Data Package) |
| `SHA256SUMS` | `sha256sum -c SHA256SUMS` finds a damaged file |

## Analyse it again

In a checkout of persona-collapse{checkout}:

    snakemake --cores all --config study=PATH/{bundle}.zip

or, unpacked, `study=PATH/{bundle}`. Results go to `results/{name}/`; no model is asked anything.
With the same code, library versions and `resources/benchmarks/`, the CSV tables are the same byte
for byte:

    diff -r PATH/{bundle}/tables results/{name}/tables

## Texts and their licences

{texts}

The answers in `answers/` (column `response`) are the words of the models that were asked, or of the
recorded files that were read. Whoever passes this archive on decides whether they may be.
"""


def write_bundle(
    given: Mapping[str, Any], results: Path, files: Sequence[Path], output: Path
) -> None:
    """Write the archive of a finished study.

    ``given`` is what ``bundle.bundle_of`` returned; ``files``, ``provenance.json`` among them, lie
    below the study's folder ``results`` and keep their places. Instruments and persona sets are
    carried where their licence allows it; what quotes the descriptions of others is left out
    (tables) or has them replaced (the page).
    """
    resources = [_resource(entry) for entry in given["resources"]]
    secret = [text for entry in resources if not entry["carried"] for text in entry["texts"]]
    content: dict[str, Path | bytes] = {p.relative_to(results).as_posix(): p for p in files}
    left_out = _withhold(content, secret) if secret else []
    for entry in resources:
        if entry["carried"]:
            content[f"{FOLDERS[entry['kind']]}/{entry['name']}.yaml"] = Path(entry["path"])
        else:
            told = f"{entry['name']}: its texts stay out of the bundle: {entry['licence'].strip()}"
            print(told, file=sys.stderr)
    provenance = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    judge = provenance.get("judge")
    if judge and not _OPEN.match(judge["licence"]):
        judge["prompts"] = "withheld: their licence does not let them be passed on"
        content["provenance.json"] = _json(provenance)
    document = yaml.safe_dump(given["reanalysis"], sort_keys=False, allow_unicode=True)
    content[f"{given['name']}{AGAIN}.yaml"] = document.encode()
    content["study.json"] = _json(provenance["study"])
    simulated = bool(read(QUALITY, results / "tables" / "quality.csv")["simulated"].any())
    letter = readme(given, provenance, resources, left_out, simulated=simulated)
    content["README.md"] = letter.encode()
    stored = [_file(place, what) for place, what in sorted(content.items())]
    facts = {
        "sources": [
            {key: value for key, value in entry.items() if key not in ("path", "texts")}
            for entry in resources
        ],
        "code": provenance["code"],
        "left_out": left_out,
    }
    package = descriptor(given["name"], given["reanalysis"]["title"], stored, facts)
    stored.append(_file("datapackage.json", _json(package)))
    sums = "".join(f"{file.sha256}  {file.place}\n" for file in stored)
    stored.append(_file(SUMS, sums.encode()))
    _pack(f"{given['name']}.bundle", sorted(stored, key=lambda file: file.place), output)


def _withhold(content: dict[str, Path | bytes], secret: Sequence[str]) -> list[dict[str, str]]:
    """Take texts that may not be passed on out of tables and page; return the tables left out."""
    left_out = []
    for place, path in sorted(content.items()):
        assert isinstance(path, Path)
        if place.endswith(".html"):
            page = path.read_text(encoding="utf-8")
            content[place] = page_without(page, secret).encode()
        elif place.endswith(".csv") and "description" in contract(Path(place).stem).columns:
            left_out.append({"path": place, "hash": f"sha256:{file_sha256(path)}"})
            del content[place]
    return left_out


def page_without(page: str, secret: Sequence[str]) -> str:
    """Return the report page with texts of its persona explorer replaced by ``Withheld``."""
    for text in secret:
        page = page.replace(embedded(text), embedded("Withheld"))
    return page


def readme(
    given: Mapping[str, Any],
    provenance: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    left_out: Sequence[Mapping[str, str]],
    *,
    simulated: bool,
) -> str:
    """Return what the archive tells a colleague: what is in it, and how to analyse it again."""
    commit = provenance["code"].get("git_commit")
    texts = [_text_line(entry) for entry in resources]
    texts += [
        f"- `{entry['path']}` quotes descriptions that stay out, so it is left out too; analysing "
        f"again writes it ({entry['hash']})."
        for entry in left_out
    ]
    return _README.format(
        title=given["reanalysis"]["title"],
        version=provenance["code"]["persona_collapse"],
        commit=f", commit {commit}" if commit else "",
        checkout=f" at {commit[:12]}" if commit else "",
        simulated="\n**Simulated respondents answered; no model was asked.**\n"
        if simulated
        else "",
        name=f"{given['name']}{AGAIN}",
        bundle=f"{given['name']}.bundle",
        texts="\n".join(texts),
    )


def _text_line(entry: Mapping[str, Any]) -> str:
    kind = "instrument" if entry["kind"] == "instrument" else "persona set"
    folder = FOLDERS[entry["kind"]]
    if entry["carried"]:
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
    """Return what is told of an instrument or persona set, and a persona set's texts."""
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
        "carried": entry["fetched"] is None and bool(_OPEN.match(document["licence"])),
        "texts": document.get("personas", []),
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _file(place: str, content: Path | bytes) -> File:
    if isinstance(content, Path):
        return File(place, content, content.stat().st_size, file_sha256(content))
    return File(place, content, len(content), sha256(content))


def _pack(top: str, files: Iterable[File], output: Path) -> None:
    """Write an archive that depends on names and contents alone."""
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
