# Takes: the checked variants, a set of questions, a judge; or printed numbers, or judged replies.
# Gives: replies/ and judged/<model>/<variant>.parquet, tables/{misalignment,misalignment_questions,
# coherence_loss}.csv and their figures. Only in studies with the key `misalignment`.


rule check_variant:
    """Ask a variant the open questions several times each, and have a blinded judge score replies."""
    input:
        # A variant with the same replies; this one then reads them from the store.
        ancient(PLAN.precedence.checked),
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
        "../envs/asking.yml"
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
        variants=report(f"{RESULTS}/tables/misalignment.csv", **OUTPUTS.in_report("misalignment")),
        questions=f"{RESULTS}/tables/misalignment_questions.csv",
    log:
        f"{RESULTS}/logs/tables/misalignment.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        input_order=CHECK.judged(),
        recorded=CHECK.recorded_as(),
        pairs=CHECK.pairs,
        labels=LABELS,
        mixed=MIXED,
        code=code_of("table_misalignment"),
    script:
        "../scripts/table_misalignment.py"


LOSS_TABLES = ("misalignment", "contrasts", "summary")


rule table_coherence_loss:
    """Compare each target's excess loss of robustness with its excess loss of coherence."""
    input:
        [f"{RESULTS}/tables/{table}.csv" for table in LOSS_TABLES],
    output:
        f"{RESULTS}/tables/coherence_loss.csv",
    log:
        f"{RESULTS}/logs/tables/coherence_loss.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        analysis={name: ANALYSIS[name] for name in ("baseline", "targets", "roleplay_probe")},
        seed=STUDY.seed,
        draws=ANALYSIS["bootstrap_personas"],
        mixed=MIXED,
        code=code_of("table_coherence_loss", *LOSS_TABLES),
    script:
        "../scripts/table_coherence_loss.py"
