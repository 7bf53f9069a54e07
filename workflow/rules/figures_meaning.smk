# Takes: the tables that say what stands behind S and R.
# Gives: figures/<name>.{svg,pdf,png}, one rule per figure.


rule figure_rating_distributions:
    """Draw how often each variant gives each rating under personas."""
    input:
        diagnostics=f"{RESULTS}/tables/diagnostics.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/rating_distributions.svg",
            caption="../report/figure_rating_distributions.rst",
            category="Use of the scale",
            labels={"figure": "Rating distributions"},
        ),
        pdf=f"{RESULTS}/figures/rating_distributions.pdf",
        png=f"{RESULTS}/figures/rating_distributions.png",
    log:
        f"{RESULTS}/logs/figures/rating_distributions.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_rating_distributions"),
    script:
        "../scripts/figure_rating_distributions.py"


rule figure_persona_fidelity:
    """Draw every persona under each variant against itself under the baseline."""
    input:
        personas=f"{RESULTS}/tables/personas.csv",
        fidelity=f"{RESULTS}/tables/fidelity.csv",
        diagnostics=f"{RESULTS}/tables/diagnostics.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/persona_fidelity.svg",
            caption="../report/figure_persona_fidelity.rst",
            category="What S means",
            labels={"figure": "Persona fidelity"},
        ),
        pdf=f"{RESULTS}/figures/persona_fidelity.pdf",
        png=f"{RESULTS}/figures/persona_fidelity.png",
    log:
        f"{RESULTS}/logs/figures/persona_fidelity.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_persona_fidelity"),
    script:
        "../scripts/figure_persona_fidelity.py"


rule figure_variance_ledger:
    """Draw what part of the variance of ratings belongs to personas, items and repetitions."""
    input:
        diagnostics=f"{RESULTS}/tables/diagnostics.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/variance_ledger.svg",
            caption="../report/figure_variance_ledger.rst",
            category="What S means",
            labels={"figure": "Variance ledger"},
        ),
        pdf=f"{RESULTS}/figures/variance_ledger.pdf",
        png=f"{RESULTS}/figures/variance_ledger.png",
    log:
        f"{RESULTS}/logs/figures/variance_ledger.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_variance_ledger"),
    script:
        "../scripts/figure_variance_ledger.py"


rule figure_toxic_distances:
    """Draw how far unconditioned profiles lie from the baseline, toxic personas and the ceiling."""
    input:
        toxic=f"{RESULTS}/tables/toxic.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/toxic_distances.svg",
            caption="../report/figure_toxic_distances.rst",
            category="Saturation",
            labels={"figure": "Distances to toxic personas and the ceiling"},
        ),
        pdf=f"{RESULTS}/figures/toxic_distances.pdf",
        png=f"{RESULTS}/figures/toxic_distances.png",
    log:
        f"{RESULTS}/logs/figures/toxic_distances.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_toxic_distances"),
    script:
        "../scripts/figure_toxic_distances.py"


rule figure_temperature_curves:
    """Draw S and R over sampling temperature, from log-probabilities."""
    input:
        temperature=f"{RESULTS}/tables/temperature.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/temperature_curves.svg",
            caption="../report/figure_temperature_curves.rst",
            category="S and R",
            labels={"figure": "S and R over temperature"},
        ),
        pdf=f"{RESULTS}/figures/temperature_curves.pdf",
        png=f"{RESULTS}/figures/temperature_curves.png",
    log:
        f"{RESULTS}/logs/figures/temperature_curves.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_temperature_curves"),
    script:
        "../scripts/figure_temperature_curves.py"


rule figure_power_curves:
    """Draw which changes of S and R designs can detect."""
    input:
        power=f"{RESULTS}/tables/power.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/power_curves.svg",
            caption="../report/figure_power_curves.rst",
            category="Planning",
            labels={"figure": "Detectable changes"},
        ),
        pdf=f"{RESULTS}/figures/power_curves.pdf",
        png=f"{RESULTS}/figures/power_curves.png",
    log:
        f"{RESULTS}/logs/figures/power_curves.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        wanted=[POWER["S_percent"], POWER["R_percent"]],
        code=code_of("figure_power_curves"),
    script:
        "../scripts/figure_power_curves.py"
