# Takes: moments of every model x variant x probe, and those of its baseline.
# Gives: what stands behind S and R: tables/{diagnostics,fidelity,toxic,logprobs}.csv.
# `input_order` in params: Snakemake compares inputs as a set, and rows stand in the study's order.


rule measure_diagnostics:
    """Say what stands behind S and R: noise, variance shares, fidelity, scale use, saturation."""
    input:
        unpack(baseline_moments),
        moments=f"{RESULTS}/moments/{{model}}/{{variant}}/{{probe}}.parquet",
        instrument=instrument_file,
    output:
        f"{RESULTS}/diagnostics/{{model}}/{{variant}}/{{probe}}.parquet",
    log:
        f"{RESULTS}/logs/diagnostics/{{model}}/{{variant}}/{{probe}}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_diagnostics"],
        code=code_of("measure_diagnostics"),
    script:
        "../scripts/measure_diagnostics.py"


rule table_diagnostics:
    """Join the diagnostics of all model x variant x probe."""
    input:
        per_unit("diagnostics", UNITS),
    output:
        report(
            f"{RESULTS}/tables/diagnostics.csv",
            caption="../report/table_diagnostics.rst",
            category="Tables",
            labels={"table": "What stands behind S and R"},
        ),
    log:
        f"{RESULTS}/logs/tables/diagnostics.log",
    conda:
        "../../environment.yml"
    params:
        input_order=per_unit("diagnostics", UNITS),
        mixed=MIXED,
        code=code_of("join_table", "diagnostics"),
    script:
        "../scripts/join_table.py"


rule table_fidelity:
    """Say of every persona how well each variant keeps its profile."""
    input:
        baselines_of(MOVED_UNITS),
        instrument_files(),
        moments=per_unit("moments", MOVED_UNITS),
    output:
        f"{RESULTS}/tables/fidelity.csv",
    log:
        f"{RESULTS}/logs/tables/fidelity.log",
    conda:
        "../../environment.yml"
    params:
        bases=baselines_of(MOVED_UNITS),
        instruments=instruments_by_unit(MOVED_UNITS),
        mixed=MIXED,
        code=code_of("table_fidelity"),
    script:
        "../scripts/table_fidelity.py"


rule table_toxic:
    """Compare unconditioned profiles with the baseline's, its toxic personas' and the ceiling."""
    input:
        baselines_of(BARE_UNITS),
        [path for path in toxic_moments(BARE_UNITS) if path],
        moments=per_unit("moments", BARE_UNITS),
        printed=TOXIC_PRINTED,
        instrument=BARE_INSTRUMENT,
    output:
        f"{RESULTS}/tables/toxic.csv",
    log:
        f"{RESULTS}/logs/tables/toxic.log",
    conda:
        "../../environment.yml"
    params:
        bases=baselines_of(BARE_UNITS),
        toxics=toxic_moments(BARE_UNITS),
        # Printed profiles go by a model's label; else a new label changes nothing here.
        labels=[STUDY.models[u.model].label if TOXIC_PRINTED else None for u in BARE_UNITS],
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_diagnostics"],
        mixed=MIXED,
        code=code_of("table_toxic"),
    script:
        "../scripts/table_toxic.py"


rule table_logprobs:
    """Hold log-probabilities against repeated answers, and against themselves when asked again."""
    input:
        per_unit("answers", LOGPROB_UNITS),
        per_unit("moments", LOGPROB_UNITS),
        [path for path in repeated_moments(LOGPROB_UNITS) if path],
        instrument_files(),
    output:
        f"{RESULTS}/tables/logprobs.csv",
    log:
        f"{RESULTS}/logs/tables/logprobs.log",
    conda:
        "../../environment.yml"
    params:
        units=logprob_units(LOGPROB_UNITS),
        mixed=MIXED,
        code=code_of("table_logprobs"),
    script:
        "../scripts/table_logprobs.py"
