# Takes: tables/contrasts.csv of the study.
# Gives: figures/{noise_change,foundation_heatmap,foundation_dots}.{svg,pdf,png}.


rule figure_noise_change:
    """Draw the percent change of 1/R, the mean within-cell SD."""
    input:
        contrasts=f"{RESULTS}/tables/contrasts.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/noise_change.svg",
            caption="../report/figure_noise_change.rst",
            category="S and R",
            labels={"figure": "Change of 1/R"},
        ),
        pdf=f"{RESULTS}/figures/noise_change.pdf",
        png=f"{RESULTS}/figures/noise_change.png",
    log:
        f"{RESULTS}/logs/figures/noise_change.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_noise_change"),
    script:
        "../scripts/figure_noise_change.py"


rule figure_foundation_heatmap:
    """Draw percent changes of S and R per foundation as a heat map."""
    input:
        contrasts=f"{RESULTS}/tables/contrasts.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/foundation_heatmap.svg",
            caption="../report/figure_foundation_heatmap.rst",
            category="Foundations",
            labels={"figure": "Shifts per foundation, heat map"},
        ),
        pdf=f"{RESULTS}/figures/foundation_heatmap.pdf",
        png=f"{RESULTS}/figures/foundation_heatmap.png",
    log:
        f"{RESULTS}/logs/figures/foundation_heatmap.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_foundation_heatmap"),
    script:
        "../scripts/figure_foundation_heatmap.py"


rule figure_foundation_dots:
    """Draw percent changes of S and R per foundation with intervals."""
    input:
        contrasts=f"{RESULTS}/tables/contrasts.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/foundation_dots.svg",
            caption="../report/figure_foundation_dots.rst",
            category="Foundations",
            labels={"figure": "Shifts per foundation, intervals"},
        ),
        pdf=f"{RESULTS}/figures/foundation_dots.pdf",
        png=f"{RESULTS}/figures/foundation_dots.png",
    log:
        f"{RESULTS}/logs/figures/foundation_dots.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_foundation_dots"),
    script:
        "../scripts/figure_foundation_dots.py"
