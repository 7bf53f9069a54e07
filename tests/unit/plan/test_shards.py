from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.plan.shards import cut, number, spans
from persona_collapse.tasks import Shard

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12))
COUNTS = st.tuples(st.one_of(st.none(), st.integers(1, 90)), st.integers(1, 40), st.integers(1, 25))


def shards(counts: tuple[int | None, int, int], sizes: tuple[int, int, int]) -> list[Shard]:
    return list(cut("m", "base", "roleplay", counts, sizes))


def test_shard_names_give_both_ends_of_the_block() -> None:
    names = [shard.name for shard in shards((100, 30, 10), (25, 30, 10))]
    assert names == [
        "p000-024_i01-30_r01-10",
        "p025-049_i01-30_r01-10",
        "p050-074_i01-30_r01-10",
        "p075-099_i01-30_r01-10",
    ]


def test_unconditioned_shard_has_no_personas() -> None:
    (shard,) = shards((None, 30, 10), (25, 30, 10))
    assert shard.name == "i01-30_r01-10"
    assert shard.personas is None


def test_last_block_ends_with_the_study() -> None:
    assert spans(25, 60) == [((0, 25), (0, 25)), ((25, 50), (25, 50)), ((50, 75), (50, 60))]


@given(COUNTS, SIZES)
def test_number_of_shards_equals_the_length_of_the_list(
    counts: tuple[int | None, int, int], sizes: tuple[int, int, int]
) -> None:
    assert number(counts, sizes) == len(shards(counts, sizes))


@given(COUNTS, SIZES)
def test_every_slot_is_in_exactly_one_shard(
    counts: tuple[int | None, int, int], sizes: tuple[int, int, int]
) -> None:
    slots = [
        (persona, item, repetition)
        for shard in shards(counts, sizes)
        for persona in (range(*shard.personas) if shard.personas else [None])
        for item in range(*shard.items)
        for repetition in range(*shard.repetitions)
    ]
    personas = [None] if counts[0] is None else range(counts[0])
    expected = {
        (persona, item, repetition)
        for persona in personas
        for item in range(counts[1])
        for repetition in range(1, counts[2] + 1)
    }
    assert len(slots) == len(expected)
    assert set(slots) == expected


@given(st.integers(1, 90), st.integers(1, 40), st.integers(1, 25), SIZES, st.integers(0, 30))
def test_shard_names_do_not_change_when_an_axis_grows(
    personas: int, items: int, repetitions: int, sizes: tuple[int, int, int], more: int
) -> None:
    before = {shard.name: shard for shard in shards((personas, items, repetitions), sizes)}
    for axis in range(3):
        counts = [personas, items, repetitions]
        counts[axis] += more
        after = {shard.name: shard for shard in shards((counts[0], counts[1], counts[2]), sizes)}
        assert before.keys() <= after.keys()
        for name, shard in before.items():
            now = after[name]
            for then, later in (
                (shard.personas, now.personas),
                (shard.items, now.items),
                (shard.repetitions, now.repetitions),
            ):
                assert then is not None
                assert later is not None
                assert then[0] == later[0]
                assert then[1] <= later[1]


@given(COUNTS, SIZES)
def test_only_the_last_block_of_repetitions_takes_extra_answers(
    counts: tuple[int | None, int, int], sizes: tuple[int, int, int]
) -> None:
    for shard in shards(counts, sizes):
        assert shard.last == (shard.repetitions[1] == counts[2] + 1)
