"""Fetch training data and hold them against their content id."""

from pathlib import Path

from persona_collapse.common.jobs import reported
from persona_collapse.finetuning.datasets import fetch_dataset

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        # Not through params: the content is the same, whichever road it comes by.
        mirror = (snakemake.config.get("resources") or {}).get("mirror")
        fetch_dataset(
            name=snakemake.params.data["name"],
            urls=snakemake.params.data["urls"],
            blob=snakemake.params.data["git_blob"],
            mirror=Path(mirror).expanduser() if mirror else None,
            output=Path(snakemake.output[0]),
        )
