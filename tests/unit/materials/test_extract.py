"""Reading literals out of Python source, without running it."""

import ast
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.materials.extract import Source


def source(text):
    return Source("file.py", textwrap.dedent(text).encode())


@pytest.mark.parametrize(
    "text",
    [
        'ITEMS = [("Care", "one"), ("Order", "two")]',
        'ITEMS: List[tuple[str, str]] = [\n    ("Care", "one"),\n    (\n "Order",\n "two",\n ),\n]',
        'ITEMS = (["Care", "o" "ne"], ["Or" + "der", ("t" + "wo")])',
        'import os\nos.abort()\nITEMS = [("Care", "one"), ("Order", "two")]\nraise SystemExit',
    ],
)
def test_pairs_are_read_from_a_list_of_tuples(text):
    assert source(text).pairs("ITEMS") == [("Care", "one"), ("Order", "two")]


def test_texts_are_read_from_a_list():
    assert source('A = ["x"]\nB = ["one", "two" "three"]').texts("B") == ["one", "twothree"]


@pytest.mark.parametrize(
    "body",
    [
        "return f\"Rate '{text}' \\n from 0.\"",
        "return (\n    f\"Rate '{text}' \\n from 0.\"\n)",
        "return f\"Rate '{text}'\" ' \\n from 0.'",
        'return "Rate \'" f"{text}" + "\' \\n" + f\' from 0.\'',
        '"""Docstring."""\n    return f"""Rate \'{text}\' \n from 0."""',
    ],
)
def test_template_is_read_from_a_function(body):
    found = source(f"def ask(text: str) -> str:\n    {body}\n").template("ask", {"text": "item"})
    assert found == "Rate '{item}' \n from 0."


def test_template_has_a_placeholder_for_each_parameter():
    text = "def wrap(who, what):\n    return f'{who} | {what}'\n"
    placeholders = {"who": "persona", "what": "question"}
    assert source(text).template("wrap", placeholders) == "{persona} | {question}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "ITEMS = [\n  ('Care', 'one'),\n  ('Care', name),\n]",
            ", line 3: expected a literal text",
        ),
        ("ITEMS = [\n  ('Care', f'{x}'),\n]", ", line 2: expected a literal text"),
        ("ITEMS = [\n  ('Care', 1),\n]", ", line 2: expected a literal text, found `1`"),
        ("ITEMS = [('Care', 'one', 'two')]", ", line 1: expected a pair of texts in ITEMS"),
        ("ITEMS = ['Care']", ", line 1: expected a pair of texts"),
        ("ITEMS = load()", ": ITEMS is not written as a list of literals"),
        ("ITEMS: list", ": ITEMS is not written as a list of literals"),
        ("OTHER = []", ": expected one list ITEMS, found 0"),
        ("ITEMS = []\nITEMS = []", ": expected one list ITEMS, found 2"),
        ("def f():\n  ITEMS = []", ": expected one list ITEMS, found 0"),
        ("ITEMS = [", ", line 1: is not Python source"),
        ("ITEMS = \0", ": is not Python source"),
    ],
)
def test_unsupported_list_is_refused_with_its_line(text, line):
    with pytest.raises(UserError) as caught:
        source(text).pairs("ITEMS")
    # Where a null byte is reported differs between versions of Python.
    assert str(caught.value).startswith("file.py")
    assert line.removeprefix(", line 1") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def other(): return 'x'", "expected one function ask, found 0"),
        ("def ask(text):\n  return f'{text.upper()}'", "line 2: expected a literal text, found"),
        ("def ask(text):\n  return f'{text!r}'", "line 2: expected a literal text"),
        ("def ask(text):\n  return f'{text:>3}'", "line 2: expected a literal text"),
        ("def ask(text):\n  return 'Rate {}'.format(text)", "line 2: expected a literal text"),
        ("def ask(text):\n  return 'no item'", "line 2: ask does not use its 'text'"),
        ("def ask(text):\n  return", "line 1: expected one `return` of a text in ask"),
        ("def ask(text):\n  if x: return ''\n  return text", "line 1: expected one `return`"),
        ("def ask(text): ...\ndef ask(text): ...", "expected one function ask, found 2"),
    ],
)
def test_unsupported_function_is_refused_with_its_fault(text, fault):
    with pytest.raises(UserError, match=r"^file\.py") as caught:
        source(text).template("ask", {"text": "item"})
    assert fault in str(caught.value)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_texts_equal_what_python_evaluates(pairs):
    text = f"ITEMS = {pairs!r}"
    assert source(text).pairs("ITEMS") == ast.literal_eval(repr(pairs))
