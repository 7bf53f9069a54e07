"""Try every model x variant with a few requests; fail where numbers would be meaningless."""

from persona_collapse.commands.preflight import preflight_study
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(preflight_study, snakemake)
