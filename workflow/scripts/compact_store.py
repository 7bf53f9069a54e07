"""Rewrite closed files of the answer store to Parquet; what is read from it stays the same."""

from persona_collapse.commands.store import compact
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(compact, snakemake)
