"""Read small CSV files as texts, and refuse what cannot be read."""

import csv
from collections.abc import Sequence
from pathlib import Path

from persona_collapse.common.errors import UserError, missing_column


def read_csv(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the needed columns of every row, empty fields as "", and the ``line`` where it ends.

    Raises ``UserError`` for a file that cannot be read, and for a missing column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            found = reader.fieldnames or ()
            for name in needed:
                if name not in found:
                    raise UserError(f"{path}: {missing_column(name, found, needed)}")
            return [
                {**{name: row[name] or "" for name in needed}, "line": str(reader.line_num)}
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise UserError(f"{path}: cannot be read: {fault}") from None
