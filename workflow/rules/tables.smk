# Takes: the shards of answers, shards/<model>/<variant>/<probe>/<shard>.parquet.
# Gives: per model x variant x probe collected answers, moments, quality, metrics and diagnostics,
# as <kind>/<model>/<variant>/<probe>.parquet, and from them tables/*.csv.
# `input_order` in params: Snakemake compares inputs as a set, but rows are in the study's order.


rule measure_unit:
    """Collect the answers of one model x variant x probe, reduce them to moments and measure them.

    One job, since starting a process costs more than most of these measures.
    """
    input:
        shards=ANSWERS.shard_files,
        base=MEASURES.baseline_moments,
        instrument=ANSWERS.instrument,
    output:
        **{
            kind: f"{RESULTS}/{kind}/{{model}}/{{variant}}/{{probe}}.parquet"
            for kind in ("answers", "moments", "quality", "metrics", "diagnostics")
        },
    log:
        f"{RESULTS}/logs/measures/{{model}}/{{variant}}/{{probe}}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        design=MEASURES.design,
        seed=STUDY.seed,
        draws={
            "personas": ANALYSIS["bootstrap_personas"],
            "reruns": ANALYSIS["bootstrap_reruns"],
            "diagnostics": ANALYSIS["bootstrap_diagnostics"],
        },
        code=code_of("measure_unit"),
    script:
        "../scripts/measure_unit.py"


rule measure_temperature:
    """Compute S and R over a grid of temperatures from log-probabilities."""
    input:
        answers=f"{RESULTS}/answers/{{model}}/{{variant}}/{{probe}}.parquet",
        instrument=ANSWERS.instrument,
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
        design=MEASURES.design,
        grid=STUDY.sampling["temperature_grid"],
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_personas"],
        code=code_of("measure_temperature"),
    script:
        "../scripts/measure_temperature.py"


rule join_table:
    """Join the rows of every model x variant x probe in one table."""
    input:
        lambda wildcards: MEASURES.joined(wildcards.table),
    output:
        report(f"{RESULTS}/tables/{{table}}.csv", **OUTPUTS.in_report("{table}")),
    log:
        f"{RESULTS}/logs/tables/{{table}}.log",
    wildcard_constraints:
        table="metrics|quality|diagnostics|temperature",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        input_order=lambda wildcards: MEASURES.joined(wildcards.table),
        mixed=MIXED,
        code=lambda wildcards: code_of("join_table", wildcards.table),
    script:
        "../scripts/join_table.py"


# One job per module of measures: an edited module makes its own tables again and no others.
for measure, tables in OUTPUTS.unit_tables().items():
    units = MEASURES.read_by(tables)

    rule:
        """Compute tables from one unit at a time, by the functions that their contracts name."""
        name:
            f"table_{measure.replace('.', '_')}"
        input:
            sorted({path for unit in units for path in unit.values() if isinstance(path, str)}),
        output:
            tables=[
                report(f"{RESULTS}/tables/{t.name}.csv", **OUTPUTS.in_report(t.name))
                for t in tables
            ],
        log:
            f"{RESULTS}/logs/tables/{measure}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            functions={table.name: [table.function, *table.reads] for table in tables},
            units=units,
            mixed=MIXED,
            code=code_of(
                "unit_tables",
                *(table.name for table in tables),
                modules=[f"persona_collapse.measures.{measure}"],
            ),
        script:
            "../scripts/unit_tables.py"


rule table_toxic:
    """Compare unconditioned profiles with the baseline's, its toxic personas' and the ceiling."""
    input:
        MEASURES.baselines(MEASURES.bare_units),
        [path for path in MEASURES.toxic if path],
        moments=MEASURES.files("moments", MEASURES.bare_units),
        printed=ANALYSIS["toxic_printed"] or [],
        instrument=MEASURES.bare_instrument,
    output:
        f"{RESULTS}/tables/toxic.csv",
    log:
        f"{RESULTS}/logs/tables/toxic.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        bases=MEASURES.baselines(MEASURES.bare_units),
        toxics=MEASURES.toxic,
        labels=MEASURES.toxic_labels,
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_diagnostics"],
        mixed=MIXED,
        code=code_of("table_toxic"),
    script:
        "../scripts/table_toxic.py"


rule table_logprobs:
    """Compare log-probabilities with repeated answers, and with themselves when asked again."""
    input:
        MEASURES.instrument_files,
        MEASURES.logprob_files,
    output:
        f"{RESULTS}/tables/logprobs.csv",
    log:
        f"{RESULTS}/logs/tables/logprobs.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        units=MEASURES.logprobs,
        mixed=MIXED,
        code=code_of("table_logprobs"),
    script:
        "../scripts/table_logprobs.py"


rule table_contrasts:
    """Compare variants in pairs of the same personas: intervals, tests, averages."""
    input:
        MEASURES.instrument_files,
        moments=MEASURES.files("moments", PERSONA_UNITS),
    output:
        contrasts=report(f"{RESULTS}/tables/contrasts.csv", **OUTPUTS.in_report("contrasts")),
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
        instruments=MEASURES.instruments(PERSONA_UNITS),
        seed=STUDY.seed,
        analysis=ANALYSIS,
        replicates=MEASURES.replicates,
        input_order=MEASURES.files("moments", PERSONA_UNITS),
        mixed=MIXED,
        code=code_of("table_contrasts"),
    script:
        "../scripts/table_contrasts.py"


rule table_multiverse:
    """Compute S, R and the verdict under other choices of the analysis."""
    input:
        moments=MEASURES.files("moments", MEASURES.roleplay_units),
        answers=MEASURES.files("answers", MEASURES.roleplay_units),
        contrasts=f"{RESULTS}/tables/contrasts.csv",
        instrument=MEASURES.roleplay_instrument,
    output:
        report(f"{RESULTS}/tables/multiverse.csv", **OUTPUTS.in_report("multiverse")),
    log:
        f"{RESULTS}/logs/tables/multiverse.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        designs=[MEASURES.design(unit) for unit in MEASURES.roleplay_units],
        analysis=ANALYSIS,
        replicates=MEASURES.replicates,
        input_order=MEASURES.files("moments", MEASURES.roleplay_units),
        mixed=MIXED,
        code=code_of("table_multiverse"),
    script:
        "../scripts/table_multiverse.py"


rule table_replicates:
    """Compare replicate fine-tunes: is an effect larger than that of another training seed?"""
    input:
        MEASURES.instrument_files,
        moments=MEASURES.files("moments", MEASURES.replicate_units),
    output:
        report(f"{RESULTS}/tables/replicates.csv", **OUTPUTS.in_report("replicates")),
    log:
        f"{RESULTS}/logs/tables/replicates.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        instruments=MEASURES.instruments(MEASURES.replicate_units),
        baseline=ANALYSIS["baseline"],
        replicates=MEASURES.replicates,
        input_order=MEASURES.files("moments", MEASURES.replicate_units),
        mixed=MIXED,
        code=code_of("table_replicates"),
    script:
        "../scripts/table_replicates.py"


rule table_band:
    """Place every variant against the band of earlier models."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
    output:
        band=report(f"{RESULTS}/tables/band.csv", **OUTPUTS.in_report("band")),
        values=f"{RESULTS}/tables/band_values.csv",
        models=f"{RESULTS}/tables/band_models.csv",
    log:
        f"{RESULTS}/logs/tables/band.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        earlier=OUTPUTS.band.rows,
        probes=OUTPUTS.band.probes,
        mixed=MIXED,
        code=code_of("table_band"),
    script:
        "../scripts/table_band.py"


rule table_moderation:
    """Ask whether the change of S and R depends on the baseline's S and R, over models."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        contrasts=f"{RESULTS}/tables/contrasts.csv",
    output:
        f"{RESULTS}/tables/moderation.csv",
    log:
        f"{RESULTS}/logs/tables/moderation.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        analysis=ANALYSIS,
        code=code_of("table_moderation", "metrics", "contrasts"),
    script:
        "../scripts/table_moderation.py"


rule table_claims:
    """Decide the paper's claims, and compare its printed tables number by number."""
    input:
        tables=OUTPUTS.claim_inputs(),
        paper=STUDY.analysis["claims"] or [],
        printed=OUTPUTS.printed_numbers or [],
    output:
        claims=report(f"{RESULTS}/tables/claims.csv", **OUTPUTS.in_report("claims")),
        numbers=f"{RESULTS}/tables/printed_numbers.csv",
    log:
        f"{RESULTS}/logs/tables/claims.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        labels=LABELS,
        probes={role: ANALYSIS[f"{role}_probe"] for role in ("roleplay", "unconditioned", "toxic")},
        code=code_of("table_claims", *(Path(p).stem for p in OUTPUTS.claim_inputs())),
    script:
        "../scripts/table_claims.py"


rule table_power:
    """Plan a study from this one, or from planted values: what each design can show."""
    input:
        [path for paths in PILOTS.values() for path in paths],
        instrument=MEASURES.roleplay_instrument,
    output:
        f"{RESULTS}/tables/power.csv",
    log:
        f"{RESULTS}/logs/tables/power.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        pilots=PILOTS,
        plan=POWER,
        mixed=MIXED,
        code=code_of("table_power"),
    script:
        "../scripts/table_power.py"


rule table_trajectory:
    """Follow S, R and saturation over training steps, and compare them with the baseline."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        diagnostics=f"{RESULTS}/tables/diagnostics.csv",
        moments=MEASURES.files("moments", MEASURES.checkpoint_units),
        instrument=MEASURES.roleplay_instrument,
    output:
        f"{RESULTS}/tables/trajectory.csv",
    log:
        f"{RESULTS}/logs/tables/trajectory.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        steps=STUDY.steps(),
        probes=[ANALYSIS["roleplay_probe"], ANALYSIS["unconditioned_probe"]],
        baseline=ANALYSIS["baseline"],
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_personas"],
        mixed=MIXED,
        code=code_of("table_trajectory"),
    script:
        "../scripts/table_trajectory.py"


rule table_losses:
    """Join the loss curves of all fine-tunes."""
    input:
        [path for *_, path in FINETUNES.curves()],
    output:
        f"{RESULTS}/tables/losses.csv",
    log:
        f"{RESULTS}/logs/tables/losses.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        curves=FINETUNES.curves(),
        mixed=MIXED,
        code=code_of("table_losses"),
    script:
        "../scripts/table_losses.py"


VERDICT_TABLES = ["metrics", "contrasts", "influence", "identification"]
VERDICT_TABLES += ["misalignment"] if CHECK.exists else []


rule table_verdict:
    """Decide a verdict per model and target, with the numbers that it rests on."""
    input:
        [f"{RESULTS}/tables/{table}.csv" for table in VERDICT_TABLES],
    output:
        report(f"{RESULTS}/tables/verdict.csv", **OUTPUTS.in_report("verdict")),
    log:
        f"{RESULTS}/logs/tables/verdict.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        analysis={
            name: ANALYSIS[name]
            for name in ("baseline", "targets", "roleplay_probe", "smallest_effect")
        },
        replicates=MEASURES.replicates,
        mixed=MIXED,
        code=code_of("table_verdict", *VERDICT_TABLES),
    script:
        "../scripts/table_verdict.py"


HEADLINE_TABLES = (
    *("metrics", "contrasts", "summary", "leave_one_out", "random_effects"),
    *("band", "band_values", "profiles", "verdict", "multiverse", "novelty"),
)


rule headlines:
    """Recompute the study's claims, each with an interval, and put the verdicts in words."""
    input:
        OUTPUTS.made(HEADLINE_TABLES),
    output:
        f"{RESULTS}/tables/headlines.json",
    log:
        f"{RESULTS}/logs/tables/headlines.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        analysis=ANALYSIS,
        replicates=MEASURES.replicates,
        code=code_of("headlines", *HEADLINE_TABLES),
    script:
        "../scripts/headlines.py"
