# Takes: the shards of the study's asked endpoints, prices, and the answer store.
# Gives: targets to use by name before and after spending: plan, power, preflight,
# cancel_finetunes, store, compact.
# They have no outputs, so each runs whenever it is asked for, and no other rule waits for them.


localrules:
    plan,
    power,
    preflight,
    cancel_finetunes,
    store,
    compact,


rule plan:
    """Say what the study will ask and cost: requests, answers, tokens, dollars; spends nothing."""
    input:
        instrument_files(),
        persona_files(),
        [str(data.path) for data in MAKE.datasets.values()],
        str(CHECK.source.path) if CHECK_ASKED else [],
        PRICES,
    log:
        f"{RESULTS}/logs/plan.log",
    conda:
        "../../environment.yml"
    params:
        shards=[LAYOUT.shard_params(shard) for shard in asked_shards()],
        files=[LAYOUT.shard_inputs(unit_of(shard)) for shard in asked_shards()],
        settings=[asked_settings(shard) for shard in asked_shards()],
        making=making(),
        budget=STUDY.budget,
        check=check_plan(),
        output=f"{RESULTS}/plan.json",
    script:
        "../scripts/plan.py"


rule power:
    """Say what each design can detect and which is the cheapest that suffices (analysis.power)."""
    input:
        power=f"{RESULTS}/tables/power.csv",
    log:
        f"{RESULTS}/logs/power.log",
    conda:
        "../../environment.yml"
    params:
        S_percent=POWER["S_percent"],
        R_percent=POWER["R_percent"],
    script:
        "../scripts/show_power.py"


rule preflight:
    """Try each model x variant with a few requests: reachable, listed, n, logprobs, one stack."""
    input:
        instrument_files(),
        persona_files(),
        [str(data.path) for data in MAKE.datasets.values()],
        str(CHECK.source.path) if CHECK_ASKED else [],
    log:
        f"{RESULTS}/logs/preflight.log",
    conda:
        "../../environment.yml"
    params:
        shards=[LAYOUT.shard_params(shard) for shard in canary_shards()],
        files=[LAYOUT.shard_inputs(unit_of(shard)) for shard in canary_shards()],
        settings=[asked_settings(shard) for shard in canary_shards()],
        making=making(),
        baseline=ANALYSIS["baseline"],
        allow_mixed_stacks=STUDY.mixed_stacks,
        check=check_plan(),
        output=f"{RESULTS}/preflight.csv",
    script:
        "../scripts/preflight.py"


rule cancel_finetunes:
    """Cancel the study's fine-tuning jobs that still run at their servers."""
    log:
        f"{RESULTS}/logs/cancel_finetunes.log",
    conda:
        "../../environment.yml"
    params:
        making=making(),
    script:
        "../scripts/cancel_finetunes.py"


rule store:
    """Show what the answer store holds, by endpoint and model, and what it cost."""
    log:
        "logs/store.log",
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
    conda:
        "../../environment.yml"
    params:
        store=STORE,
    script:
        "../scripts/compact_store.py"
