"""Put the results of files of requests into the answer store."""

from persona_collapse.commands.batch import import_results
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(import_results, snakemake)
