"""Texts are measured and wrapped."""

from __future__ import annotations

import pytest

from persona_collapse.figures.sheet import extent, wrap


@pytest.mark.parametrize(
    "text", ["Mixtral-8x22B-Instruct-v0.1-XL", "Anunbrokennameofthirtylettersx", "a b", ""]
)
def test_wrapped_text_fits_and_keeps_every_letter(text: str) -> None:
    lines = wrap(text, 0.8)
    assert extent(lines)[0] <= 0.8
    assert lines.replace("\n", "").replace(" ", "") == text.replace(" ", "")


def test_wrap_does_not_break_a_date() -> None:
    assert wrap("GPT-4.1 (2025-04-14)", 1.0) == "GPT-4.1\n(2025-04-14)"


def test_wrap_does_not_break_an_interval_or_before_a_unit() -> None:
    assert wrap("ends 10 [9, 12]", 0.6) == "ends\n10 [9, 12]"
    assert wrap("a share of 36 % here", 0.6).split("\n").count("36 % here") == 1
