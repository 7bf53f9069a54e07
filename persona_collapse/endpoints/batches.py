"""Fill the store for an ``openai`` variant by batches, before its shards are read from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from persona_collapse.asking.batching import Filling, Part
from persona_collapse.asking.settings import Settings
from persona_collapse.endpoints.openai import Shard
from persona_collapse.tasks import Task


def fill(tasks: Sequence[Task], settings: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Ask for what the store lacks of a variant's shards; return what each batch answered.

    ``settings`` are those of the tasks, by probe. With a ``batching`` other than ``batch``, batches
    that were sent before are collected, and none is sent.
    """
    shards = [Shard(task, Settings.of(settings[task.shard.probe])) for task in tasks]
    parts = [
        Part(shard.settings, [cell.key for cell in shard.cells], shard.order) for shard in shards
    ]
    one = shards[0].task.shard
    submits = any(part.settings.batching == "batch" for part in parts)
    return Filling(f"{one.model} {one.variant}", parts, submits).run()
