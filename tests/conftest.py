"""What all tests share: the project's root, small studies, and the published answers if present."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PUBLISHED = ROOT.parent / "shared" / "published"

# A busy machine is slow, not wrong: no example fails for the time it takes.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies and resources are found relative to the project's root."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def published() -> Path:
    """Return the folder of published material; skip the test where it is absent."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published answers are not here (they are not part of the project)")
    return PUBLISHED
