"""The exception for errors that users can fix: what is wrong, where, and what to do."""

import difflib
from collections.abc import Collection, Iterable

SHOWN = 20  # names in a message


class UserError(Exception):
    """An error that the user can fix; its text is shown without a traceback."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest valid name, or an empty string."""
    matches = difflib.get_close_matches(str(name), list(valid), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def missing_column(name: str, found: Collection[str], known: Collection[str]) -> str:
    """Return what to say of a column that a file lacks; ``known`` are the columns that it can have.

    A known column holds something else, so it is not offered as the one that was meant.
    """
    strays = [column for column in found if column not in known]
    shown = ", ".join(list(found)[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
    return f"the column {name!r} is missing{nearest(name, strays)}; found: {shown}"
