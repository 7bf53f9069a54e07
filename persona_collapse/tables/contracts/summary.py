"""Contract of ``summary.csv``."""

from persona_collapse.tables import (
    METRIC,
    MODEL_OR_MEAN,
    PROBE,
    SIMULATED,
    Table,
    ends,
    integer,
    number,
    text,
)

TABLE = Table(
    "summary",
    title="Excess over the control, and evenness over the domains",
    section="verdict",
    keys=("model", "probe", "quantity", "metric", "variant"),
    columns=[
        MODEL_OR_MEAN,
        PROBE,
        text("quantity", "`excess`, `domain_cv` or `domain_spread`."),
        METRIC,
        text("variant", "Variant, or for the excess the contrast of target and control."),
        number("value", "Excess and spread in points of percent, CV as a ratio."),
        *ends("", "the 95 % BCa interval."),
        integer("n_models", "Models behind the row."),
        SIMULATED,
    ],
    note=(
        "Excess: percent change of the target minus that of the control, in points. "
        "Domain CV: SD over domains divided by their mean. Domain spread: SD of "
        "their percent changes, in points."
    ),
)
