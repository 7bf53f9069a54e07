# Takes: the study's shards, an instrument, a persona set, and for recorded endpoints their files.
# Gives: shards/<model>/<variant>/<probe>/<shard>.parquet.


rule fill_by_batch:
    """Fill the answer store for a variant by batches at half the price, and wait for them."""
    input:
        # What their texts say is in the params.
        ancient(ANSWERS.batch_texts),
        made=ANSWERS.made_input,
    output:
        f"{RESULTS}/batches/{{model}}/{{variant}}.json",
    log:
        f"{RESULTS}/logs/batches/{{model}}/{{variant}}.log",
    localrule: ASK_HERE
    conda:
        "../envs/asking.yml"
    # A job that waits for a server takes no core from those that compute.
    threads: 0
    resources:
        mem_mb=2000,
        runtime=2880,
        cpus_per_task=1,
    params:
        tasks=ANSWERS.batch_tasks,
        ask_again=ANSWERS.batch_again,
    script:
        "../scripts/fill_by_batch.py"


rule answer_shard:
    """Answer one shard from its endpoint: recorded, simulated or asked of a model."""
    input:
        # Shards that ask for the same answers; this one then reads them from the store.
        ancient(PLAN.precedence.shards),
        # Counts as old: it says only that the store was filled.
        ancient(ANSWERS.batch_file),
        # What their texts say is in the params, block by block, so these files count as old: a
        # line appended to them reruns no other block.
        instrument=ancient(ANSWERS.instrument),
        personas=ancient(ANSWERS.persona_set),
        files=ANSWERS.endpoint_files,
        made=ANSWERS.made_input,
    output:
        f"{RESULTS}/shards/{{model}}/{{variant}}/{{probe}}/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/answers/{{model}}/{{variant}}/{{probe}}/{{shard}}.log",
    localrule: ASK_HERE
    conda:
        "../envs/asking.yml"
    resources:
        **PLAN.claims(ANSWERS.endpoint_name),
        mem_mb=1000,
        runtime=240,
    params:
        task=ANSWERS.task,
        code=ANSWERS.code,
    script:
        "../scripts/answer_shard.py"
