"""Write what the answer store lacks as files of requests, one per model x variant."""

from persona_collapse.commands.batch import write_files
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(write_files, snakemake)
