"""Every contract at once, for planning and documentation; no job imports this."""

import re
from functools import cache
from pathlib import Path
from pkgutil import iter_modules

from persona_collapse.tables import SECTIONS, Table, contract, contracts

_PACKAGE = Path(__file__).resolve().parents[1]


def missing_function(room: str, function: str) -> str:
    """Return what is missing of ``<module>.<name>`` in a room of the package; empty if nothing.

    Reads the module's text, since importing measures and figures would slow down planning.
    """
    module, _, name = function.rpartition(".")
    path = _PACKAGE.joinpath(room, *module.split(".")).with_suffix(".py")
    place = path.relative_to(_PACKAGE).as_posix()
    if not path.is_file():
        return f"there is no module {place}"
    defined = re.search(rf"^def {re.escape(name)}\(", path.read_text(encoding="utf-8"), re.M)
    return "" if defined else f"{place} has no function {name!r}"


@cache
def all_tables() -> dict[str, Table]:
    """Return all contracts by name, in the order of the page's sections, then by name.

    Raises:
        ValueError: a contract's module is not called as its table, or its function is missing.
    """
    names = sorted(module.name for module in iter_modules(contracts.__path__))
    tables = {name: contract(name) for name in names}
    for name, table in tables.items():
        if table.name != name:
            raise ValueError(f"contract of table {table.name!r}: its module is called {name!r}")
        if table.function and (missing := missing_function("measures", table.function)):
            raise ValueError(f"contract of table {name!r}: {missing}")
    return dict(sorted(tables.items(), key=lambda entry: SECTIONS.index(entry[1].section)))
