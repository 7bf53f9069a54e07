"""The descriptor of a bundle's files: ``datapackage.json``, a Frictionless Data Package v1.

https://specs.frictionlessdata.io/data-package/
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.tables import contract

MEDIA = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tex": "application/x-tex",
    "yaml": "application/yaml",
}


@dataclass(frozen=True)
class File:
    """One file of a bundle: its path there, and a file on disk or the bytes themselves."""

    place: str
    content: Path | bytes
    size: int
    sha256: str


def descriptor(
    name: str, title: str, files: Iterable[File], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the descriptor of some files; ``facts`` are further properties of the package."""
    return {
        "profile": "data-package",
        "name": _name(name),
        "title": title,
        **facts,
        "resources": [_resource(file) for file in files],
    }


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower())


def _resource(file: File) -> dict[str, Any]:
    form = file.place.rpartition(".")[2]
    resource: dict[str, Any] = {
        "profile": "tabular-data-resource" if form == "csv" else "data-resource",
        "name": _name(file.place),
        "path": file.place,
        "format": form,
        "mediatype": MEDIA.get(form, "application/octet-stream"),
        "bytes": file.size,
        "hash": f"sha256:{file.sha256}",
    }
    if form == "csv":
        table = contract(Path(file.place).stem)
        resource["title"] = table.title
        resource["encoding"] = "utf-8"
        resource["schema"] = {
            "fields": [
                {"name": name, "type": column.type, "description": column.meaning}
                for name, column in table.columns.items()
            ],
            "primaryKey": list(table.keys),
            "missingValues": [""],
        }
    elif form == "parquet":
        schema = pl.read_parquet_schema(file.content)
        fields = [{"name": name, "type": _type(kind)} for name, kind in schema.items()]
        resource["schema"] = {"fields": fields}
    return resource


def _type(kind: pl.DataType) -> str:
    """Return the Table Schema type of a column's type."""
    if kind.is_integer():
        return "integer"
    if kind.is_float():
        return "number"
    if isinstance(kind, pl.List):
        return "array"
    return "boolean" if isinstance(kind, pl.Boolean) else "string"
