# Takes: the checked variants, a set of questions, a judge; or printed numbers, or judged replies.
# Gives: replies/ and judged/<model>/<variant>.parquet, tables/{misalignment,misalignment_questions,
# coherence_loss}.csv and their figures. Only in studies with the key `misalignment`.


rule check_variant:
    """Ask a variant the open questions several times each, and have a blinded judge score replies."""
    input:
        made=ANSWERS.made_input,
        # What the questions say is in the params: a rewritten file asks nothing again.
        questions=ancient(CHECK.questions) if CHECK.questions else [],
    output:
        replies=f"{RESULTS}/replies/{{model}}/{{variant}}.parquet",
        judged=f"{RESULTS}/judged/{{model}}/{{variant}}.parquet",
    log:
        f"{RESULTS}/logs/check/{{model}}/{{variant}}.log",
    localrule: ASK_HERE
    conda:
        "../../environment.yml"
    resources:
        **PLAN.claims(CHECK.reply_endpoint, CHECK.judge_endpoint),
        mem_mb=1000,
        runtime=240,
    params:
        task=CHECK.task,
        modules=CHECK.modules,
        code=CHECK.code,
    script:
        "../scripts/check_variant.py"


rule table_misalignment:
    """Reduce judged replies, or printed numbers, to alignment, coherence and shares."""
    input:
        judged=CHECK.judged(),
        printed=CHECK.printed,
    output:
        variants=report(
            f"{RESULTS}/tables/misalignment.csv",
            caption="../report/table_misalignment.rst",
            category="Tables",
            labels={"table": "Alignment and coherence"},
        ),
        questions=f"{RESULTS}/tables/misalignment_questions.csv",
    log:
        f"{RESULTS}/logs/tables/misalignment.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        input_order=CHECK.judged(),
        pairs=CHECK.pairs,
        labels={look["key"]: look["label"] for look in MODELS_LOOK},
        mixed=MIXED,
        code=code_of("table_misalignment"),
    script:
        "../scripts/table_misalignment.py"


rule table_coherence_loss:
    """Compare the target's excess loss of robustness with its excess loss of coherence."""
    input:
        misalignment=f"{RESULTS}/tables/misalignment.csv",
        contrasts=f"{RESULTS}/tables/contrasts.csv",
        summary=f"{RESULTS}/tables/summary.csv",
    output:
        f"{RESULTS}/tables/coherence_loss.csv",
    log:
        f"{RESULTS}/logs/tables/coherence_loss.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        analysis={
            **{role: ANALYSIS[role] for role in ("baseline", "control", "target")},
            "probe": ANALYSIS["roleplay_probe"],
        },
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_personas"],
        mixed=MIXED,
        code=code_of("table_coherence_loss"),
    script:
        "../scripts/table_coherence_loss.py"


rule figure_alignment_coherence:
    """Draw alignment against coherence, with an arrow from each baseline to its variants."""
    input:
        misalignment=f"{RESULTS}/tables/misalignment.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/alignment_coherence.svg",
            caption="../report/figure_alignment_coherence.rst",
            category="Misalignment",
            labels={"figure": "Alignment against coherence"},
        ),
        pdf=f"{RESULTS}/figures/alignment_coherence.pdf",
        png=f"{RESULTS}/figures/alignment_coherence.png",
    log:
        f"{RESULTS}/logs/figures/alignment_coherence.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_alignment_coherence"),
    script:
        "../scripts/figure_alignment_coherence.py"


rule figure_coherence_loss:
    """Draw the excess loss of robustness over the excess loss of coherence, with Pearson's r."""
    input:
        loss=f"{RESULTS}/tables/coherence_loss.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/coherence_loss.svg",
            caption="../report/figure_coherence_loss.rst",
            category="Misalignment",
            labels={"figure": "Robustness and coherence"},
        ),
        pdf=f"{RESULTS}/figures/coherence_loss.pdf",
        png=f"{RESULTS}/figures/coherence_loss.png",
    log:
        f"{RESULTS}/logs/figures/coherence_loss.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_coherence_loss"),
    script:
        "../scripts/figure_coherence_loss.py"
