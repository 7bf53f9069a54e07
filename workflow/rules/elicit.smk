# Takes: the study's shards, an instrument, a persona set, and for recorded endpoints their files.
# Gives: answers/<model>/<variant>/<probe>/<shard>.parquet and, collected, <probe>.parquet.


if config.get("sampling_on") == "controller":

    localrules:
        answer_shard,


rule answer_shard:
    """Answer one shard from its endpoint: recorded, simulated or asked of a model."""
    input:
        unpack(shard_inputs),
    output:
        f"{RESULTS}/answers/{{model}}/{{variant}}/{{probe}}/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/answers/{{model}}/{{variant}}/{{probe}}/{{shard}}.log",
    conda:
        "../../environment.yml"
    resources:
        **api_slots(),
        mem_mb=1000,
        runtime=240,
    params:
        task=shard_params,
        code=shard_code,
    script:
        "../scripts/answer_shard.py"


rule collect_answers:
    """Join the shards of one model x variant x probe, sorted by slot."""
    input:
        shard_files,
    output:
        f"{RESULTS}/answers/{{model}}/{{variant}}/{{probe}}.parquet",
    log:
        f"{RESULTS}/logs/answers/{{model}}/{{variant}}/{{probe}}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("collect_answers"),
    script:
        "../scripts/collect_answers.py"
