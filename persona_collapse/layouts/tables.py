"""Read tables of records from CSV, TSV, JSON, JSON Lines and Parquet, each also as ``.gz``."""

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import polars as pl

from persona_collapse.common.errors import UserError

FILE, ROW = "\tfile", "\trow"  # of a record: its file's place in ``Records.paths``, its number
CHUNK = 50_000  # records
BLOCK = 1 << 24  # characters
FORMATS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
SEPARATORS = ",;\t|"
# First bytes of files that are no text, and what to do.
PACKED = {
    b"\x1f\x8b": "compressed by gzip; let its name end in .gz",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; save its table as CSV",
    b"PAR1": "a Parquet file; let its name end in .parquet",
}
BLANK = ""  # the header of an index column, which pandas and R write without a name
INDEX = "Unnamed: 0"


def format_of(path: Path) -> str:
    """Return the suffix that says how a file is read, ``.gz`` left out; "" where there is none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:]
    return kind[0] if kind and kind[0] in FORMATS else ""


@dataclass(frozen=True)
class Records:
    """Records of one or several files, in order.

    ``frame`` has the columns of all files, ``FILE`` and ``ROW``; fields of CSV are texts.
    ``columns`` are those of each file; ``decimal_comma``: no comma separates fields.
    """

    frame: pl.DataFrame
    paths: tuple[Path, ...]
    columns: tuple[tuple[str, ...], ...]
    decimal_comma: bool = False

    def place(self, file: int, row: int) -> str:
        """Return a record's file and row, for messages."""
        return f"{self.paths[file]}, row {row}"


def read_tables(paths: Sequence[Path]) -> Records:
    """Read files of one layout; the suffix says how each is read."""
    frames, columns, comma = [], [], False
    for place, path in enumerate(paths):
        frame, other_separator = _read(path)
        comma |= other_separator
        columns.append(tuple(name for name in frame.columns if name != ROW))
        frames.append(frame.with_columns(pl.lit(place, pl.UInt32).alias(FILE)))
    try:
        whole = pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError:  # a column of numbers in one file and of texts in another
        whole = pl.concat([_as_texts(frame) for frame in frames], how="diagonal_relaxed")
    return Records(whole, tuple(paths), tuple(columns), comma)


def _as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    kept = (FILE, ROW)
    return frame.with_columns(texts(frame[n]).alias(n) for n in frame.columns if n not in kept)


def texts(column: pl.Series) -> pl.Series:
    """Return a column as texts: 3.0 is "3", NaN is null, truth is "true" or "false"."""
    if column.dtype == pl.String:
        return column
    if column.dtype.is_float():
        exact = column.cast(pl.Float64).fill_nan(None)
        whole = exact.cast(pl.Int64, strict=False)
        is_whole = (whole.cast(pl.Float64) == exact).fill_null(False)
        return pl.select(
            pl.when(is_whole).then(whole.cast(pl.String)).otherwise(exact.cast(pl.String))
        ).to_series()
    if column.dtype.is_nested():
        return pl.Series([None if v is None else json.dumps(v) for v in column.to_list()])
    return column.cast(pl.String)


def _read(path: Path) -> tuple[pl.DataFrame, bool]:
    """Return the records of one file, and whether another sign than commas separates fields."""
    kind = format_of(path)
    readers: Mapping[str, Any] = {
        ".csv": _csv,
        ".tsv": _csv,
        ".json": _json,
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".parquet": _parquet,
    }
    reader = readers.get(kind)
    if reader is None:
        raise UserError(
            f"{path}: its name ends in none of .csv, .tsv, .json, .jsonl and .parquet (each also "
            "with .gz), so the format is unknown; rename or convert the file"
        )
    try:
        with _opened(path) as file:
            frame, other_separator = reader(file, path, kind)
    except (OSError, EOFError, zlib.error) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise UserError(f"{path}: cannot be read: {reason}") from None
    if frame.is_empty():
        raise UserError(f"{path}: has no answers")
    return frame, other_separator


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _text(file: IO[bytes], path: Path) -> io.TextIOWrapper:
    """Return a file as text: UTF-8, or UTF-16 with its mark."""
    head = file.read(4)
    file.seek(0)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return io.TextIOWrapper(file, encoding="utf-16", newline="")
    for mark, what in PACKED.items():
        if head.startswith(mark):
            raise UserError(f"{path}: is {what}")
    if b"\0" in head:
        raise UserError(f"{path}: seems to be UTF-16 without a mark; save the file as UTF-8")
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


def _not_utf8(path: Path) -> UserError:
    """Return the fault of a file that is not UTF-8, with the line."""
    with _opened(path) as file:
        good = 0
        for line in file:
            try:
                line.decode()
            except UnicodeDecodeError:
                break
            good += 1
    return UserError(f"{path}, line {good + 1}: is not UTF-8; save the file as UTF-8")


def _csv(file: IO[bytes], path: Path, kind: str) -> tuple[pl.DataFrame, bool]:
    """Read a CSV with a header; blank lines and columns without a name are passed over.

    Quoting is that of RFC 4180. The separator is the most frequent of comma, semicolon, tab and |
    in the header, or what a first line such as ``sep=;`` says.
    """
    csv.field_size_limit(sys.maxsize)
    try:
        return _csv_records(_text(file, path), path, "\t" if kind == ".tsv" else None)
    except UnicodeDecodeError:
        raise _not_utf8(path) from None


def _csv_records(
    text: io.TextIOWrapper, path: Path, separator: str | None
) -> tuple[pl.DataFrame, bool]:
    lines = _Lines(text)
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise UserError(f"{path}: is empty; expected a header and one row per answer")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        separator, first = first[4], next(lines, "")
    if separator is None:
        bare = '"'.join(first.split('"')[::2])  # without what is in quotes
        separator = max(SEPARATORS, key=bare.count)
    frames: list[pl.DataFrame] = []
    number = 1  # the header is row 1
    chunk: list[list[str]] = []
    reader = csv.reader(chain([first], lines), strict=True, delimiter=separator)
    try:
        header = [name.strip() for name in next(reader)]
        kept = _named(header, path)
        names = {str(place): header[place] for place in kept}
        while block := lines.block():
            rows = _plain_rows(block, len(header), separator)
            if rows is None:
                lines.give_back(block)
                break
            frames.append(rows.select(list(names)).rename(names).with_row_index(ROW, number + 1))
            number += rows.height
        while True:
            chunk.extend(islice(reader, CHUNK))  # keeps what came before a fault
            if not chunk:
                break
            records, chunk = list(filter(any, chunk)), []
            _refuse_ragged(records, header, number + 1, reader, path)
            fields = list(zip(*records, strict=True)) or [()] * len(header)
            columns = {header[place]: fields[place] for place in kept}
            frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
            frames.append(frame.with_row_index(ROW, number + 1))
            number += len(records)
    except csv.Error as fault:
        row = number + sum(map(any, chunk)) + 1  # blank ones do not count
        raise UserError(
            f"{path}, row {row}: broken quoting ({fault}); the file may have been cut off"
        ) from None
    if number == 1:
        raise UserError(f"{path}: has a header but no answers")
    if not lines.last.endswith(("\n", "\r")):
        raise UserError(
            f"{path}, row {number}: the last row has no line break, so it may have been "
            "cut off; fetch the file again, or end it with a line break if it is complete"
        )
    return pl.concat(frames, rechunk=True), separator != ","


def _refuse_ragged(
    records: Sequence[Sequence[str]],
    header: Sequence[str],
    first: int,
    reader: Iterator[list[str]],
    path: Path,
) -> None:
    if {len(header)}.issuperset(map(len, records)):
        return
    place = next(at for at, record in enumerate(records) if len(record) != len(header))
    last = place == len(records) - 1 and next(reader, None) is None
    raise UserError(
        f"{path}, row {first + place}: {len(records[place])} fields where the header has "
        f"{len(header)}{'; the file may have been cut off' if last else ''}"
    )


class _Lines(Iterator[str]):
    """The lines of a text, read in blocks of whole lines; ``last`` is the end of what was read."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._waiting, self.last = text, io.StringIO(), ""

    def __next__(self) -> str:
        line = next(self._waiting, "")
        if not line:
            self._waiting = io.StringIO(self._read(), newline="")
            line = next(self._waiting)
        return line

    def block(self) -> str:
        """Return the lines that were read and not yet given, or the next ones; "" at the end."""
        return self._waiting.read() or self._read()

    def give_back(self, block: str) -> None:
        """Let ``block`` come next, line by line."""
        self._waiting = io.StringIO(block, newline="")

    def _read(self) -> str:
        block = self._text.read(BLOCK)
        block += self._text.readline()
        self.last = block[-1:] or self.last
        return block


def _plain_rows(block: str, width: int, separator: str) -> pl.DataFrame | None:
    """Return the rows of lines without quotes by Polars' parser, which is much faster.

    None where the lines need the rules of ``csv``, or may break them.
    """
    ends = block.count("\n")
    if len(separator.encode()) > 1 or '"' in block:
        return None
    if block.count("\r") not in (0, block.count("\r\n")) or not block.endswith("\n"):
        return None
    if block.startswith(("\n", "\r")) or "\n\n" in block or "\n\r" in block:
        return None
    try:
        rows = pl.read_csv(
            block.encode(),
            has_header=False,
            new_columns=[str(place) for place in range(width)],
            separator=separator,
            quote_char=None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        return None
    if rows.shape != (ends, width) or block.count(separator) != ends * (width - 1):
        return None  # rows of other lengths
    return rows.fill_null("").filter(pl.any_horizontal(pl.all() != ""))


def _named(header: Sequence[str], path: Path) -> list[int]:
    """Return the places of columns that have a name; refuse a name that occurs twice."""
    kept = [place for place, name in enumerate(header) if name not in (BLANK, INDEX)]
    names = [header[place] for place in kept]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise UserError(f"{path}, row 1: the column {name!r} occurs twice; rename one")
    return kept


def _parquet(file: IO[bytes], path: Path, kind: str) -> tuple[pl.DataFrame, bool]:
    try:
        frame = pl.read_parquet(io.BytesIO(file.read()))
    except (OSError, pl.exceptions.PolarsError) as fault:
        reason = str(fault).splitlines()[0]
        raise UserError(f"{path}: cannot be read as Parquet: {reason}") from None
    kept = [name for name in frame.columns if name not in (BLANK, "__index_level_0__")]
    frame = frame.select(kept)
    while structs := [name for name in frame.columns if frame[name].dtype == pl.Struct]:
        for name in structs:
            parts = frame[name].struct.unnest()
            named = parts.rename({part: f"{name}.{part}" for part in parts.columns})
            frame = frame.drop(name).hstack(named)
    return frame.with_row_index(ROW, 1), False


def _json(file: IO[bytes], path: Path, kind: str) -> tuple[pl.DataFrame, bool]:
    """Read a JSON document: records, one record, a record that holds one list, or columns.

    A file of several documents is read as JSON Lines.
    """
    try:
        document = json.load(_text(file, path))
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except ValueError as fault:
        if str(fault).startswith("Extra data"):
            file.seek(0)
            return _jsonl(file, path, kind)
        raise UserError(f"{path}: is not valid JSON ({fault}); it may have been cut off") from None
    if isinstance(document, dict) and (columns := _columns(document)) is not None:
        rows = zip(*columns.values(), strict=True)
        document = [dict(zip(columns, row, strict=True)) for row in rows]
    if isinstance(document, dict):
        lists = [v for v in document.values() if _is_records(v)]
        document = lists[0] if len(lists) == 1 else [document]
    if not _is_records(document):
        raise UserError(f"{path}: expected a list of records with keys, or one such record")
    return _records(document), False


def _columns(document: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """Return the columns of a table as pandas writes it (orient columns, list or split)."""
    if {"columns", "data"} <= document.keys() <= {"columns", "data", "index"}:
        names, rows = document["columns"], document["data"]
        lists = isinstance(names, list) and isinstance(rows, list) and bool(rows)
        if lists and all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return {str(name): [row[place] for row in rows] for place, name in enumerate(names)}
        return None
    columns = list(document.values())
    if len(columns) > 1 and all(isinstance(column, dict) and column for column in columns):
        index = [str(place) for place in range(len(columns[0]))]
        if all(list(column) == index for column in columns):
            return {name: list(column.values()) for name, column in document.items()}
    if len(columns) > 1 and all(isinstance(column, list) for column in columns):
        is_table = len({len(column) for column in columns}) == 1 and not _is_records(columns[0])
        return dict(document) if is_table else None
    return None


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _jsonl(file: IO[bytes], path: Path, kind: str) -> tuple[pl.DataFrame, bool]:
    """Read one JSON record per line; blank lines are passed over."""
    frames: list[pl.DataFrame] = []
    records: list[dict[str, Any]] = []
    try:
        for number, line in enumerate(_text(file, path), start=1):
            if not line.strip():
                continue
            record = json.loads(line)
            if not isinstance(record, dict):
                raise UserError(f"{path}, row {number}: expected a record with keys")
            records.append(record)
            if len(records) == CHUNK:
                frames.append(_records(records))
                records = []
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except ValueError as fault:
        raise UserError(
            f"{path}, row {number}: is not valid JSON ({fault}); the file may have been cut off"
        ) from None
    frames += [_records(records)] if records else []
    if not frames:
        raise UserError(f"{path}: is empty; expected one record per line")
    try:
        whole = pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError:
        whole = pl.concat([_as_texts(frame) for frame in frames], how="diagonal_relaxed")
    return whole.drop(ROW).with_row_index(ROW, 1), False


def _records(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return records as a frame; nested keys are joined by dots."""
    flat = [dict(_flat(record)) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    columns = [_column(name, [record.get(name) for record in flat]) for name in names]
    return pl.DataFrame(columns).with_row_index(ROW, 1)


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    """Return values as numbers where all are, else as texts."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} and kinds:
        kind = pl.Int64() if kinds == {int} else pl.Float64()
        try:
            return pl.Series(name, values, dtype=kind, strict=False)
        except (OverflowError, pl.exceptions.PolarsError):
            pass
    shown = [
        value if value is None or isinstance(value, str) else _shown(value) for value in values
    ]
    return pl.Series(name, shown, dtype=pl.String)


def _shown(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else json.dumps(value, ensure_ascii=False)
