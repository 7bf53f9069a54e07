# Takes: moments of every model x variant x probe, tables/metrics.csv and the earlier models' numbers.
# Gives: the study's comparisons: contrasts, band, headlines, power.
# `input_order` in params: Snakemake compares inputs as a set, and rows stand in the study's order.


rule table_contrasts:
    """Compare variants in pairs of the same personas: intervals, swap tests, averages over models."""
    input:
        instrument_files(),
        moments=per_unit("moments", PERSONA_UNITS),
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
        input_order=per_unit("moments", PERSONA_UNITS),
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


rule table_power:
    """Plan a study from this one, or from planted values: what each design can show."""
    input:
        [path for paths in PILOTS.values() for path in paths],
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
