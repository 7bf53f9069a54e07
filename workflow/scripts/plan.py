"""Say what a study will make, ask and cost, before anything is spent."""

from persona_collapse.commands.costs import plan_study
from persona_collapse.common.jobs import reported

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        plan_study(
            shards=snakemake.params.shards,
            files=snakemake.params.files,
            settings=snakemake.params.settings,
            making=snakemake.params.making,
            budget=snakemake.params.budget,
            output=snakemake.params.output,
            check=snakemake.params.check,
        )
