# Takes: tables/{metrics,band,band_values}.csv of the study and the earlier models' numbers.
# Gives: figures/band_distribution.{svg,pdf,png}.


rule figure_band_distribution:
    """Draw the predicted distribution of base models with the study's variants against it."""
    input:
        metrics=f"{RESULTS}/tables/metrics.csv",
        band=f"{RESULTS}/tables/band.csv",
        band_values=f"{RESULTS}/tables/band_values.csv",
        prior="resources/benchmarks/prior_models.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/band_distribution.svg",
            caption="../report/figure_band_distribution.rst",
            category="S and R",
            labels={"figure": "Variants against the distribution of base models"},
        ),
        pdf=f"{RESULTS}/figures/band_distribution.pdf",
        png=f"{RESULTS}/figures/band_distribution.png",
    log:
        f"{RESULTS}/logs/figures/band_distribution.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_band_distribution"),
    script:
        "../scripts/figure_band_distribution.py"
