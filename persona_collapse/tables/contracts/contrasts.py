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
        *ends("percent", "the 95 % BCa interval of the percent change."),
        number("p", "p-value of the sign-flip permutation test, two-sided; sigma_bar shares R's."),
        number("p_adjusted", "p after Holm's correction within the family of tests."),
        number("estimate_se", "SE of the difference, from personas, repetitions and replicates."),
        *ends("estimate", "the 95 % BCa interval of the difference."),
        *ends("estimate", "the 95 % percentile interval of the difference.", "_percentile"),
        *ends("percent", "the 95 % percentile interval of the percent change.", "_percentile"),
        number("log_ratio", "log(first / second)."),
        number("log_ratio_se", "Jackknife standard error of the log ratio, with replicates."),
        number("p_bh", "p after Benjamini and Hochberg's correction within the family of tests."),
        integer("n_models", "Models behind the row."),
        integer("n_personas", "Personas that both variants kept; for `mean` the smallest number."),
        integer("personas_excluded", "Personas that only one of the variants kept."),
        SIMULATED,
        integer("n_replicates", "Fine-tunes of the first variant; for `mean` the smallest number."),
        integer("n_replicates_second", "Fine-tunes of the second; for `mean` the smallest number."),
        number("replicates_se", "Part of `estimate_se` that comes from the choice of fine-tunes."),
        number("p_replicates", "p-value for fine-tunes of other seeds; null where made once."),
    ],
    note=(
        "Differences and percent changes with 95 % intervals and p values, per model and "
        "averaged over models."
    ),
)
