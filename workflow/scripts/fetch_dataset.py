"""Fetch training data and check their content id."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.finetuning.data import fetch_dataset


def fetch(data: dict[str, Any], mirror: str | None, output: str) -> None:
    """Write the dataset to ``output``; ``data`` holds its name, addresses and content id."""
    fetch_dataset(
        name=data["name"],
        urls=data["urls"],
        blob=data["git_blob"],
        mirror=Path(mirror).expanduser() if mirror else None,
        output=Path(output),
    )


if __name__ == "__main__":
    run(fetch, snakemake, **run_settings(snakemake))
