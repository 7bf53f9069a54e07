# Takes: training data (bundled, fetched or one's own) and the orders of MAKE.
# Gives: finetune/<model>/<variant>.json, which says which model a made variant is, its loss curve
# beside it, tables/losses.csv and figures/loss_curves. Jobs are journaled under the answer store,
# so that running these rules again, whatever the reason, orders nothing twice.


if config.get("sampling_on") == "controller":

    localrules:
        upload_dataset,
        make_variant,


rule fetch_dataset:
    """Fetch training data and hold them against their content id."""
    output:
        "resources/external/datasets/{file}.jsonl",
    log:
        "logs/resources/datasets/{file}.log",
    wildcard_constraints:
        file="[^/]+",
    conda:
        "../../environment.yml"
    params:
        data=fetched_dataset,
    script:
        "../scripts/fetch_dataset.py"


rule upload_dataset:
    """Check training data line by line, then upload them to a server, once per content."""
    input:
        unpack(dataset_inputs),
    output:
        f"{RESULTS}/finetune/uploads/{{endpoint}}/{{dataset}}.json",
    log:
        f"{RESULTS}/logs/finetune/uploads/{{endpoint}}/{{dataset}}.log",
    conda:
        "../../environment.yml"
    threads: 0
    resources:
        mem_mb=500,
        runtime=60,
        cpus_per_task=1,
    params:
        expected=dataset_expected,
        content=dataset_content,
    script:
        "../scripts/upload_dataset.py"


rule make_variant:
    """Make a variant: begin its fine-tuning job once, follow it, write the model's id and losses."""
    input:
        order_upload,
        data=order_data,
    output:
        made=f"{RESULTS}/finetune/{{model}}/{{variant}}.json",
        losses=f"{RESULTS}/finetune/{{model}}/{{variant}}.parquet",
    log:
        f"{RESULTS}/logs/finetune/{{model}}/{{variant}}.log",
    conda:
        "../../environment.yml"
    # A job that waits for a server takes no core from those that compute.
    threads: 0
    resources:
        mem_mb=500,
        runtime=2880,
        cpus_per_task=1,
    params:
        order=order_of,
        code=code_of("make_variant"),
    script:
        "../scripts/make_variant.py"


rule table_losses:
    """Join the loss curves of all made variants."""
    input:
        [path for *_, path in loss_files()],
    output:
        f"{RESULTS}/tables/losses.csv",
    log:
        f"{RESULTS}/logs/tables/losses.log",
    conda:
        "../../environment.yml"
    params:
        curves=loss_files(),
        mixed=MIXED,
        code=code_of("table_losses"),
    script:
        "../scripts/table_losses.py"


rule figure_loss_curves:
    """Draw the loss curves of the made variants."""
    input:
        losses=f"{RESULTS}/tables/losses.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/loss_curves.svg",
            caption="../report/figure_loss_curves.rst",
            category="Fine-tunes",
            labels={"figure": "Loss curves"},
        ),
        pdf=f"{RESULTS}/figures/loss_curves.pdf",
        png=f"{RESULTS}/figures/loss_curves.png",
    log:
        f"{RESULTS}/logs/figures/loss_curves.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("figure_loss_curves"),
    script:
        "../scripts/figure_loss_curves.py"
