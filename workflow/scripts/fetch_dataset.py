"""Fetch training data and check their content id."""

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.finetuning.data import fetch_dataset

if __name__ == "__main__":
    run(fetch_dataset, snakemake, **run_settings(snakemake))
