"""Convert fetched files to the project's YAML form, reproducibly."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.common.faults import check, mark_checked
from persona_collapse.common.files import write_atomically
from persona_collapse.common.hashing import digest
from persona_collapse.materials.catalogue import External, find_external
from persona_collapse.materials.extract import Source, first_questions
from persona_collapse.materials.fetch import obtain
from persona_collapse.materials.sources import DECLARED, FOLDERS

Content = dict[str, Any]

COUNTED = {"instrument": "items", "personas": "personas", "questions": "questions"}


def external(
    name: str,
    catalogue: Path,
    output: Path,
    cache: Path,
    mirror: Path | None,
    confirmed: str | None = None,
) -> None:
    """Fetch, check and convert one resource of a catalogue into the YAML file ``output``.

    ``cache`` keeps fetched files; ``mirror`` is a folder to read instead of the network. It may
    hold the source files, or all of the resource's extracted files. ``confirmed`` is the git blob
    id of another version of the source file that the user accepts. Raises ``UserError``.
    """
    resource = replace(find_external(catalogue, name), version=confirmed)
    folder = FOLDERS[resource.kind]
    if output.parent.name != folder:
        raise UserError(f"{output}: {name} is of the kind {resource.kind}; ask for it in {folder}/")
    content = read_content(resource, cache, mirror)
    document = convert(resource, content)
    check(document, DECLARED[resource.kind], f"{name} as converted")
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    write_atomically(output, mark_checked(text, str(catalogue)).encode())


def read_content(resource: External, cache: Path, mirror: Path | None) -> Content:
    """Return a resource's literals, from its sources or extracted files, checked by their digest.

    An instrument gives ``items`` ([section, domain, text], in order) and ``prompts`` (one per
    section with ``{item}``, and ``persona``); a persona set gives ``personas``; questions give
    ``questions`` (mappings) and ``judge`` (prompts).
    """
    if mirror is not None and not mirror.is_dir():
        raise UserError(f"resources.mirror: {mirror} is not a folder")
    if mirror is not None and _holds_extracted_only(resource, mirror):
        content = _extracted(resource, mirror)
    else:
        files = {
            name: obtain(file, cache, mirror) for name, file in resource.source_files().items()
        }
        content = _literals(resource, files)
    actual = digest(content)
    if not resource.version and actual != resource.content_sha256:
        raise UserError(
            f"{resource.name}: what was read has the digest {actual}, expected "
            f"{resource.content_sha256} (content_sha256 of the catalogue); "
            "a file of the mirror, or the catalogue's entry, was changed"
        )
    return content


def convert(resource: External, content: Content) -> dict[str, Any]:
    """Return the resource as a document of its kind (see ``sources.DECLARED``)."""
    count = len(content[COUNTED[resource.kind]])
    if count != resource.size:
        raise UserError(
            f"{resource.name}: holds {count}, the catalogue's size says {resource.size}"
        )
    head = {"name": resource.name, **resource.header}
    if resource.kind == "personas":
        return {**head, "personas": content["personas"]}
    if resource.kind == "questions":
        return {**head, "judge": content["judge"], "questions": content["questions"]}
    sections = {key: text for key, text in content["prompts"].items() if key != "persona"}
    items = [
        {"id": number, "section": section, "domain": domain, "text": text}
        for number, (section, domain, text) in enumerate(content["items"], start=1)
    ]
    prompts = {"persona": content["prompts"]["persona"], "sections": sections}
    return {**head, "prompts": prompts, "items": items}


def _literals(resource: External, files: dict[str, bytes]) -> Content:
    places = resource.literals
    if resource.kind == "instrument":
        sources = {name: Source(name, content) for name, content in files.items()}
        return {
            "items": [
                [section, domain, text]
                for section, place in (places.items or {}).items()
                for domain, text in sources[place.file].pairs(place.variable)
            ],
            "prompts": {
                key: sources[place.file].template(place.function, place.placeholders)
                for key, place in (places.prompts or {}).items()
            },
        }
    name = str(places.file)
    if resource.kind == "questions":
        return first_questions(name, files[name], resource.size, places.without)
    if places.variable is not None:
        texts = Source(name, files[name]).texts(places.variable)
    else:
        texts = _texts(name, files[name])
    indices = places.indices or range(resource.size)
    if max(indices) >= len(texts):
        raise UserError(f"{name}: holds {len(texts)} texts, index {max(indices)} is asked for")
    return {"personas": [texts[index] for index in indices]}


def _holds_extracted_only(resource: External, mirror: Path) -> bool:
    instead = (resource.extracted or {}).values()
    if not instead or all((mirror / name).is_file() for name in resource.files):
        return False
    if not all((mirror / name).is_file() for name in instead):
        raise UserError(
            f"{mirror}: the mirror (resources.mirror) has what {resource.name} needs in neither "
            f"form: it must hold {' and '.join(resource.files)}, or else "
            f"{' and '.join(instead)}"
        )
    return True


def _extracted(resource: External, mirror: Path) -> Content:
    files = {role: mirror / name for role, name in (resource.extracted or {}).items()}
    if resource.kind == "personas":
        return {"personas": _texts(str(files["personas"]), files["personas"].read_bytes())}
    prompts = _read_json(str(files["prompts"]), files["prompts"].read_bytes())
    places = resource.literals.prompts or {}
    if not isinstance(prompts, dict) or not all(
        isinstance(prompts.get(key), str) for key in places
    ):
        raise UserError(f"{files['prompts']}: expected a JSON object of texts: {', '.join(places)}")
    return {
        "items": _csv_items(files["items"], list(resource.literals.items or ())),
        "prompts": {
            key: _renamed(prompts[key], place.placeholders) for key, place in places.items()
        },
    }


def _renamed(template: str, placeholders: Mapping[str, str]) -> str:
    for parameter, name in placeholders.items():
        template = template.replace(f"{{{parameter}}}", f"{{{name}}}")
    return template


def _csv_items(path: Path, sections: list[str]) -> list[list[str]]:
    columns = ["item_id", "section", "foundation", "text"]
    rows = csv.DictReader(io.StringIO(_decoded(str(path), path.read_bytes()), newline=""))
    if rows.fieldnames != columns:
        raise UserError(f"{path}: expected the columns {', '.join(columns)}")
    items = []
    for number, row in enumerate(rows, start=1):
        if row["item_id"] != str(number) or row["section"] not in sections or not row["text"]:
            raise UserError(
                f"{path}, row {number + 1}: expected item_id {number}, a section "
                f"({', '.join(sections)}), a foundation and a text"
            )
        items.append([row["section"], row["foundation"], row["text"]])
    return items


def _texts(name: str, content: bytes) -> list[str]:
    texts = _read_json(name, content)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{name}: expected a JSON list of texts")
    return texts


def _read_json(name: str, content: bytes) -> Any:
    try:
        return json.loads(_decoded(name, content))
    except json.JSONDecodeError as fault:
        raise UserError(f"{name}, line {fault.lineno}: not valid JSON: {fault.msg}") from None


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise UserError(f"{name}: is not UTF-8 (byte {fault.start})") from None
