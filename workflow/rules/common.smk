# Takes: config/config.yaml and the study file it names.
# Gives: STUDY and LAYOUT, the constants that the rules share, and the functions behind their
# wildcards and slots. This file, outputs.smk and *files.smk have no rules; no other file has functions.

import os
import re
import sys
from dataclasses import astuple
from datetime import datetime
from pathlib import Path

from snakemake.logging import logger

from persona_collapse.handover.bundle import bundle_of, study_file
from persona_collapse.common.faults import check
from persona_collapse.common.yaml import read_yaml
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.base import module_file
from persona_collapse.plan.finetunes import MakingLayout
from persona_collapse.plan.code import ROOT, code_digest, let_scripts_import
from persona_collapse.plan.misalignment import check_layout
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.checks import check_inputs, check_size
from persona_collapse.plan.replicates import replicates_of
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.model import RunSettings, Unit

let_scripts_import()


def open_study():
    """Return the study that the run settings name, cut into shards; a fault is one message."""
    try:
        if Path.cwd().resolve() != ROOT:
            raise UserError(
                f"run snakemake in the project's own folder, {ROOT}, where its paths lead; "
                "--config results=PATH puts outputs elsewhere, study=PATH names a study elsewhere"
            )
        check(config, RunSettings, "config (config/config.yaml and --config)")
        unpacked = Path(config.get("results", "results")) / ".bundles"
        study = load_study(
            study_file(find_study(config["study"]), unpacked),
            settings={"published_root": config.get("published_root")},
            models=config.get("models"),
        )
        layout = Layout(study)
        warning = check_size(layout)
        check_inputs(layout)
        layout.check_endpoints()
        parts = check_layout(layout), MakingLayout(layout)
    except UserError as fault:
        # A WorkflowError would be followed by places in this file, which say nothing to a user.
        logger.error(f"persona-collapse: {fault}")
        sys.exit(1)
    if warning:
        logger.warning(warning)
    return study, layout, *parts


STUDY, LAYOUT, CHECK, MAKE = open_study()
RESULTS = f"{config.get('results', 'results')}/{STUDY.name}"

UNITS = list(LAYOUT.shards)
PERSONA_UNITS = [unit for unit in UNITS if STUDY.has_personas(unit.probe)]
LOGPROB_UNITS = [unit for unit in PERSONA_UNITS if LAYOUT.method(unit) == "logprobs"]
SHARDS = {
    (s.model, s.variant, s.probe, s.name): s for shards in LAYOUT.shards.values() for s in shards
}

# Models whose variants different servers answered: every table and figure says so.
MIXED = [model.key for model in STUDY.models.values() if model.mixed_stacks]

MODELS_LOOK = LAYOUT.look()
VARIANT_NAMES = STUDY.variant_names
POWER = STUDY.analysis["power"]
if config.get("planted"):
    POWER = {**POWER, "planted": {name: float(x) for name, x in config["planted"].items()}}
ANALYSIS = {name: value for name, value in STUDY.analysis.items() if name != "power"}

# A name for this run, which its jobs inherit wherever they run: what only the user can mend, such as
# a refused key, then stops the shards that have not begun, too.
RUN = "PERSONA_COLLAPSE_RUN"
if workflow.is_main_process:
    os.environ[RUN] = f"{datetime.now():%Y%m%dT%H%M%S}-{os.getpid()}"
STOPS = f"{RESULTS}/logs/stops/{os.environ[RUN]}" if RUN in os.environ else None

# Run settings: what changes how a job works but not what it writes. Jobs read them from the config,
# which Snakemake does not compare, so that a changed limit or mirror reruns nothing. Keys: the rule,
# then the values of the job's wildcards, joined by spaces (persona_collapse/common/jobs.py).
MIRROR = {"": {"mirror": (config.get("resources") or {}).get("mirror")}}
config["run"] = {"external_resource": MIRROR, "fetch_dataset": MIRROR}

ASKED = [unit for unit in UNITS if LAYOUT.endpoint(unit).sends_requests]
STORE = config.get("store", "answer_store")
PRICES = config.get("prices", "resources/prices.yaml")
config["run"]["answer_shard"] = {
    " ".join(astuple(unit)): {
        **LAYOUT.asked_settings(unit),
        "store": STORE,
        "prices": PRICES,
        "stops": STOPS,
    }
    for unit in ASKED
}

# One token per request in flight; an endpoint grants as many as its max_in_flight, unless
# --resources api_slots_<endpoint>=N or a profile says otherwise.
ENDPOINTS = sorted(
    {STUDY.variant(unit).endpoint.name for unit in ASKED}
    | set(CHECK.asked_endpoints() if CHECK else [])
)
for endpoint in ENDPOINTS:
    if f"api_slots_{endpoint}" not in workflow.global_resources:
        workflow.register_resource(f"api_slots_{endpoint}", LAYOUT.slots(endpoint)[1])


def api_slots():
    """Return what a shard claims of each asked endpoint: its own one's tokens, nothing of others."""

    def claim(endpoint):
        return lambda wildcards: (
            LAYOUT.slots(endpoint)[0]
            if STUDY.variant(unit_of(wildcards)).endpoint.name == endpoint
            else 0
        )

    return {f"api_slots_{endpoint}": claim(endpoint) for endpoint in ENDPOINTS}


def alternatives(names):
    """Return a pattern that matches exactly these names."""
    return "|".join(re.escape(name) for name in sorted(set(names)))


wildcard_constraints:
    model=alternatives(STUDY.models),
    variant=alternatives(VARIANT_NAMES),
    probe=alternatives(STUDY.probes),
    dataset=alternatives(MAKE.datasets) if LAYOUT.made else "-",
    endpoint=alternatives(STUDY.endpoints),
    shard=r"(p\d+-\d+_)?i\d+-\d+_r\d+-\d+",
