# Takes: training data (bundled, fetched or one's own) and the orders of FINETUNES.
# Gives: finetune/<model>/<variant>.json, which names the fine-tuned model, and its loss curve.
# Jobs are journaled in the answer store, so that a rerun of these rules, whatever the reason, orders
# nothing twice.


rule fetch_dataset:
    """Fetch training data and check their content id."""
    output:
        "resources/external/datasets/{file}.jsonl",
    log:
        "logs/resources/datasets/{file}.log",
    wildcard_constraints:
        file="[^/]+",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        data=FINETUNES.fetched,
    script:
        "../scripts/fetch_dataset.py"


rule upload_dataset:
    """Check training data line by line, then upload them to a server, once per content."""
    input:
        data=FINETUNES.dataset,
        # Counts as old: its other lines change no model that is trained on this dataset.
        partner=ancient(FINETUNES.partner),
    output:
        f"{RESULTS}/finetune/uploads/{{endpoint}}/{{dataset}}.json",
    log:
        f"{RESULTS}/logs/finetune/uploads/{{endpoint}}/{{dataset}}.log",
    localrule: ASK_HERE
    conda:
        "../envs/asking.yml"
    threads: 0
    resources:
        mem_mb=500,
        runtime=60,
        cpus_per_task=1,
    params:
        expected=lambda wildcards: FINETUNES.datasets[wildcards.dataset].expected,
        content=lambda wildcards: FINETUNES.datasets[wildcards.dataset].git_blob,
    script:
        "../scripts/upload_dataset.py"


rule make_variant:
    """Fine-tune a variant: start its job once, follow it, write the model's id and losses."""
    input:
        FINETUNES.upload,
        data=FINETUNES.data,
    output:
        made=f"{RESULTS}/finetune/{{model}}/{{variant}}.json",
        losses=f"{RESULTS}/finetune/{{model}}/{{variant}}.parquet",
    log:
        f"{RESULTS}/logs/finetune/{{model}}/{{variant}}.log",
    localrule: ASK_HERE
    conda:
        "../envs/asking.yml"
    # A job that waits for a server takes no core from those that compute.
    threads: 0
    resources:
        mem_mb=500,
        runtime=2880,
        cpus_per_task=1,
    params:
        order=FINETUNES.order,
        code=code_of("make_variant"),
    script:
        "../scripts/make_variant.py"
