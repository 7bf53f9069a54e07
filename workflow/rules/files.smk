# Takes: STUDY and LAYOUT of common.smk.
# Gives: the functions behind inputs and params: which files, and which numbers, a rule is about.

from snakemake.exceptions import WorkflowError


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
    own = LAYOUT.endpoint_files(unit)
    if own:
        files["files"] = own
    made = LAYOUT.made_file(unit.model, unit.variant)
    if made is not None:
        files["made"] = f"{RESULTS}/{made}"
    return files


def shard_params(wildcards):
    """Return what the answers of a shard depend on, as plain values."""
    return LAYOUT.shard_params(shard_of(wildcards))


def shard_code(wildcards):
    """Return the digest of the code behind a shard: its endpoint's, and no other endpoint's."""
    kind = STUDY.variant(unit_of(wildcards)).endpoint.kind
    return code_digest("workflow/scripts/answer_shard.py", str(module_file(kind)))


def code_of(script, *tables):
    """Return the digest of the modules that a script imports, and of contracts it reads by name."""
    contracts = [f"persona_collapse/tables/contracts/{table}.py" for table in tables]
    return code_digest(f"workflow/scripts/{script}.py", *contracts)


def shard_files(wildcards):
    """Return the shards that make up one model x variant x probe."""
    unit = unit_of(wildcards)
    folder = f"{RESULTS}/answers/{unit.model}/{unit.variant}/{unit.probe}"
    return [f"{folder}/{shard.name}.parquet" for shard in LAYOUT.shards[unit]]


def instrument_file(wildcards):
    """Return the instrument of a probe."""
    return str(LAYOUT.instruments[wildcards.probe].path)


def design(wildcards):
    """Return what a unit was designed to hold: personas (or None), repetitions, way of sampling."""
    unit = unit_of(wildcards)
    return {
        "personas": LAYOUT.persona_count(unit.probe),
        "repetitions": LAYOUT.repetitions(unit),
        "method": LAYOUT.method(unit),
        "temperature": STUDY.sampling["temperature"],
    }


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


def table_files(names):
    """Return the CSV files of these tables."""
    return [f"{RESULTS}/tables/{name}.csv" for name in names]


def asked_shards():
    """Return every shard that a model is asked for, in the study's order."""
    return [shard for unit in ASKED for shard in LAYOUT.shards[unit]]


def canary_shards():
    """Return the first shard of every asked model x variant."""
    first = {(shard.model, shard.variant): shard for shard in reversed(asked_shards())}
    return list(reversed(first.values()))


def asked_settings(shard):
    """Return how the model of a shard is asked."""
    return config["run"]["answer_shard"][" ".join(astuple(unit_of(shard)))]


def moments_file(unit):
    """Return the moments of a unit."""
    return f"{RESULTS}/moments/{unit.model}/{unit.variant}/{unit.probe}.parquet"


def baseline_of(unit):
    """Return the same model and probe under the baseline variant; None if it was not asked."""
    found = Unit(unit.model, ANALYSIS["baseline"], unit.probe)
    return found if found in LAYOUT.shards else None


def baselines_of(units):
    """Return the baseline's moments of each unit."""
    return [moments_file(baseline_of(unit)) for unit in units]


def baseline_moments(wildcards):
    """Return the baseline's moments as the input ``base``; nothing for the baseline itself."""
    unit = unit_of(wildcards)
    base = baseline_of(unit)
    return {} if base in (None, unit) else {"base": moments_file(base)}


def toxic_moments(units):
    """Return the moments of the toxic personas that each unit's baseline played, None if none."""
    toxic = [Unit(unit.model, ANALYSIS["baseline"], ANALYSIS["toxic_probe"]) for unit in units]
    return [moments_file(unit) if unit in LAYOUT.shards else None for unit in toxic]


def repeated_moments(units):
    """Return, for units read by log-probabilities, the same cells' moments from repeats, or None."""
    found = []
    for unit in units:
        twins = [
            other
            for other in PERSONA_UNITS
            if (other.model, other.variant) == (unit.model, unit.variant)
            and LAYOUT.method(other) == "repeats"
            and LAYOUT.same_cells(other.probe, unit.probe)
        ]
        found.append(moments_file(twins[0]) if twins else None)
    return found


def logprob_units(units):
    """Return what a comparison of each such unit needs to know."""
    return [
        {
            "answers": per_unit("answers", [unit])[0],
            "moments": moments_file(unit),
            "repeats": repeats,
            "instrument": str(LAYOUT.instruments[unit.probe].path),
            "personas": LAYOUT.persona_count(unit.probe),
            "temperature": STUDY.sampling["temperature"],
        }
        for unit, repeats in zip(units, repeated_moments(units), strict=True)
    ]


def pilots():
    """Return the moments that a plan starts from: each model's baseline and, if asked, its target.

    None where the study plans from planted values: nothing needs to be asked for that.
    """
    if POWER["planted"]:
        return {}
    probe = ANALYSIS["roleplay_probe"]
    roles = (ANALYSIS["baseline"], ANALYSIS["target"])
    found = {
        model: [unit for role in roles if (unit := Unit(model, role, probe)) in LAYOUT.shards]
        for model in STUDY.models
    }
    return {
        model: [moments_file(unit) for unit in units] for model, units in found.items() if units
    }
