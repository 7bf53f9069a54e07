# Takes: CHECK, the study's misalignment check, None where it has none.
# Gives: the functions and constants behind the rules of misalignment.smk.

CHECK_ASKED = CHECK is not None and CHECK.source is not None
CHECK_LOSS = CHECK is not None and all(
    ANALYSIS[role] in VARIANT_NAMES for role in ("baseline", "control", "target")
)
CHECK_TABLES = [
    *(["misalignment", "misalignment_questions"] if CHECK else []),
    *(["coherence_loss"] if CHECK_LOSS else []),
]
# Correlation over models: a figure of one point shows nothing.
CHECK_LOSS_DRAWN = CHECK_LOSS and len(STUDY.models) > 1


def check_files(kind):
    """Return the files of one kind (replies, judged) of every checked model x variant."""
    return [f"{RESULTS}/{kind}/{model}/{variant}.parquet" for model, variant in CHECK.pairs]


def judged_files():
    """Return the judged replies: made here, or another run's where the study reads them."""
    if CHECK is None or CHECK.check.printed is not None:
        return []
    if CHECK.check.recorded is not None:
        return [str(path) for path in CHECK.recorded_files()]
    return check_files("judged")


def confirmed_versions():
    """Return the versions of fetched resources that the study accepts, by name."""
    return CHECK.confirmed if CHECK else {}


def made_input(wildcards):
    """Return the file of a fine-tuned variant's model as the input ``made``; nothing for others."""
    made = LAYOUT.made_file(wildcards.model, wildcards.variant)
    return {} if made is None else {"made": f"{RESULTS}/{made}"}


def reply_task(wildcards):
    """Return what the replies of a variant depend on, as plain values."""
    return CHECK.reply_params(wildcards.model, wildcards.variant)


def reply_code(wildcards):
    """Return the digest of the code behind a variant's replies: its endpoint's alone."""
    kind = CHECK.variant(wildcards.model, wildcards.variant).endpoint.kind
    return code_digest(
        "workflow/scripts/open_replies.py", f"persona_collapse/misalignment/{kind}.py"
    )


def judge_code(wildcards):
    """Return the digest of the code behind the verdicts."""
    kind = CHECK.judge_params()["endpoint"]
    return code_digest(
        "workflow/scripts/judge_replies.py", f"persona_collapse/misalignment/{kind}.py"
    )


def check_slots(endpoint_of):
    """Return what a job of the check claims of each asked endpoint; see ``api_slots``."""

    def claim(endpoint):
        return lambda wildcards: (
            LAYOUT.slots(endpoint)[0] if endpoint_of(wildcards) == endpoint else 0
        )

    return {f"api_slots_{endpoint}": claim(endpoint) for endpoint in ENDPOINTS}


def variant_endpoint(wildcards):
    """Return the endpoint that a variant is asked at."""
    return CHECK.variant(wildcards.model, wildcards.variant).endpoint.name


def judge_endpoint(wildcards):
    """Return the endpoint that the judge is asked at."""
    return CHECK.check.judge.endpoint


def check_settings(what, model=None, variant=None):
    """Return how a variant (``replies``) or the judge is asked, with store and prices."""
    asked = CHECK.judge_settings() if what == "judge" else CHECK.reply_settings(model, variant)
    return {**asked, "store": STORE, "prices": PRICES} if asked else {}


def check_plan():
    """Return what the plan of the check needs to know; empty where nothing is asked."""
    if not CHECK_ASKED:
        return {}
    pairs = [pair for pair in CHECK.pairs if CHECK.reply_settings(*pair)]
    judge = check_settings("judge")
    return (
        {
            "questions": str(CHECK.source.path),
            "method": CHECK.check.judge.method,
            "judge": judge,
            "replies": [
                {
                    "model": model,
                    "variant": variant,
                    "samples": CHECK.check.samples,
                    "settings": check_settings("replies", model, variant),
                }
                for model, variant in pairs
            ],
        }
        if judge or pairs
        else {}
    )


if CHECK_ASKED:
    config["run"]["judge_replies"] = {"": check_settings("judge")}
    config["run"]["open_replies"] = {
        " ".join(pair): check_settings("replies", *pair) for pair in CHECK.pairs
    }
