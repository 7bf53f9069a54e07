# Takes: tables/*.csv of the study, numbers of prior work.
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


localrules:
    figure_collapse_bars,
    figure_prior_band,
    figure_robustness_map,
    figure_saturation_radars,
    figure_toxic_radars,
    figure_noise_change,
    figure_foundation_heatmap,
    figure_foundation_dots,
    figure_quality_bars,
    figure_rating_distributions,
    figure_persona_fidelity,
    figure_variance_ledger,
    figure_toxic_distances,
    figure_temperature_curves,
    figure_power_curves,
    figure_band_distribution,
    figure_trajectory,
    figure_loss_curves,
    figure_alignment_coherence,
    figure_coherence_loss,
