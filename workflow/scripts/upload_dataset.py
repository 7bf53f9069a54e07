"""Check training data line by line, then upload them to a server, once per content."""

import json
from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.finetuning.data import check_dataset
from persona_collapse.finetuning.runner import Runner


def upload(
    order: dict[str, Any],
    data: str,
    expected: dict[str, Any],
    settings: dict[str, Any],
    output: str,
    partner: str | None = None,
) -> None:
    """Write the data's id at the server of ``order``, with name, digest and size.

    ``partner`` must have the same prompts; ``expected`` holds the number of ``examples`` (or None)
    and whether ``duplicates`` are allowed. Raises ``UserError`` for invalid data, sending nothing.
    """
    checked = check_dataset(Path(data), Path(partner) if partner else None, **expected)
    checked.refuse()
    runner = Runner.of(order, Path(data), settings)
    document = {
        "file": runner.upload(),
        "endpoint": runner.order.base_url,
        "dataset": runner.order.dataset,
        "sha256": checked.sha256,
        "bytes": checked.size,
        "examples": len(checked.examples),
        "matched_with": partner,
    }
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(upload, snakemake, **run_settings(snakemake, "endpoint", "dataset"))
