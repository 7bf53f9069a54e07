"""Contract of ``replicates.csv``."""

from persona_collapse.tables import (
    DOMAIN,
    METRIC,
    MODEL,
    PROBE,
    SIMULATED,
    Table,
    ends,
    integer,
    number,
    text,
)

TABLE = Table(
    "replicates",
    title="Replicate fine-tunes",
    section="verdict",
    keys=("model", "probe", "name", "domain", "metric"),
    columns=[
        MODEL,
        PROBE,
        text("variant", "Variant, as the study file names it."),
        integer("replicate", "Number of the replicate fine-tune, from 1."),
        text("name", "Name of the replicate, its variant in the other tables."),
        DOMAIN,
        METRIC,
        number("value", "Value of the metric for this replicate."),
        number("change", "Difference from the baseline, in units of the metric."),
        number("percent", "Percent change against the baseline."),
        integer("n", "Replicates measured; this and the next six columns are equal for all."),
        number("mean", "Mean of the value over replicates."),
        number("sd", "SD of the value over replicates (ddof = 1)."),
        number("change_mean", "Mean change against the baseline over replicates."),
        number("standardized_change", "Mean change divided by the SD over replicates."),
        *ends("prediction", "the 95 % prediction interval for the change of one more fine-tune."),
        integer("n_personas", "Personas that all replicates and the baseline kept."),
        SIMULATED,
    ],
    condition="replicates",
    note=(
        "Change: against the baseline. Prediction: where the change of one more fine-tune "
        "lies, with 95 % probability."
    ),
)
