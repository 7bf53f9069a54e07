"""Every contract at once, for planning and documentation; no job imports this."""

from __future__ import annotations

from functools import cache
from pkgutil import iter_modules

from persona_collapse.tables import SECTIONS, Table, contract, contracts


@cache
def all_tables() -> dict[str, Table]:
    """Return all contracts by name, in the order of the page's sections, then by name.

    Raises:
        ValueError: a contract's module is not called as its table.
    """
    names = sorted(module.name for module in iter_modules(contracts.__path__))
    tables = {name: contract(name) for name in names}
    for name, table in tables.items():
        if table.name != name:
            raise ValueError(f"contract of table {table.name!r}: its module is called {name!r}")
    return dict(sorted(tables.items(), key=lambda entry: SECTIONS.index(entry[1].section)))
