# Takes: config/config.yaml and the study file it names.
# Gives: STUDY and LAYOUT, the constants that the rules share, and the functions behind their
# inputs and params. This file has no rules, and no other file has functions.

import re
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from persona_collapse.documents import check
from persona_collapse.errors import UserError
from persona_collapse.imports import code_digest, let_scripts_import
from persona_collapse.layout import Layout
from persona_collapse.study import Unit, find_study, load_study

let_scripts_import()


def open_study():
    """Return the study that the run settings name, cut into shards; a fault is one message."""
    try:
        check(config, "config", "config (config/config.yaml and --config)")
        study = load_study(
            find_study(config["study"]),
            settings={"published_root": config.get("published_root")},
            models=config.get("models"),
        )
        layout = Layout(study)
        warning = layout.check_size()
        layout.check_recorded()
        layout.check_planted()
    except UserError as fault:
        raise WorkflowError(str(fault)) from None
    if warning:
        logger.warning(warning)
    return study, layout


STUDY, LAYOUT = open_study()
RESULTS = f"{config.get('results', 'results')}/{STUDY.name}"

UNITS = list(LAYOUT.shards)
PERSONA_UNITS = [unit for unit in UNITS if STUDY.has_personas(unit.probe)]
SHARDS = {
    (s.model, s.variant, s.probe, s.name): s for shards in LAYOUT.shards.values() for s in shards
}

TABLES = [f"{RESULTS}/tables/{name}.csv" for name in ("metrics", "profiles", "personas", "quality")]

MODELS_LOOK = LAYOUT.look()
VARIANT_NAMES = STUDY.variant_names
ANALYSIS = STUDY.analysis


def alternatives(names):
    """Return a pattern that matches exactly these names."""
    return "|".join(re.escape(name) for name in sorted(set(names)))


wildcard_constraints:
    model=alternatives(STUDY.models),
    variant=alternatives(VARIANT_NAMES),
    probe=alternatives(STUDY.probes),
    shard=r"(p\d+-\d+_)?i\d+-\d+_r\d+-\d+",


def unit_of(wildcards):
    """Return the model x variant x probe that a job is about."""
    return Unit(wildcards.model, wildcards.variant, wildcards.probe)


def shard_of(wildcards):
    """Return the shard that a job is about; refuse one that the study does not have."""
    key = (wildcards.model, wildcards.variant, wildcards.probe, wildcards.shard)
    if key not in SHARDS:
        raise WorkflowError(f"the study {STUDY.name!r} has no shard {'/'.join(key)}")
    return SHARDS[key]


def shard_inputs(wildcards):
    """Return the files behind a shard. What its texts say is in its params, block by block, so the
    instrument and persona files count as old: a line appended to them reruns no other block."""
    unit = unit_of(wildcards)
    files = {name: ancient(path) for name, path in LAYOUT.shard_inputs(unit).items()}
    recorded = LAYOUT.recorded_file(unit)
    return files if recorded is None else {**files, "recorded": str(recorded)}


def shard_params(wildcards):
    """Return what the answers of a shard depend on, as plain values."""
    return LAYOUT.shard_params(shard_of(wildcards))


def shard_code(wildcards):
    """Return the digest of the code behind a shard: its endpoint's, and no other endpoint's."""
    kind = STUDY.variant(unit_of(wildcards)).endpoint.kind
    return code_digest("workflow/scripts/answer_shard.py", f"persona_collapse/endpoints/{kind}.py")


def code_of(script):
    """Return the digest of the package's modules that a script imports."""
    return code_digest(f"workflow/scripts/{script}.py")


def shard_files(wildcards):
    """Return the shards that make up one model x variant x probe."""
    unit = unit_of(wildcards)
    folder = f"{RESULTS}/answers/{unit.model}/{unit.variant}/{unit.probe}"
    return [f"{folder}/{shard.name}.parquet" for shard in LAYOUT.shards[unit]]


def instrument_file(wildcards):
    """Return the instrument of a probe."""
    return str(LAYOUT.instruments[wildcards.probe].path)


def design(wildcards):
    """Return the numbers of personas (None when unconditioned) and repetitions of a probe."""
    probe = STUDY.probes[wildcards.probe]
    return {"personas": LAYOUT.persona_count(probe.name), "repetitions": probe.repetitions}


def per_unit(kind, units):
    """Return the files of one kind (answers, moments, metrics, quality) of some units."""
    return [f"{RESULTS}/{kind}/{u.model}/{u.variant}/{u.probe}.parquet" for u in units]


def instrument_files():
    """Return the instruments of the study, each once."""
    return sorted({str(source.path) for source in LAYOUT.instruments.values()})


def persona_files():
    """Return the persona sets of the study, each once."""
    return sorted({str(source.path) for source in LAYOUT.personas.values()})


def instruments_by_unit(units):
    """Return the instrument of each unit."""
    return [str(LAYOUT.instruments[unit.probe].path) for unit in units]


def persona_sets_by_unit(units):
    """Return the persona set of each unit, None where it is unconditioned."""
    sets = {probe: str(source.path) for probe, source in LAYOUT.personas.items()}
    return [sets.get(unit.probe) for unit in units]
