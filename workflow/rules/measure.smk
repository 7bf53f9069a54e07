# Takes: collected answers, answers/<model>/<variant>/<probe>.parquet.
# Gives: moments, quality and metrics per model x variant x probe, and the study's tables/*.csv.


rule measure_moments:
    """Reduce answers to mean, SD and counts per cell, and count what failed."""
    input:
        answers=f"{RESULTS}/answers/{{model}}/{{variant}}/{{probe}}.parquet",
        instrument=instrument_file,
    output:
        moments=f"{RESULTS}/moments/{{model}}/{{variant}}/{{probe}}.parquet",
        quality=f"{RESULTS}/quality/{{model}}/{{variant}}/{{probe}}.parquet",
    log:
        f"{RESULTS}/logs/moments/{{model}}/{{variant}}/{{probe}}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        design=design,
        code=code_of("measure_moments"),
    script:
        "../scripts/measure_moments.py"


rule measure_metrics:
    """Compute S, R and sigma_bar with standard errors and intervals."""
    input:
        moments=f"{RESULTS}/moments/{{model}}/{{variant}}/{{probe}}.parquet",
        instrument=instrument_file,
    output:
        f"{RESULTS}/metrics/{{model}}/{{variant}}/{{probe}}.parquet",
    log:
        f"{RESULTS}/logs/metrics/{{model}}/{{variant}}/{{probe}}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        seed=STUDY.seed,
        draws={
            "personas": ANALYSIS["bootstrap_personas"],
            "reruns": ANALYSIS["bootstrap_reruns"],
        },
        code=code_of("measure_metrics"),
    script:
        "../scripts/measure_metrics.py"


rule table_metrics:
    """Join the metrics of all variants that were asked under personas."""
    input:
        per_unit("metrics", PERSONA_UNITS),
    output:
        f"{RESULTS}/tables/metrics.csv",
    log:
        f"{RESULTS}/logs/tables/metrics.log",
    conda:
        "../../environment.yml"
    params:
        code=code_of("join_table"),
    script:
        "../scripts/join_table.py"


rule table_quality:
    """Join what became of every designed answer."""
    input:
        per_unit("quality", UNITS),
    output:
        f"{RESULTS}/tables/quality.csv",
    log:
        f"{RESULTS}/logs/tables/quality.log",
    conda:
        "../../environment.yml"
    params:
        code=code_of("join_table"),
    script:
        "../scripts/join_table.py"


rule table_profiles:
    """Compute mean ratings per foundation, of variants and of their personas."""
    input:
        moments=per_unit("moments", UNITS),
        instruments=instrument_files(),
        personas=persona_files(),
    output:
        profiles=f"{RESULTS}/tables/profiles.csv",
        personas=f"{RESULTS}/tables/personas.csv",
    log:
        f"{RESULTS}/logs/tables/profiles.log",
    conda:
        "../../environment.yml"
    params:
        instruments=instruments_by_unit(UNITS),
        persona_sets=persona_sets_by_unit(UNITS),
        code=code_of("table_profiles"),
    script:
        "../scripts/table_profiles.py"
