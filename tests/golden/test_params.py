"""Params of the jobs of the shipped studies: a changed digest asks for every answer again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.plan.answers import Layout
from persona_collapse.plan.misalignment import CheckLayout
from persona_collapse.study.load import find_study, load_study


def digest(params: Sequence[Any]) -> str:
    """Return a digest of the params of jobs, whatever their order."""
    texts = sorted(json.dumps(value, sort_keys=True) for value in params)
    return sha256(f"[{', '.join(texts)}]".encode()).hexdigest()[:16]


def layout_of(name: str, **settings: Any) -> Layout:
    return Layout(load_study(find_study(name), **settings))


def shards_of(layout: Layout) -> list[dict[str, Any]]:
    return [layout.shard_params(shard) for shards in layout.shards.values() for shard in shards]


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("quick", 6, "864c90d0934a74cf"),
        ("trajectory", 12, "3b730e6120d964e2"),
        ("paper", 64, "72f91b887810e099"),
    ],
)
def test_params_of_shards_of_shipped_studies_are_unchanged(
    name: str, count: int, expected: str
) -> None:
    params = shards_of(layout_of(name))
    assert (len(params), digest(params)) == (count, expected)


def test_params_of_shards_of_recorded_answers_are_unchanged(published: Path) -> None:
    settings = {"published_root": str(published / "responses")}
    params = shards_of(layout_of("published", settings=settings, models="gpt-4o,gpt-4.1"))
    assert (len(params), digest(params)) == (12, "209f2911d068fa46")


@pytest.mark.parametrize(
    ("name", "replies", "verdicts"),
    [
        ("demo", "56650dc7598849d1", "d7ad7ad75d7d7fe9"),
        ("paper", "540b1094648e34b5", "792d56af3ec82fdc"),
    ],
)
def test_params_of_replies_and_verdicts_are_unchanged(
    name: str, replies: str, verdicts: str
) -> None:
    check = CheckLayout(layout_of(name))
    assert digest([check.reply_params(*pair) for pair in check.pairs]) == replies
    assert digest([check.judge_params()]) == verdicts
