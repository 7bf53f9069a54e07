"""Rewrite closed files of the answer store to Parquet; what is read from it stays the same."""

from pathlib import Path

from persona_collapse.common.jobs import reported
from persona_collapse.store.compaction import compact_store

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        for line in compact_store(Path(snakemake.params.store)):
            print(line)
