"""Reading small CSV files: what is taken as it is, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_collapse.common.csv import read_csv
from persona_collapse.common.errors import UserError


def test_rows_have_the_needed_columns_as_texts_and_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfmodel,S,x\r\na,1.0,2\r\n\r\n"b\nb",,\r\nc\r\n')
    assert read_csv(path, ["model", "S"]) == [
        {"model": "a", "S": "1.0", "line": "2"},
        {"model": "b\nb", "S": "", "line": "5"},
        {"model": "c", "S": "", "line": "6"},
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: .*No such file"),
        (b"model,S\n\xff,1\n", "cannot be read: .*utf-8"),
        (b'model,S\n"' + b"a" * 200_000, "cannot be read: field larger than field limit"),
        (b"model,s\na,1\n", "the column 'S' is missing; found: model, s$"),
        (b"", "the column 'model' is missing; found: $"),
    ],
)
def test_file_that_cannot_be_read_is_refused(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.csv: {words}"):
        read_csv(path, ["model", "S"])
