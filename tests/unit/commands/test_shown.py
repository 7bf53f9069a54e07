"""Tables that commands show: whole at every width, plain without a terminal."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from persona_collapse.commands import shown as module
from persona_collapse.commands.shown import Column, show_note, show_table
from tests.helpers.screens import shown

COLUMNS = [
    Column("model", folds=True),
    Column("variant", folds=True),
    Column("stage"),
    Column("answers"),
    Column("stored", spare=True),
    Column("prompt_tokens", "tokens in"),
    Column("lost", optional=True),
    Column("usd"),
]
ROWS: list[dict[str, Any]] = [
    {
        **{"model": model, "variant": variant, "stage": "answers", "answers": 300_123},
        **{"stored": 1200, "prompt_tokens": 41_234_567, "lost": 0, "usd": usd},
    }
    for model, variant, usd in [("gpt-4o", "base", 12.5), ("gpt-4o", "insecure", None)]
]
TOTAL = {**ROWS[0], "model": "total", "variant": None, "stage": None, "answers": 600_246}


def table(rows: list[dict[str, Any]], width: int, total: bool = False) -> str:
    return shown(show_table, COLUMNS, rows, total, width=width)


def test_wide_table_has_exact_numbers_on_one_line_per_row() -> None:
    assert table([*ROWS, TOTAL], 120, total=True).splitlines() == [
        "model   variant   stage    answers  stored   tokens in    usd",
        "─────────────────────────────────────────────────────────────",
        "gpt-4o  base      answers  300,123   1,200  41,234,567  12.50",
        "gpt-4o  insecure  answers  300,123   1,200  41,234,567      -",
        "total                      600,246   1,200  41,234,567  12.50",
    ]


def test_narrow_table_rounds_then_folds_then_lists() -> None:
    at_58, at_44, at_20 = (table(ROWS, width) for width in (56, 40, 20))
    assert "300k" in at_58
    assert "k, M, G: thousands, millions, billions, rounded" in at_58
    assert at_44.splitlines()[:4] == [
        "                    tokens",
        "  stage    answers      in    usd",
        "  ───────────────────────────────",
        "gpt-4o  base",
    ]
    assert "stored" not in at_44
    assert "  tokens in  41,234,567" in at_20.splitlines()
    assert "rounded" not in at_20


@pytest.mark.parametrize("width", [20, 33, 40, 52, 60, 80, 200])
def test_no_line_of_a_table_is_wider_than_the_screen(width: int) -> None:
    lines = table([*ROWS, TOTAL], width, total=True).splitlines()
    lists = any(line.startswith("  tokens in  ") for line in lines)
    assert lists or max(map(cell_len, lines)) <= max(width, cell_len(lines[-1]))


@given(
    st.lists(
        st.tuples(st.text(max_size=12), st.integers(0, 10**13) | st.none(), st.floats(0, 1e9)),
        min_size=1,
        max_size=4,
    ),
    st.integers(20, 200),
)
def test_every_row_is_shown_at_every_width(
    values: list[tuple[str, int | None, float]], width: int
) -> None:
    columns = [Column("name"), Column("count"), Column("usd")]
    rows = [
        {"name": f"row{at}", "text": t, "count": n, "usd": x} for at, (t, n, x) in enumerate(values)
    ]
    text = shown(show_table, [*columns, Column("text")], rows, width=width)
    assert all(text.count(f"row{at}") == 1 for at in range(len(rows)))
    assert "\x1b" not in text


def test_what_terminals_act_on_is_removed_from_cells() -> None:
    text = shown(show_table, [Column("name")], [{"name": "a\x1b[31mb\x07\u202ec\nd"}])
    assert text.splitlines()[-1] == "abc d"


def test_colours_only_in_a_terminal_and_not_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[2m" in screen_text()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", screen_text())
    monkeypatch.delenv("FORCE_COLOR")
    assert "\x1b" not in screen_text()


def screen_text() -> str:
    """Return what commands print, with the environment as it is."""
    screen, file = module.screen(), io.StringIO()
    screen.file = file
    screen.print("k", style="dim")
    show_note(screen, "text", "Fix", "bold red")
    return file.getvalue()


def test_note_is_one_line_without_a_terminal_and_wrapped_at_words_in_one() -> None:
    text = "a sentence of several words that a narrow terminal cannot show on one line"
    assert shown(show_note, text, "Note", width=30) == f"Note: {text}\n"
    file = io.StringIO()
    show_note(Console(file=file, width=30, force_terminal=True, color_system=None), text, "Note")
    lines = file.getvalue().splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 30
    assert " ".join(" ".join(lines).split()) == f"Note: {text}"
