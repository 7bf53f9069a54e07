"""Join the shards of one model x variant x probe into one file."""

from pathlib import Path

from persona_collapse.answers import collect_answers
from persona_collapse.common.jobs import reported

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        collect_answers([Path(shard) for shard in snakemake.input], Path(snakemake.output[0]))
