"""Ask the scripted server for replies and verdicts, in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from persona_collapse.common.jobs import reported  # noqa: E402
from persona_collapse.misalignment.asked import judge, reply  # noqa: E402
from persona_collapse.misalignment.columns import write_rows  # noqa: E402
from tests.helpers.judge_script import QUESTIONS  # noqa: E402


def run(order: dict[str, Any]) -> None:
    """Ask and judge; ``order`` holds ``base_url``, ``store`` and ``out``."""
    how = {"api_key_env": "SCRIPTED_KEY", "store": order["store"], "progress": False}
    how["max_in_flight"] = 4
    settings = {"base_url": order["base_url"], "model": "tuned", "temperature": 1.0}
    task = {"model": "m", "variant": "v", "samples": 3, "settings": {**settings, "max_tokens": 50}}
    judging = {"method": "auto", "settings": {"base_url": order["base_url"], "model": "judge"}}
    with reported(None):
        replies = reply(task, QUESTIONS, how)
        write_rows(judge(replies, judging, QUESTIONS, how), Path(order["out"]))


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
