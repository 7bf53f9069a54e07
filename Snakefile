# persona-collapse: asks chat models a questionnaire, with and without role-playing personas, and
# turns the answers into a verdict on persona-model collapse. docs/architecture.md is the map.

import sys

from snakemake.utils import min_version

min_version("9.27")

# The package is in the same folder and is imported without an install step.
sys.path.insert(0, str(workflow.current_basedir))


include: "workflow/rules/terminal.smk"


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/answers.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/misalignment.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/commands.smk"


onstart:
    # Snakemake limits how fast jobs start, 100 a second, and for that evaluates all open jobs again
    # one second after every evaluation: their number grows without end. No setting turns the limit
    # off. It has a use only where jobs are submitted to a cluster, so runs on one machine go without.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    if RECORD:
        RECORD.hold(workflow.persistence._lockfile.values(), cluster=not workflow.local_exec)


rule all:
    """Tables, figures, page and provenance: the whole study."""
    default_target: True
    input:
        OUTPUTS.table_files(),
        f"{RESULTS}/tables/headlines.json",
        OUTPUTS.figure_files(),
        OUTPUTS.printed_files(),
        f"{RESULTS}/report/index.html",
        f"{RESULTS}/provenance.json",
    localrule: True
