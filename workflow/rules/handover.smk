# Takes: everything that a finished study has under results/<study>/, and the texts it was asked with.
# Gives: <study>.bundle.zip for a colleague, and tables and figure of checkpoints where there are any.


rule bundle:
    """Pack the finished study into one archive that can be analysed again (docs/handover.md)."""
    input:
        instrument_files(),
        persona_files(),
        files=[
            *per_unit("answers", UNITS),
            *per_unit("moments", UNITS),
            *(judged_files() if CHECK_ASKED else []),
            *table_files(TABLES),
            f"{RESULTS}/tables/headlines.json",
            *expand(f"{RESULTS}/tables/{{table}}.{{form}}", table=PRINTED, form=["md", "tex"]),
            *figure_files(FIGURES),
            f"{RESULTS}/report/index.html",
            f"{RESULTS}/provenance.json",
        ],
    output:
        f"{RESULTS}/{STUDY.name}.bundle.zip",
    log:
        f"{RESULTS}/logs/bundle.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        plan=bundle_of(LAYOUT),
        code=code_of("bundle", *TABLES),
    script:
        "../scripts/bundle.py"


rule table_trajectory:
    """Follow S, R and saturation over the training steps of checkpoints."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        diagnostics=f"{RESULTS}/tables/diagnostics.csv",
    output:
        f"{RESULTS}/tables/trajectory.csv",
    log:
        f"{RESULTS}/logs/tables/trajectory.log",
    conda:
        "../../environment.yml"
    params:
        steps=STUDY.steps(),
        probes=[ANALYSIS["roleplay_probe"], ANALYSIS["unconditioned_probe"]],
        mixed=MIXED,
        code=code_of("table_trajectory"),
    script:
        "../scripts/table_trajectory.py"


rule figure_trajectory:
    """Draw S, R and saturation over training steps."""
    input:
        trajectory=f"{RESULTS}/tables/trajectory.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/trajectory.svg",
            caption="../report/figure_trajectory.rst",
            category="S and R",
            labels={"figure": "Over training steps"},
        ),
        pdf=f"{RESULTS}/figures/trajectory.pdf",
        png=f"{RESULTS}/figures/trajectory.png",
    log:
        f"{RESULTS}/logs/figures/trajectory.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_trajectory"),
    script:
        "../scripts/figure_trajectory.py"
