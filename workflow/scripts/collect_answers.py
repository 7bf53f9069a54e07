"""Join the shards of one model x variant x probe into one file."""

from pathlib import Path

from persona_collapse.answers import collect_answers
from persona_collapse.common.jobs import run


def collect(inputs: list[str], output: str) -> None:
    """Write the answers of all shards, sorted by slot."""
    collect_answers([Path(shard) for shard in inputs], Path(output))


if __name__ == "__main__":
    run(collect, snakemake)
