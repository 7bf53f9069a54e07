"""Reading a rating out of a reply."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.ratings import parse_rating
from persona_collapse.materials.instruments import Scale

RELEASED = Path(__file__).parents[4] / "shared" / "published" / "responses"
SCALE = Scale(0, 5)


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("4", 4),
        ("0", 0),
        ("  5.", 5),
        ("5. Absolutely.", 5),
        ("**3** because", 3),
        ("Rating: 2", 2),
        ("Rating:2", 2),
        ("5/5", 5),
        ("4-ish", 4),
        ("(1)", 1),
        ("7, no: 3", 3),
        ("I would say 10 or 3", 3),
        ("3\n4", 3),
        ("my 1st choice is 2", 2),
        (None, None),
        ("", None),
        ("None", None),
        ("6", None),
        ("10", None),
        ("-1", None),
        ("−1", None),
        ("3.5", None),
        ("0.5", None),
        ("four", None),
        ("4th", None),
        ("_4_", None),
        ("٤", None),
        ("４", None),
        ("5²", None),
    ],
)
def test_examples(reply, rating):
    assert parse_rating(reply, SCALE) == rating


@given(st.integers(0, 4), st.integers(5, 9), st.integers(0, 9))
def test_only_ratings_of_the_scale_are_read(low, high, digit):
    expected = digit if low <= digit <= high else None
    assert parse_rating(f"I answer {digit}, gladly.", Scale(low, high)) == expected


@given(st.text())
def test_it_reads_what_the_published_rule_reads_or_refuses_a_sign_or_a_fraction(reply):
    found, published = parse_rating(reply, SCALE), re.search(r"\b[0-5]\b", reply)
    if found is None:
        assert published is None or re.search(r"[-−][0-5]|\d\.[0-5]|[0-5]\.\d", reply)
    else:
        assert published is not None
        assert str(found) in re.findall(r"\b[0-5]\b", reply)


@pytest.mark.skipif(not RELEASED.is_dir(), reason="the released answers are not here")
def test_it_agrees_with_every_rating_of_the_released_unconditioned_answers():
    compared = 0
    for path in sorted(RELEASED.glob("*/*_self.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                rating = int(row["rating"])
                assert parse_rating(row["response"], SCALE) == (rating if rating >= 0 else None)
                compared += 1
    assert compared >= 1800
