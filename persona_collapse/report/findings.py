"""What a figure finds: the sentence that its drawing function stored as the title of the SVG."""

from html import unescape
from pathlib import Path
from re import search

FIRST = 20_000  # characters of the file in which its metadata stand


def finding_of(stem: str) -> str | None:
    """Return the title in the metadata of ``<stem>.svg``; None where there is none."""
    with Path(f"{stem}.svg").open(encoding="utf-8") as file:
        match = search(r"<dc:title>([^<]+)</dc:title>", file.read(FIRST))
    return unescape(match[1]) if match else None
