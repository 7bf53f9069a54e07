# Takes: collected answers, answers/<model>/<variant>/<probe>.parquet.
# Gives: moments, quality and metrics per model x variant x probe, and the study's tables/*.csv.
# `input_order` in params: Snakemake compares inputs as a set, and rows stand in the study's order.


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


rule measure_temperature:
    """Compute S and R over a grid of temperatures from log-probabilities."""
    input:
        answers=f"{RESULTS}/answers/{{model}}/{{variant}}/{{probe}}.parquet",
        instrument=instrument_file,
    output:
        f"{RESULTS}/temperature/{{model}}/{{variant}}/{{probe}}.parquet",
    log:
        f"{RESULTS}/logs/temperature/{{model}}/{{variant}}/{{probe}}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        design=design,
        grid=STUDY.sampling["temperature_grid"],
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_personas"],
        code=code_of("measure_temperature"),
    script:
        "../scripts/measure_temperature.py"


rule table_temperature:
    """Join the temperature curves of all variants that were read by log-probabilities."""
    input:
        per_unit("temperature", LOGPROB_UNITS),
    output:
        f"{RESULTS}/tables/temperature.csv",
    log:
        f"{RESULTS}/logs/tables/temperature.log",
    conda:
        "../../environment.yml"
    params:
        input_order=per_unit("temperature", LOGPROB_UNITS),
        mixed=MIXED,
        code=code_of("join_table", "temperature"),
    script:
        "../scripts/join_table.py"


rule table_metrics:
    """Join the metrics of all variants that were asked under personas."""
    input:
        per_unit("metrics", PERSONA_UNITS),
    output:
        report(
            f"{RESULTS}/tables/metrics.csv",
            caption="../report/table_metrics.rst",
            category="Tables",
            labels={"table": "S, R and their errors"},
        ),
    log:
        f"{RESULTS}/logs/tables/metrics.log",
    conda:
        "../../environment.yml"
    params:
        input_order=per_unit("metrics", PERSONA_UNITS),
        mixed=MIXED,
        code=code_of("join_table", "metrics"),
    script:
        "../scripts/join_table.py"


rule table_quality:
    """Join what became of every designed answer."""
    input:
        per_unit("quality", UNITS),
    output:
        report(
            f"{RESULTS}/tables/quality.csv",
            caption="../report/table_quality.rst",
            category="Tables",
            labels={"table": "What became of every answer"},
        ),
    log:
        f"{RESULTS}/logs/tables/quality.log",
    conda:
        "../../environment.yml"
    params:
        input_order=per_unit("quality", UNITS),
        mixed=MIXED,
        code=code_of("join_table", "quality"),
    script:
        "../scripts/join_table.py"


rule table_profiles:
    """Compute mean ratings per foundation, of variants and of their personas."""
    input:
        instrument_files(),
        persona_files(),
        moments=per_unit("moments", UNITS),
    output:
        profiles=report(
            f"{RESULTS}/tables/profiles.csv",
            caption="../report/table_profiles.rst",
            category="Tables",
            labels={"table": "Profiles per foundation"},
        ),
        personas=f"{RESULTS}/tables/personas.csv",
    log:
        f"{RESULTS}/logs/tables/profiles.log",
    conda:
        "../../environment.yml"
    params:
        instruments=instruments_by_unit(UNITS),
        persona_sets=persona_sets_by_unit(UNITS),
        input_order=per_unit("moments", UNITS),
        mixed=MIXED,
        code=code_of("table_profiles"),
    script:
        "../scripts/table_profiles.py"
