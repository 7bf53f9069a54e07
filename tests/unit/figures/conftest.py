"""Figures are drawn under the project's style, as the script does."""

from collections.abc import Iterator

import pytest

from persona_collapse.figures.style import style


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    with style():
        yield
