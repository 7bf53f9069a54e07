# Takes: MAKE, the variants that the study makes.
# Gives: the functions behind the rules of finetune.smk, and how jobs are run.

from snakemake.exceptions import WorkflowError

# How jobs are run that make variants: known to them through the config, which no rerun looks at. A
# simulated job is no paid one: its journal stands with the results.
MAKING = {
    name: {
        **MAKE.settings(name),
        "store": (
            STORE if STUDY.endpoints[name].kind == "openai" else f"{RESULTS}/finetune/simulated"
        ),
        "prices": PRICES,
    }
    for name in MAKE.endpoints
}
config["run"]["upload_dataset"] = MAKE.uploads(MAKING)
config["run"]["make_variant"] = {
    " ".join(names): MAKING[MAKE.endpoint(*names)] for names in MAKE.orders
}


def order_of(wildcards):
    """Return what is ordered for a made variant, as plain values."""
    return MAKE.orders[wildcards.model, wildcards.variant]


def order_endpoint(wildcards):
    """Return the name of the endpoint that a made variant is made on."""
    return MAKE.endpoint(wildcards.model, wildcards.variant)


def order_data(wildcards):
    """Return the training data of a made variant."""
    return str(MAKE.datasets[order_of(wildcards)["dataset"]].path)


def order_upload(wildcards):
    """Return the file that says under which id a made variant's data lie on its server."""
    endpoint, dataset = order_endpoint(wildcards), order_of(wildcards)["dataset"]
    return f"{RESULTS}/finetune/uploads/{endpoint}/{dataset}.json"


def dataset_inputs(wildcards):
    """Return a dataset and, where it has one, the dataset that must have the same prompts. That one
    counts as old: its other lines change no model that is made of this one."""
    data = MAKE.datasets[wildcards.dataset]
    files = {"data": str(data.path)}
    partner = partner_of(wildcards.dataset)
    return files if partner is None else {**files, "partner": ancient(partner)}


def dataset_content(wildcards):
    """Return the content id of a dataset."""
    return MAKE.datasets[wildcards.dataset].git_blob


def dataset_expected(wildcards):
    """Return what a dataset must be: its number of examples, whether duplicates may stand."""
    return MAKE.datasets[wildcards.dataset].expected


def fetched_dataset(wildcards):
    """Return name, addresses and content id of a fetched dataset."""
    path = f"resources/external/datasets/{wildcards.file}.jsonl"
    for data in MAKE.datasets.values():
        if str(data.path) == path:
            return {"name": data.name, "urls": list(data.urls), "git_blob": data.git_blob}
    raise WorkflowError(f"the study {STUDY.name!r} names no dataset {wildcards.file}")


def loss_files():
    """Return model, variant and loss curve of every made variant, in the study's order."""
    return [
        [model, variant, f"{RESULTS}/finetune/{model}/{variant}.parquet"]
        for model, variant in MAKE.orders
    ]


def partner_of(dataset):
    """Return the file that must have the same prompts as a dataset, None where none must."""
    partner = MAKE.datasets[dataset].matched_with
    return None if partner is None else str(MAKE.datasets[partner].path)


def making():
    """Return what plan, preflight and cancel_finetunes know of every variant made on a server."""
    return [
        {
            "order": order,
            "data": str(MAKE.datasets[order["dataset"]].path),
            "partner": partner_of(order["dataset"]),
            "expected": MAKE.datasets[order["dataset"]].expected,
            "made": f"{RESULTS}/{LAYOUT.made_file(model, variant)}",
            "settings": MAKING[MAKE.endpoint(model, variant)],
        }
        for (model, variant), order in MAKE.orders.items()
        if order["backend"] != "simulated"
    ]
