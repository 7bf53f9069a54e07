"""What a bundle says of its files: a Frictionless Data Package v1 descriptor, ``datapackage.json``.

https://specs.frictionlessdata.io/data-package/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

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
# Columns of names, which a table of models called 1 and 2 must not turn into numbers.
NAMES = ("model", "variant", "probe", "foundation", "contrast", "metric", "measure", "reference")


@dataclass(frozen=True)
class File:
    """One file of a bundle: its place in it, and a file on disk or the bytes themselves."""

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
    found: dict[str, Any] = {
        "profile": "tabular-data-resource" if form == "csv" else "data-resource",
        "name": _name(file.place),
        "path": file.place,
        "format": form,
        "mediatype": MEDIA.get(form, "application/octet-stream"),
        "bytes": file.size,
        "hash": f"sha256:{file.sha256}",
    }
    if form == "csv":
        found["encoding"] = "utf-8"
        found["schema"] = {"fields": _csv_fields(file.content), "missingValues": [""]}
    elif form == "parquet":
        found["schema"] = {"fields": _parquet_fields(file.content)}
    return found


def _csv_fields(content: Path | bytes) -> list[dict[str, str]]:
    import polars as pl

    try:
        table = pl.read_csv(content, infer_schema=False)
    except pl.exceptions.NoDataError:  # a table without a row and without columns
        return []
    return [{"name": column.name, "type": _column_type(column)} for column in table.iter_columns()]


def _column_type(column: pl.Series) -> str:
    """Return the type that every text of a column can be read as."""
    import polars as pl

    texts = column.drop_nulls()
    if column.name in NAMES:
        return "string"
    if texts.is_empty():
        return "any"  # a column without a value tells nothing of its type
    if texts.is_in(["true", "false"]).all():
        return "boolean"
    for kind, name in ((pl.Int64, "integer"), (pl.Float64, "number")):
        if texts.cast(kind, strict=False).null_count() == 0:
            return name
    return "string"


def _parquet_fields(content: Path | bytes) -> list[dict[str, str]]:
    import polars as pl

    schema = pl.read_parquet_schema(content)
    return [{"name": name, "type": _type(kind)} for name, kind in schema.items()]


def _type(kind: pl.DataType) -> str:
    """Return the Table Schema type of a column's type."""
    import polars as pl

    if kind.is_integer():
        return "integer"
    if kind.is_float():
        return "number"
    if isinstance(kind, pl.List):
        return "array"
    return "boolean" if isinstance(kind, pl.Boolean) else "string"
