# persona-collapse: asks chat models a questionnaire, with and without role-playing personas, and
# turns the answers into a verdict on persona-model collapse. docs/architecture.md is the map.

import sys

from snakemake.utils import min_version

min_version("9.27")

# The package lies beside this file and is imported with no install step.
sys.path.insert(0, str(workflow.current_basedir))


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/finetune_files.smk"
include: "workflow/rules/misalignment_files.smk"
include: "workflow/rules/files.smk"
include: "workflow/rules/outputs.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/asking.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/elicit.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/diagnose.smk"
include: "workflow/rules/replicates.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/figures_change.smk"
include: "workflow/rules/figures_saturation.smk"
include: "workflow/rules/figures_meaning.smk"
include: "workflow/rules/figures_band.smk"
include: "workflow/rules/misalignment.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/handover.smk"
include: "workflow/rules/targets.smk"


rule all:
    """Tables, figures, page and provenance: the whole study."""
    default_target: True
    input:
        table_files(TABLES),
        f"{RESULTS}/tables/headlines.json",
        figure_files(FIGURES),
        expand(f"{RESULTS}/tables/{{table}}.{{form}}", table=PRINTED, form=["md", "tex"]),
        f"{RESULTS}/report/index.html",
        f"{RESULTS}/provenance.json",


localrules:
    all,
