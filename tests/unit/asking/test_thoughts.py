"""Thoughts are separated from the answer, in every spelling that models use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.thoughts import Parted, part

PAIRS = [
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ('<think duration="2">', "</think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|think|>", "<|/think|>"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysisThe user asks. ", "assistantfinal"),
    ("<unused94>thought\n", "<unused95>"),
    ("<reasoning_content>", "</reasoning_content>"),
]
IDS = [begin.strip() for begin, _ in PAIRS]
# Thoughts without signs of markup, which would be tags themselves.
THOUGHTS = st.text(st.characters(exclude_characters="<>[]◁▷&|", exclude_categories=["Cs"]))


@pytest.mark.parametrize(("begin", "end"), PAIRS, ids=IDS)
@given(thought=THOUGHTS.filter(str.strip))
def test_closed_thoughts_are_no_part_of_the_answer(begin: str, end: str, thought: str) -> None:
    parted = part(f"{begin}{thought}{end}\n\nI say 4.")
    assert parted.answer is not None
    assert parted.answer.strip() == "I say 4."
    assert parted.has_thoughts


@pytest.mark.parametrize("begin", ["analysis\n", "assistantanalysis We ask "])
def test_channels_without_control_tokens_need_both_names(begin: str) -> None:
    assert part(f"{begin}about 5\nassistantfinal\n4") == Parted("\n4", has_thoughts=True)
    assert part(f"{begin}about 5") == Parted(f"{begin}about 5", has_thoughts=False)


@pytest.mark.parametrize(("begin", "end"), PAIRS, ids=IDS)
@given(thought=THOUGHTS.filter(lambda text: "assistantfinal" not in text))
def test_thoughts_that_never_end_leave_no_answer(begin: str, end: str, thought: str) -> None:
    assert part(f"{begin}{thought}").answer is None
    assert part(f"4 {begin}{thought}").answer is None or begin.startswith("analysis")


@pytest.mark.parametrize("end", ["</think>", "[/THINK]", "<|end_of_thought|>"])
def test_thoughts_that_began_in_the_prompt_end_at_the_tag(end: str) -> None:
    parted = part(f"Perhaps 2 or 3.\n{end}\n\n4")
    assert (parted.answer or "").strip() == "4"
    assert parted.has_thoughts


def test_tag_that_thoughts_mention_does_not_open_them_again() -> None:
    parted = part("<think>I write in a <think> block, 2.</think> 4")
    assert (parted.answer or "").strip() == "4"


def test_second_thoughts_are_removed_too() -> None:
    assert (part("<think>2</think> So: <think>3</think> 4").answer or "").split() == ["So:", "4"]


@pytest.mark.parametrize("reply", ["<think></think>4", "<think>\n\n</think>\n\n4", "</think>4"])
def test_empty_thoughts_are_none(reply: str) -> None:
    parted = part(reply)
    assert (parted.answer or "").strip() == "4"
    assert not parted.has_thoughts


def test_commentary_of_gpt_oss_is_no_answer() -> None:
    reply = (
        "<|channel|>analysis<|message|>2<|end|><|start|>assistant<|channel|>commentary to=x"
        "<|message|>3<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>"
    )
    assert (part(reply).answer or "").strip() == "4"
    assert part(reply.split("<|channel|>final")[0]).answer is None


@given(THOUGHTS.filter(lambda text: not text.strip().startswith("analysis")))
def test_reply_without_thoughts_is_its_own_answer(reply: str) -> None:
    assert part(reply).answer == reply
    assert not part(reply).has_thoughts


@given(st.lists(st.sampled_from([*sum(PAIRS, ()), "4", " 2\n", "<", "|", ">"]), max_size=12))
def test_any_order_of_tags_gives_an_answer_or_none(pieces: list[str]) -> None:
    answer = part("".join(pieces)).answer
    assert answer is None or set(answer) <= set("".join(pieces)) | {" "}
