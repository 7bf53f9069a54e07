# Takes: tables/profiles.csv of the study, and the instrument for its scale.
# Gives: figures/{saturation_radars,toxic_radars}.{svg,pdf,png}.


rule figure_saturation_radars:
    """Draw the unconditioned profile of every variant, per model."""
    input:
        profiles=f"{RESULTS}/tables/profiles.csv",
        instrument=lambda wildcards: str(ANSWERS.instruments[ANALYSIS["unconditioned_probe"]].path),
    output:
        svg=report(
            f"{RESULTS}/figures/saturation_radars.svg",
            caption="../report/figure_saturation_radars.rst",
            category="Saturation",
            labels={"figure": "Unconditioned profiles"},
        ),
        pdf=f"{RESULTS}/figures/saturation_radars.pdf",
        png=f"{RESULTS}/figures/saturation_radars.png",
    log:
        f"{RESULTS}/logs/figures/saturation_radars.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_saturation_radars"),
    script:
        "../scripts/figure_saturation_radars.py"


rule figure_toxic_radars:
    """Draw the profile of toxic personas beside the unconditioned ones, per model."""
    input:
        profiles=f"{RESULTS}/tables/profiles.csv",
        instrument=lambda wildcards: str(ANSWERS.instruments[ANALYSIS["unconditioned_probe"]].path),
    output:
        svg=report(
            f"{RESULTS}/figures/toxic_radars.svg",
            caption="../report/figure_toxic_radars.rst",
            category="Saturation",
            labels={"figure": "Toxic personas"},
        ),
        pdf=f"{RESULTS}/figures/toxic_radars.pdf",
        png=f"{RESULTS}/figures/toxic_radars.png",
    log:
        f"{RESULTS}/logs/figures/toxic_radars.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_toxic_radars"),
    script:
        "../scripts/figure_toxic_radars.py"
