"""CSV rows by Polars' parser and by ``csv``: the same records, or the same message."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.layouts import tables

FIELDS = st.one_of(
    st.sampled_from(["", " ", "1", "2.50", "NA", "null", "#", "'", "a\\b", "é", "\x00", "\u2028"]),
    st.text(st.characters(codec="utf-8", exclude_characters='",\n\r'), max_size=4),
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", "\r"])
ROWS = st.one_of(st.lists(FIELDS, min_size=2, max_size=2), st.lists(FIELDS, max_size=4))
QUOTED = st.sampled_from(['"a,b",c', '"a\nb",c', '"a""b",c', 'a"b,c', '"a"b,c', '"a,b'])


def result(path: Path) -> object:
    try:
        return tables.read_tables([path]).frame.rows()
    except UserError as fault:
        return str(fault)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(
        st.tuples(st.one_of(ROWS.map(",".join), ROWS.map(",".join), QUOTED), ENDS), max_size=8
    ),
    block=st.sampled_from([1, 7, 40, 1 << 24]),
)
def test_csv_is_read_the_same_by_both_parsers(
    rows: list[tuple[str, str]], block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("persona,item\n" + "".join(map("".join, rows)), encoding="utf-8", newline="")
    with monkeypatch.context() as patch:
        patch.setattr(tables, "BLOCK", block)
        found = result(path)
        patch.setattr(tables, "_plain_rows", lambda *_: None)
        assert found == result(path)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_without_quotes_are_read_by_polars_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, text = tmp_path / name, "".join(f"{n},{n % 7},\r\n" for n in range(1000))
    content = f"persona,item,response\r\n{text}".encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    monkeypatch.setattr(tables, "BLOCK", 500)
    monkeypatch.setattr(tables, "islice", lambda *_: [])  # the other parser gives nothing
    records = tables.read_tables([path])
    assert records.frame.rows() == [(n + 2, str(n), str(n % 7), "", 0) for n in range(1000)]


def test_file_that_begins_to_quote_is_read_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{n},{n}\n" for n in range(50)] + ['50,"two\nlines"\n'] + ["51,51\n"]
    path.write_text("persona,response\n" + "".join(rows))
    monkeypatch.setattr(tables, "BLOCK", 30)
    found = tables.read_tables([path]).frame["response"].to_list()
    assert found == [*map(str, range(50)), "two\nlines", "51"]
