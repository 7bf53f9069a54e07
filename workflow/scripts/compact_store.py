"""Rewrite closed files of the answer store to Parquet; what is read from it stays the same."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.common.log import show
from persona_collapse.store.compaction import compact_store


def compact(store: str) -> None:
    """Compact the store and print what was done."""
    for line in compact_store(Path(store)):
        show(line)


if __name__ == "__main__":
    run(compact, snakemake)
