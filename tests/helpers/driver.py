"""A process of its own that asks the scripted server for a shard and writes its Parquet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from persona_collapse.answers import write_answers  # noqa: E402
from persona_collapse.common.jobs import reported  # noqa: E402
from persona_collapse.endpoints.openai import OpenAI  # noqa: E402
from persona_collapse.store import leases  # noqa: E402
from tests.helpers.made_tasks import make_task  # noqa: E402


def run(order: dict[str, Any]) -> None:
    """Ask for one shard; ``order`` holds ``settings``, ``task`` (its sizes) and ``out``.

    ``leases`` may hold other values of the constants of ``store.leases``.
    """
    for name, seconds in order.get("leases", {}).items():
        setattr(leases, name, seconds)
    with reported(None):
        frame = OpenAI().answer(make_task(**order["task"]), order["settings"])
        write_answers(frame, Path(order["out"]))


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
