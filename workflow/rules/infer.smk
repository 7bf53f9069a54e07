# Takes: moments of every model x variant x probe, tables/metrics.csv and the earlier models' numbers.
# Gives: the study's comparisons: contrasts, band, headlines, diagnostics, fidelity, toxic, power.
# `order` in params: Snakemake compares inputs as a set, and rows stand in the study's order.


rule table_contrasts:
    """Compare variants in pairs of the same personas: intervals, swap tests, averages over models."""
    input:
        moments=per_unit("moments", PERSONA_UNITS),
        instruments=instrument_files(),
    output:
        contrasts=report(
            f"{RESULTS}/tables/contrasts.csv",
            caption="../report/table_contrasts.rst",
            category="Tables",
            labels={"table": "Contrasts between variants"},
        ),
        summary=f"{RESULTS}/tables/summary.csv",
        leave_one_out=f"{RESULTS}/tables/leave_one_out.csv",
        random_effects=f"{RESULTS}/tables/random_effects.csv",
    log:
        f"{RESULTS}/logs/tables/contrasts.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        instruments=instruments_by_unit(PERSONA_UNITS),
        seed=STUDY.seed,
        analysis=ANALYSIS,
        replicates=REPLICATES,
        order=per_unit("moments", PERSONA_UNITS),
        mixed=MIXED,
        code=code_of("table_contrasts"),
    script:
        "../scripts/table_contrasts.py"


rule table_band:
    """Place every variant against the band of earlier models."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        prior="resources/benchmarks/prior_models.csv",
    output:
        band=report(
            f"{RESULTS}/tables/band.csv",
            caption="../report/table_band.rst",
            category="Tables",
            labels={"table": "Against the band of earlier models"},
        ),
        values=f"{RESULTS}/tables/band_values.csv",
    log:
        f"{RESULTS}/logs/tables/band.log",
    conda:
        "../../environment.yml"
    params:
        inclusion=ANALYSIS["band"],
        mixed=MIXED,
        code=code_of("table_band"),
    script:
        "../scripts/table_band.py"


rule headlines:
    """Recompute the study's claims, each with an interval, and a verdict per model."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        contrasts=f"{RESULTS}/tables/contrasts.csv",
        summary=f"{RESULTS}/tables/summary.csv",
        leave_one_out=f"{RESULTS}/tables/leave_one_out.csv",
        random_effects=f"{RESULTS}/tables/random_effects.csv",
        band=f"{RESULTS}/tables/band.csv",
        band_values=f"{RESULTS}/tables/band_values.csv",
        profiles=f"{RESULTS}/tables/profiles.csv",
    output:
        f"{RESULTS}/tables/headlines.json",
    log:
        f"{RESULTS}/logs/tables/headlines.log",
    conda:
        "../../environment.yml"
    params:
        analysis=ANALYSIS,
        labels={look["key"]: look["label"] for look in MODELS_LOOK},
        replicates=REPLICATES,
        code=code_of("headlines"),
    script:
        "../scripts/headlines.py"


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
        order=per_unit("diagnostics", UNITS),
        mixed=MIXED,
        code=code_of("join_table"),
    script:
        "../scripts/join_table.py"


rule table_fidelity:
    """Say of every persona how well each variant keeps its profile."""
    input:
        moments=per_unit("moments", MOVED_UNITS),
        bases=baselines_of(MOVED_UNITS),
        instruments=instrument_files(),
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
        moments=per_unit("moments", BARE_UNITS),
        bases=baselines_of(BARE_UNITS),
        toxics=[path for path in toxic_moments(BARE_UNITS) if path],
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
        labels=[STUDY.models[unit.model].label for unit in BARE_UNITS],
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_diagnostics"],
        mixed=MIXED,
        code=code_of("table_toxic"),
    script:
        "../scripts/table_toxic.py"


rule table_logprobs:
    """Hold log-probabilities against repeated answers, and against themselves when asked again."""
    input:
        answers=per_unit("answers", LOGPROB_UNITS),
        moments=per_unit("moments", LOGPROB_UNITS),
        repeats=[path for path in repeated_moments(LOGPROB_UNITS) if path],
        instruments=instrument_files(),
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


rule table_power:
    """Plan a study from this one, or from planted values: what each design can show."""
    input:
        moments=[path for paths in PILOTS.values() for path in paths],
        instrument=ROLEPLAY_INSTRUMENT,
    output:
        f"{RESULTS}/tables/power.csv",
    log:
        f"{RESULTS}/logs/tables/power.log",
    conda:
        "../../environment.yml"
    params:
        pilots=PILOTS,
        plan=POWER,
        mixed=MIXED,
        code=code_of("table_power"),
    script:
        "../scripts/table_power.py"
