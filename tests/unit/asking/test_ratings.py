"""Reading a rating out of a reply; docs/reading.md states the rule."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.ratings import Found, parse_rating, read_rating
from persona_collapse.materials.instruments import Scale

RELEASED = Path(__file__).parents[4] / "shared" / "published" / "responses"
SCALE = Scale(0, 5)

# What each part of the rule is for, by reply: the rating, or None.
BARE = {
    "4": 4,
    "0": 0,
    "  5.": 5,
    "(1)": 1,
    "**3** because": 3,
    "_4_": 4,
    "`4`": 4,
    "4-ish": 4,
    "4!": 4,
    "4.0": 4,
    "- 4": 4,
    "4。": 4,
    "5️⃣": 5,
    "A 4 for me.": 4,
    "my 1st choice is 2": 2,
    "2-year-old children, so 4": 4,
    "": None,
    "None": None,
    "four": None,
    "IV": None,
}
OTHER_NUMBERS = {
    "6": None,
    "10": None,
    "04": None,
    "-1": None,
    "−1": None,
    "3.5": None,
    "0.5": None,
    "4,5": None,
    "4th": None,
    "第4": None,
    "٤": None,
    "４": 4,
    "5²": None,
    "7, no: 3": 3,
    "I would say 10 or 3": 3,
    "As a 35 year old, 4": 4,
    "1,000 people: 4": 4,
    "$5 stolen: 3": 3,
    "50% of people. 3": 3,
    "2024-05-04: 3": 3,
    "Step 1: think. Step 2: 4": 4,
    "#3: yes. 4": 4,
}
SCALE_MENTIONS = {
    "0 to 5": None,
    "Choose one number from 0 to 5": None,
    "On a scale from 0 to 5, I'd say 4.": 4,
    "0-5: 4": 4,
    "On a 0–5 scale this is a 2": 2,
    "From 0 (not at all) to 5 (extremely), 3": 3,
    "A number between 0 and 5. Mine is 3": 3,
    "On a scale of 5, it is 4": 4,
    "On a 5-point scale: 4": 4,
    "0 through 5: 2": 2,
    "0..5 -> 4": 4,
    "[0, 5] → 4": 4,
    "5 being the highest, I'd go with 4": 4,
    "With 0 as the lowest and 5 as the highest, 3": 3,
    "5 is the highest. 3": 3,
    "0 = never, 5 = always. 3": 3,
    "0 means not at all and 5 means completely. 3.": 3,
    "0 (never), 5 (always). Mine: 3": 3,
    "4 = much weight": 4,
    "4 (much weight)": 4,
    "Auf einer Skala von 0 bis 5: 3": 3,
    "de 0 à 5 : 3": 3,
    "从0到5，我选3": 3,
    "0から5で、3です": 3,
    "3 (on a scale from 0 to 5)": 3,
}
RANGES_FRACTIONS_LISTS = {
    "3-4": None,
    "3 to 4": None,
    "between 3 and 4": None,
    "at least 3": None,
    "less than 3": None,
    "I changed from 2 to 4": None,
    "Rating: 3-4. I see 2 reasons": None,
    "4/5": None,
    "5/5": None,
    "4 out of 5": None,
    "Out of 5: 3": None,
    "1/2": None,
    "Roughly 4 out of 5 people would agree, so I choose 2": 2,
    "About 2/3 agree. 5": 5,
    "As a baker I would say 10 out of 10, so 5.": 5,
    "1. Harm\n2. Fairness\n3. Care\n\nSo 4.": 4,
    "1) harm 2) care. 5": 5,
    "1. Care.\n2. Rules.\n4. Habits.\n\n3": None,
    "- **1.** Harm\n- **2.** Care\n\n3": 3,
    "The options are 0, 1, 2, 3, 4, and 5. I choose 2.": 2,
    "1. Care: 4\n2. Fairness: 4": 4,
    "1. Care: 4\n2. Fairness: 3": None,
    "1. The harm is clear. So 3.": None,
}
SEVERAL = {
    "3\n4": None,
    "3 or 4": None,
    "2, maybe 3": None,
    "The answer is 3 or 4": None,
    "I'd say 2 people are hurt; 3 of them badly": None,
    "4 4 4": 4,
    "I would not say 4, rather 3": 3,
    "I'm torn between 2 and 4, but 3": 3,
}
MARKED = {
    "Answer: 4": 4,
    "Some say 2. Answer: 4": 4,
    "Rating:2": 2,
    "Rating (0-5): 4. I see 2 reasons": 4,
    "**Rating:** 4, for 2 reasons": 4,
    "Score: **4**, not 3": 4,
    "**4**, though 3 of us differ": 4,
    "I'd rate this a 4, though 3 of us differ": 4,
    "I would choose 3 here, given 2 risks": 3,
    "Rating: 4/5": 4,
    "I'd rate this 4 out of 5.": 4,
    "Number: 4 of 5": 4,
    "Rating: 3.5. I see 2 reasons": None,
    "Rating: 7. I see 3 reasons": None,
    "Rating: 2. Answer: 3": None,
    "Some say 2, others 3. Final answer: 4": 4,
    "My first rating: 3. Final rating: 4": 4,
    "2 harms, 3 goods: \\boxed{4}": 4,
    "2 harms, 3 goods: \\boxed{\\text{4}}": 4,
    "2 harms, 3 goods: \\boxed{ \\text {4} }": 4,
    "2 + 2\n#### 4": 4,
    "<answer>4</answer> 3": 4,
    '{"rating": 4, "reason": "2 people"}': 4,
    "Antwort: 4, weil 2 leiden": 4,
    "La réponse est 4, pas 2": 4,
    "Mi respuesta es 4 (2 personas)": 4,
    "Ответ: 4 (2 человека)": 4,
    "评分：4，因为有2个人": 4,
}
COUNTS = {
    "I have 3 reasons for my choice.": None,
    "This has happened to me 2 times.": None,
    "As a mother of two with 3 dogs, this is relevant.": None,
    "For 2 good reasons I say 4": 4,
    "As a father of 3, I say 5": 5,
    "I was born on 3 May 1980.": None,
    "4 may be too much": 4,
    "It is 5 a.m.": None,
    "I am Claude 3.": None,
    "World War 2 taught us": None,
    "Sorry, that failed (error 3)": None,
    "2 people die so 4": None,
    "5 Children matter": 5,
    "Rating: 4\nReason: 3 people": 4,
}
HEDGED = {
    "I would give this a 2, maybe a 3.": None,
    "I'd say 4—maybe even a 5": None,
    "I'd say 2, or 3 on a bad day.": None,
    "perhaps 0; perhaps 1; perhaps 2": None,
    "Rating: 3, perhaps 4. Final answer: 4": 4,
    "I can't give a rating of 5 to that.": None,
    "Rating: N/A. I see 2 dangers": None,
}
OTHER_SPELLINGS = {
    "If 0 is never and 5 is always, 3.": 3,
    "0: not at all; 5: extremely. Rating: 2": 2,
    "<score max='5'>4</score>": 4,
    "I'd give it: 4/5": 4,
    "$4$": 4,
    "答え：４": 4,
    "Моя оценка: 4 из 5": 4,
    "Je donnerais une note de 4 sur 5.": 4,
}
FIRST = {
    "5. Absolutely.": 5,
    "4. On 3 occasions": 4,
    "4\n\nBecause 2 people": 4,
    "4, since it matters to 3 people": 4,
    "5 - Caring for 2 people": 5,
}
RULE = {
    **BARE,
    **OTHER_NUMBERS,
    **SCALE_MENTIONS,
    **RANGES_FRACTIONS_LISTS,
    **SEVERAL,
    **MARKED,
    **COUNTS,
    **HEDGED,
    **OTHER_SPELLINGS,
    **FIRST,
}


@pytest.mark.parametrize("reply", RULE)
def test_rating_of_a_reply_follows_the_rule(reply: str) -> None:
    assert parse_rating(reply, SCALE) == RULE[reply]
    assert read_rating(reply, SCALE).rating == RULE[reply]


def test_no_reply_has_no_rating() -> None:
    assert parse_rating(None, SCALE) is None
    assert read_rating(None, SCALE).rating is None


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("4", Found(4, "token")),
        (" **4**.", Found(4, "token")),
        ("I say 4", Found(4, "reply")),
        ("<think>2</think>4", Found(4, "after_thoughts")),
        ("<think></think>4", Found(4, "token")),
        ("<think>On a scale from 0 to 5, say 2", Found(None, "after_thoughts")),
    ],
)
def test_how_a_rating_was_read_is_told(reply: str, found: Found) -> None:
    assert read_rating(reply, SCALE) == found


def test_thoughts_beside_the_reply_count() -> None:
    assert read_rating("4", SCALE, thought=True) == Found(4, "after_thoughts")
    assert read_rating("I say 4", SCALE, thought=True) == Found(4, "after_thoughts")


@given(st.integers(0, 4), st.integers(5, 9), st.integers(0, 9))
def test_numbers_outside_the_scale_are_no_ratings(low: int, high: int, digit: int) -> None:
    expected = digit if low <= digit <= high else None
    assert parse_rating(f"I answer {digit}, gladly.", Scale(low, high)) == expected
    assert parse_rating(str(digit), Scale(low, high)) == expected


SCALES = st.tuples(st.integers(0, 3), st.integers(4, 9)).map(lambda ends: Scale(*ends))
MENTIONS = st.sampled_from(
    [
        "On a scale from {low} to {high}, ",
        "({low}-{high}) ",
        "Between {low} and {high}: ",
        "With {low} (never) to {high} (always), ",
        "{low} = never, {high} = always.\n",
        "From {low} – {high}, ",
        "On a scale of {high}, ",
    ]
)


@given(SCALES, MENTIONS, st.data())
def test_mention_of_the_scale_never_changes_the_rating(
    scale: Scale, mention: str, data: st.DataObject
) -> None:
    rating = data.draw(st.sampled_from(scale.ratings))
    said = mention.format(low=scale.minimum, high=scale.maximum)
    assert parse_rating(f"{said}I think {rating} fits.", scale) == rating
    assert parse_rating(f"It is {rating}. {said}as asked.", scale) == rating
    assert parse_rating(said, scale) is None


@given(st.sets(st.integers(0, 5), min_size=2, max_size=5))
def test_several_ratings_without_a_mark_are_unreadable(ratings: set[int]) -> None:
    text = "; ".join(f"perhaps {rating}" for rating in sorted(ratings))
    assert parse_rating(text, SCALE) is None
    for rating in ratings:
        assert parse_rating(f"{text}. Answer: {rating}", SCALE) == rating


@given(st.text())
def test_rating_is_always_a_number_of_the_reply(reply: str) -> None:
    found = parse_rating(reply, SCALE)
    assert found is None or str(found) in re.findall(r"(?<![0-9])[0-5](?![0-9])", reply)


@given(st.text(st.sampled_from("0123456789 .,:;/-–()[]*_#<>=\n\"'aInotr")))
def test_signs_around_numbers_never_raise(reply: str) -> None:
    found = parse_rating(reply, SCALE)
    assert found is None or found in SCALE.ratings


@given(st.sampled_from("012345"), st.text(st.sampled_from(" \n\t.*")))
def test_plain_digit_is_read_as_by_the_published_rule(digit: str, around: str) -> None:
    reply = f"{around.replace('.', '')}{digit}{around}"
    published = re.search(r"\b[0-5]\b", reply)
    assert published is not None
    assert read_rating(reply, SCALE) == Found(int(published.group()), "token")


@pytest.mark.skipif(not RELEASED.is_dir(), reason="the released answers are not here")
def test_ratings_equal_those_of_released_answers() -> None:
    compared: dict[tuple[str, str], int] = {}
    for path in sorted(RELEASED.glob("**/*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row.get("response") is not None:
                    compared[row["response"], row["rating"]] = int(row["rating"])
    assert len(compared) > 100
    for (reply, _), rating in compared.items():
        assert parse_rating(reply, SCALE) == (rating if rating >= 0 else None)
