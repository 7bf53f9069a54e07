# Takes: config/config.yaml and the study file it names.
# Gives: the study's plan (persona_collapse/plan) by stage, the constants that the rules share, and
# one target per stage.

import os
import re
import sys
from datetime import datetime
from pathlib import Path

from snakemake.logging import logger

from persona_collapse.handover.bundle import bundle_of, study_file
from persona_collapse.commands.recorded import outcomes
from persona_collapse.common.faults import check
from persona_collapse.common.errors import UserError
from persona_collapse.common.log import plain_text
from persona_collapse.figures.catalogue import rules as figure_rules
from persona_collapse.plan.answers import Places
from persona_collapse.plan.band import asked_by
from persona_collapse.plan.code import ROOT, code_of, let_scripts_import
from persona_collapse.plan.locks import Record, clear_locks
from persona_collapse.plan.study import Plan
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.settings import RunSettings
from persona_collapse.tables.index import all_tables
from persona_collapse.terminal.about import About
from persona_collapse.terminal.work import Planned

let_scripts_import()

# A name for this run, which its jobs inherit wherever they run: a fault that only the user can fix,
# such as a refused key, then also stops the shards that have not begun.
RUN = "PERSONA_COLLAPSE_RUN"
if workflow.is_main_process:
    os.environ[RUN] = f"{datetime.now():%Y%m%dT%H%M%S}-{os.getpid()}"

try:
    if Path.cwd().resolve() != ROOT:
        raise UserError(
            f"run snakemake in the project's own folder, {ROOT}, where its paths lead; "
            "--config results=PATH puts outputs elsewhere, study=PATH names a study elsewhere"
        )
    # Of --config, Snakemake reads True and False as values, but true and false as texts.
    config.update({k: v == "true" for k, v in config.items() if v in ("true", "false")})
    check(config, RunSettings, "config (config/config.yaml and --config)")
    STUDY = load_study(
        study_file(
            find_study(config["study"]), Path(config.get("results", "results")) / ".bundles"
        ),
        settings={"published_root": config.get("published_root")},
        models=config.get("models"),
    )
    RESULTS = f"{config.get('results', 'results')}/{STUDY.name}"
    STORE = config.get("store", "answer_store")
    PRICES = config.get("prices", "resources/prices.yaml")
    FIGURE_WIDTH = config.get("figure_width", "page")
    ACCEPT_ERRORS = config.get("accept_errors", False)
    STOPS = f"{RESULTS}/logs/stops/{os.environ[RUN]}" if RUN in os.environ else None
    PLAN = Plan(STUDY, Places(RESULTS, STORE, PRICES, STOPS, ACCEPT_ERRORS))
    if workflow.is_main_process and PLAN.spends:
        # Faults of recorded files, before anything is asked.
        outcomes(PLAN.answers.recorded())
        PLAN.misalignment.check_recorded()
except UserError as fault:
    # To standard error, where --quiet does not reach. A WorkflowError would be followed by places
    # in this file, which say nothing to a user.
    sys.exit(f"persona-collapse: {plain_text(fault)}")
if TERMINAL:
    TERMINAL.about = About(
        PLAN,
        sys.argv,
        lambda: [
            Planned(
                workflow.dag.jobid(job),
                job.rule.name,
                Path(job.rule.snakefile).stem,
                dict(job.wildcards_dict),
                [str(path) for path in job.output],
                workflow.dag.needrun(job),
            )
            for job in workflow.dag.jobs
        ],
        lambda: workflow.dryrun,
    )
for note in PLAN.notes:
    logger.warning(f"Note: {plain_text(note)}")

# Snakemake takes its locks later, and only one that is left by a killed run can be in the way.
RECORD = None
if workflow.is_main_process:
    for note in clear_locks(Path(".snakemake")):
        logger.warning(f"Note: {note}.")
    RECORD = Record(Path(".snakemake"), RUN, os.environ[RUN])
    RECORD.begin()

ANSWERS, FINETUNES, CHECK = PLAN.answers, PLAN.finetunes, PLAN.misalignment
MEASURES, OUTPUTS = PLAN.measures, PLAN.outputs

UNITS = MEASURES.units
PERSONA_UNITS = MEASURES.persona_units
ANALYSIS = MEASURES.analysis
LABELS = OUTPUTS.labels

# The captions of `snakemake --report` are in the config, which Snakemake does not compare, so that
# an edited caption computes and draws nothing again.
config["captions"] = OUTPUTS.captions()

# Models whose variants different servers answered: every table and figure says so.
MIXED = [model.key for model in STUDY.models.values() if model.mixed_backends]

POWER = STUDY.analysis["power"]
if config.get("planted"):
    POWER = {**POWER, "planted": {name: float(x) for name, x in config["planted"].items()}}
PILOTS = MEASURES.pilots(bool(POWER["planted"]))

# Jobs read their run settings from the config, which Snakemake does not compare: a changed limit,
# budget or mirror reruns nothing.
config["run"] = PLAN.run_settings((config.get("resources") or {}).get("mirror"))

# How many jobs ask an endpoint at once: as many as the tokens they claim are found in its
# max_in_flight, unless --resources api_slots_<endpoint>=N or a profile says otherwise.
for endpoint, slots in PLAN.slots().items():
    if f"api_slots_{endpoint}" not in workflow.global_resources:
        workflow.register_resource(f"api_slots_{endpoint}", slots)

# Shards and fine-tunes run beside Snakemake where compute nodes have no internet.
ASK_HERE = config.get("sampling_on") == "controller"


wildcard_constraints:
    model="|".join(map(re.escape, sorted(STUDY.models))),
    variant="|".join(map(re.escape, sorted(STUDY.variant_names))),
    probe="|".join(map(re.escape, sorted(STUDY.probes))),
    dataset="|".join(map(re.escape, sorted(FINETUNES.datasets))) or "-",
    endpoint="|".join(map(re.escape, sorted(STUDY.endpoints))),
    shard=r"(p\d+-\d+_)?i\d+-\d+_r\d+-\d+",


rule all_resources:
    """Every instrument and persona set of the study, fetched where it is not bundled."""
    input:
        MEASURES.instrument_files,
        MEASURES.persona_files,
    localrule: True


rule all_finetunes:
    """Every fine-tune of the study: its model's id and its loss curve."""
    input:
        [path for *_, path in FINETUNES.curves()],
    localrule: True


rule all_answers:
    """Collected answers of every model x variant x probe."""
    input:
        MEASURES.files("answers", UNITS),
    localrule: True


rule all_moments:
    """Moments of every model x variant x probe."""
    input:
        MEASURES.files("moments", UNITS),
    localrule: True


rule all_metrics:
    """S, R and sigma_bar of every model x variant that was asked under personas."""
    input:
        MEASURES.files("metrics", PERSONA_UNITS),
    localrule: True


rule all_tables:
    """Every table of the study."""
    input:
        OUTPUTS.table_files(),
    localrule: True
