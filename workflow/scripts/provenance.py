"""Write where a study's numbers come from."""

from pathlib import Path

from persona_collapse.common.jobs import reported
from persona_collapse.handover.provenance import write_provenance

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        write_provenance(
            study=snakemake.params.study,
            files=[Path(path) for path in snakemake.input.files],
            path=Path(snakemake.output[0]),
            questions=snakemake.input.questions or None,
        )
