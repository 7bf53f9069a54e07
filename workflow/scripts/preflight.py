"""Try every model x variant with a few requests, and refuse what would make numbers meaningless."""

from persona_collapse.commands.preflight import preflight_study
from persona_collapse.common.jobs import reported

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        preflight_study(
            shards=snakemake.params.shards,
            files=snakemake.params.files,
            settings=snakemake.params.settings,
            making=snakemake.params.making,
            baseline=snakemake.params.baseline,
            allow_mixed_stacks=snakemake.params.allow_mixed_stacks,
            output=snakemake.params.output,
            check=snakemake.params.check,
        )
