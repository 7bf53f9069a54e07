"""Fetch training data and hold them against their content id."""

from pathlib import Path

from persona_collapse.console import reported
from persona_collapse.finetuning.datasets import fetch_dataset

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        mirror = snakemake.params.mirror
        fetch_dataset(
            name=snakemake.params.data["name"],
            urls=snakemake.params.data["urls"],
            blob=snakemake.params.data["git_blob"],
            mirror=Path(mirror).expanduser() if mirror else None,
            output=Path(snakemake.output[0]),
        )
