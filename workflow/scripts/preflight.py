"""Try every model x variant with a few requests, and refuse what would make numbers meaningless."""

from persona_collapse.commands.preflight import preflight_study
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(preflight_study, snakemake)
