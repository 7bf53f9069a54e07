"""The documentation: its links and the project's paths that it names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("", "docs", "docs/latex", "config", "resources", "benchmarks")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A path of a tracked file or folder in backticks; one with <...>, {...} or * is a pattern.
TRACKED = r"persona_collapse|workflow|tests|benchmarks|profiles|config|resources|docs"
PATH = re.compile(rf"`((?:{TRACKED})/[\w./-]+)`")
WRITTEN = ("resources/external/",)  # by the workflow, ignored by git


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_named_paths_exist(page: Path) -> None:
    if page.name == "extending.md":  # adds files; tests/workflow/test_extending.py applies it
        return
    for path in PATH.findall(page.read_text(encoding="utf-8")):
        places = (ROOT / path, page.parent / path)
        assert path.startswith(WRITTEN) or any(place.exists() for place in places), path
