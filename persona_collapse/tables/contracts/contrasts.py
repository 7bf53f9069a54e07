"""Contract of ``contrasts.csv``."""

from persona_collapse.tables import (
    COMPARISON,
    MODEL_OR_MEAN,
    SIMULATED,
    Table,
    ends,
    integer,
    number,
)

TABLE = Table(
    "contrasts",
    title="Contrasts between variants",
    section="verdict",
    keys=("model", "probe", "domain", "metric", "contrast"),
    columns=[
        MODEL_OR_MEAN,
        *COMPARISON,
        number("estimate", "First minus second, in units of the metric; `mean` averages models."),
        number("percent", "Percent change, 100 (first - second) / second; `mean` averages models."),
        *ends("percent", "the 95 % bootstrap-t interval, in percent: that of `log_ratio`."),
        number("p", "Two-sided p-value: the interval of level 1 - p ends at no change."),
        number("p_adjusted", "p after Holm's correction over models x targets x (S, R)."),
        number("estimate_se", "SE of the difference, from personas, repetitions and replicates."),
        number("log_ratio", "log(first / second); for `mean` the log of the mean ratio."),
        number("log_ratio_se", "Delta-method SE of the log ratio, over personas and replicates."),
        number("p_bh", "p after Benjamini and Hochberg's correction over the same family."),
        integer("n_models", "Models behind the row."),
        integer("n_personas", "Personas that both variants kept; for `mean` the smallest number."),
        integer("personas_excluded", "Personas that only one of the variants kept."),
        SIMULATED,
        integer("n_replicates", "Fine-tunes of the first variant; for `mean` the smallest number."),
        integer("n_replicates_second", "Fine-tunes of the second; for `mean` the smallest number."),
        number("replicates_se", "Part of `estimate_se` that comes from the choice of fine-tunes."),
        *ends("log_ratio", "its 95 % bootstrap-t interval, over personas and replicates."),
        number(
            "p_exchange", "p-value of the sign-flip test that personas' labels are exchangeable."
        ),
    ],
    note=(
        "Differences and percent changes with 95 % intervals and p values, per model and "
        "averaged over models."
    ),
)
