"""Write ``docs/tables.md`` from the contracts: ``python -m persona_collapse.tables.document``."""

from pathlib import Path

from persona_collapse.tables import CONDITIONS, Table
from persona_collapse.tables.index import all_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"
HEAD = """\
# Tables

<!-- Written by `python -m persona_collapse.tables.document`; edit the contracts instead. -->

A study writes its tables to `results/<study>/tables/` as CSV. Their columns are contracts: columns
may be added at the end, and none changes its meaning. Infinite values are written `inf`, undefined
ones are empty. `simulated` marks numbers that rest on simulated respondents, `mixed_backends`
models whose variants were answered by different kinds of servers.

`persona_collapse.tables.read` reads a table with these types:

```python
from pathlib import Path
from persona_collapse.tables import contract, read

metrics = read(contract("metrics"), Path("results/quick/tables/metrics.csv"))
```
"""


def document(tables: dict[str, Table]) -> str:
    """Return the page: the table of tables, then the columns of each."""
    parts = [HEAD, "| table | one row per | exists with |", "|---|---|---|"]
    for name, table in tables.items():
        needs = CONDITIONS[table.condition] if table.condition else "every study"
        parts.append(f"| [`{name}.csv`](#{name}csv) | {', '.join(table.keys)} | {needs} |")
    for name, table in tables.items():
        parts += ["", f"## {name}.csv", "", f"{table.title}. {table.note}".strip(), ""]
        parts += ["| column | type | meaning |", "|---|---|---|"]
        parts += [f"| `{key}` | {c.type} | {c.meaning} |" for key, c in table.columns.items()]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(document(all_tables()), encoding="utf-8")
