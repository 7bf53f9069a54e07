"""The conda file that gives the versions of requirements.lock; ``make lock`` writes both."""

from __future__ import annotations

import sys
from pathlib import Path

HEADER = """\
# Written by `make lock` from requirements.lock: the same versions for conda users.
name: persona-collapse
channels: [conda-forge]
dependencies:
  - python >=3.11,<3.14
  - pip
  - pip:
"""


def conda_file(lock: str) -> str:
    """Return environment.yml for the text of a lock file, one ``name==version`` a line."""
    pins = [line.strip() for line in lock.splitlines() if "==" in line and line[0] != "#"]
    return HEADER + "".join(f"      - {pin}\n" for pin in pins)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(conda_file(source.read_text(encoding="utf-8")), encoding="utf-8")
