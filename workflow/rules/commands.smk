# Takes: the shards of the study's asked endpoints, prices, and the answer store.
# Gives: commands for before and after spending: plan, power, preflight, cancel_finetunes,
# cancel_batches, batch_file, import_batch, store, compact. They have no outputs, so each runs
# whenever it is asked for, and no rule depends on them.

# What a study asks about, and the data of its fine-tunes.
TEXTS = [*MEASURES.instrument_files, *MEASURES.persona_files]
TEXTS += [str(data.path) for data in FINETUNES.datasets.values()]


rule plan:
    """Print what the study will ask and cost, and what its recorded files hold; spends nothing."""
    input:
        TEXTS,
        CHECK.questions,
        PRICES,
    log:
        f"{RESULTS}/logs/plan.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        asked=ANSWERS.asked_shards(),
        recorded=ANSWERS.recorded(),
        finetunes=FINETUNES.on_servers(),
        budget=STUDY.budget,
        notes=PLAN.notes,
        check=CHECK.asked(),
        output=f"{RESULTS}/plan.json",
    script:
        "../scripts/plan.py"


rule power:
    """Print what each design can detect and the cheapest that suffices (analysis.power)."""
    input:
        power=f"{RESULTS}/tables/power.csv",
    log:
        f"{RESULTS}/logs/power.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        S_percent=POWER["S_percent"],
        R_percent=POWER["R_percent"],
    script:
        "../scripts/show_power.py"


rule preflight:
    """Try each model x variant with a few requests: reachable, listed, n, logprobs, one backend."""
    input:
        TEXTS,
        CHECK.questions,
    log:
        f"{RESULTS}/logs/preflight.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        asked=ANSWERS.asked_shards(first=True),
        finetunes=FINETUNES.on_servers(),
        baseline=ANALYSIS["baseline"],
        allow_mixed_backends=STUDY.mixed_backends,
        check=CHECK.asked(),
        output=f"{RESULTS}/preflight.csv",
    script:
        "../scripts/preflight.py"


rule cancel_finetunes:
    """Cancel the study's fine-tuning jobs that still run at their servers."""
    log:
        f"{RESULTS}/logs/cancel_finetunes.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        finetunes=FINETUNES.on_servers(),
    script:
        "../scripts/cancel_finetunes.py"


rule cancel_batches:
    """Cancel the study's batches that still run at their servers."""
    input:
        TEXTS,
    log:
        f"{RESULTS}/logs/cancel_batches.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        asked=ANSWERS.asked_shards(first=True),
        finetunes=FINETUNES.on_servers(),
    script:
        "../scripts/cancel_batches.py"


rule batch_file:
    """Write what the store lacks as files of requests for `vllm run-batch`; asks nothing."""
    input:
        TEXTS,
    log:
        f"{RESULTS}/logs/batch_file.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        asked=ANSWERS.asked_shards(),
        finetunes=FINETUNES.on_servers(),
        output=f"{RESULTS}/batch_files",
    script:
        "../scripts/batch_file.py"


rule import_batch:
    """Put the results of such files (--config batch_results=PATH) into the answer store."""
    log:
        "logs/import_batch.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        store=STORE,
        results=PLAN.batch_results(config.get("batch_results")),
    script:
        "../scripts/import_batch.py"


rule store:
    """Verify the answer store; show what it holds, by endpoint and model, and what it cost."""
    log:
        "logs/store.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        store=STORE,
        prices=PRICES,
    script:
        "../scripts/store_contents.py"


rule compact:
    """Rewrite closed files of the answer store to Parquet; what is read stays the same."""
    log:
        "logs/compact.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        store=STORE,
    script:
        "../scripts/compact_store.py"
