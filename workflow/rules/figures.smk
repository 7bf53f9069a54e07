# Takes: tables/*.csv of the study, numbers of prior work, and the instrument for its scale.
# Gives: figures/<name>.{svg,pdf,png}, one rule per figure.


rule figure_collapse_bars:
    """Draw S and R of every model and variant with the percent change against the baseline."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        contrasts=f"{RESULTS}/tables/contrasts.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/collapse_bars.svg",
            caption="../report/figure_collapse_bars.rst",
            category="S and R",
            labels={"figure": "S and R with percent change"},
        ),
        pdf=f"{RESULTS}/figures/collapse_bars.pdf",
        png=f"{RESULTS}/figures/collapse_bars.png",
    log:
        f"{RESULTS}/logs/figures/collapse_bars.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_collapse_bars"),
    script:
        "../scripts/figure_collapse_bars.py"


rule figure_prior_band:
    """Draw S of every variant against the band of published models."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        prior="resources/benchmarks/prior_models.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/prior_band.svg",
            caption="../report/figure_prior_band.rst",
            category="S and R",
            labels={"figure": "S against the published band"},
        ),
        pdf=f"{RESULTS}/figures/prior_band.pdf",
        png=f"{RESULTS}/figures/prior_band.png",
    log:
        f"{RESULTS}/logs/figures/prior_band.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_prior_band"),
    script:
        "../scripts/figure_prior_band.py"


rule figure_robustness_map:
    """Draw the R-S map with an arrow from each baseline to each of its variants."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/robustness_map.svg",
            caption="../report/figure_robustness_map.rst",
            category="S and R",
            labels={"figure": "R-S map"},
        ),
        pdf=f"{RESULTS}/figures/robustness_map.pdf",
        png=f"{RESULTS}/figures/robustness_map.png",
    log:
        f"{RESULTS}/logs/figures/robustness_map.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_robustness_map"),
    script:
        "../scripts/figure_robustness_map.py"


rule figure_saturation_radars:
    """Draw the unconditioned profile of every variant, per model."""
    input:
        profiles=f"{RESULTS}/tables/profiles.csv",
        instrument=lambda wildcards: str(LAYOUT.instruments[ANALYSIS["unconditioned_probe"]].path),
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
        instrument=lambda wildcards: str(LAYOUT.instruments[ANALYSIS["unconditioned_probe"]].path),
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


rule figure_quality_bars:
    """Draw the share of designed answers that are missing, by cause."""
    input:
        quality=f"{RESULTS}/tables/quality.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/quality_bars.svg",
            caption="../report/figure_quality_bars.rst",
            category="Quality",
            labels={"figure": "Answers lost, by cause"},
        ),
        pdf=f"{RESULTS}/figures/quality_bars.pdf",
        png=f"{RESULTS}/figures/quality_bars.png",
    log:
        f"{RESULTS}/logs/figures/quality_bars.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_quality_bars"),
    script:
        "../scripts/figure_quality_bars.py"
