"""Shards: blocks of personas x items x repetitions whose boundaries never move as a study grows."""

import math
from collections.abc import Iterator

from persona_collapse.tasks import Shard, Span


def spans(size: int, count: int, first: int = 0) -> list[tuple[Span, Span]]:
    """Cut ``count`` positions into blocks of ``size``: pairs of (nominal span, filled span).

    Boundaries are multiples of ``size``, whatever ``count`` is: growing ``count`` fills the last
    block and then adds blocks, and moves none.
    """
    return [
        ((first + start, first + start + size), (first + start, first + min(start + size, count)))
        for start in range(0, count, size)
    ]


def number(counts: tuple[int | None, int, int], sizes: tuple[int, int, int]) -> int:
    """Return how many shards ``cut`` would yield, without making them."""
    return math.prod(-(-(count or 1) // size) for count, size in zip(counts, sizes, strict=True))


def cut(
    model: str,
    variant: str,
    probe: str,
    counts: tuple[int | None, int, int],
    sizes: tuple[int, int, int],
) -> Iterator[Shard]:
    """Yield the shards of one model x variant x probe in persona, item, repetition order.

    ``counts`` are the numbers of personas (None when unconditioned), items and repetitions,
    ``sizes`` the block sizes on the same axes. A name has the block's nominal bounds, both ends
    included: ``p000-024_i01-30_r01-10``.
    """
    personas: list[tuple[Span, Span] | None] = [None]
    if counts[0] is not None:
        personas = list(spans(sizes[0], counts[0]))
    items = spans(sizes[1], counts[1])
    repetitions = spans(sizes[2], counts[2], first=1)
    for persona in personas:
        for item in items:
            for place, repetition in enumerate(repetitions):
                yield Shard(
                    model,
                    variant,
                    probe,
                    persona[1] if persona else None,
                    item[1],
                    repetition[1],
                    place == len(repetitions) - 1,
                    _name(persona[0] if persona else None, item[0], repetition[0]),
                )


def _name(persona: Span | None, item: Span, repetition: Span) -> str:
    parts = [f"p{persona[0]:03d}-{persona[1] - 1:03d}"] if persona else []
    # Items are numbered from 1 in names, as in questionnaires; positions stay from 0 inside.
    parts.append(f"i{item[0] + 1:02d}-{item[1]:02d}")
    parts.append(f"r{repetition[0]:02d}-{repetition[1] - 1:02d}")
    return "_".join(parts)
