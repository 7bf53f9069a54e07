"""Print what a study will fine-tune, request and cost, before anything is spent."""

from persona_collapse.commands.plan import plan_study
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(plan_study, snakemake)
