"""The page of tables is written from the contracts."""

from __future__ import annotations

from persona_collapse.tables.document import PAGE, document
from persona_collapse.tables.index import all_tables


def test_page_of_tables_is_in_step_with_the_contracts() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(all_tables()), (
        "docs/tables.md is out of date; run: python -m persona_collapse.tables.document"
    )


def test_page_lists_every_column_with_its_type_and_meaning() -> None:
    page = document(all_tables())
    for name, table in all_tables().items():
        assert f"\n## {name}.csv\n" in page
        for key, column in table.columns.items():
            assert f"| `{key}` | {column.type} | {column.meaning} |" in page
