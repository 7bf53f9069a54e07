"""Contract of ``random_effects.csv``."""

from persona_collapse.tables import COMPARISON, SIMULATED, Table, ends, integer, number

TABLE = Table(
    "random_effects",
    title="Percent change in a population of such models",
    section="verdict",
    keys=("probe", "domain", "metric", "contrast"),
    columns=[
        *COMPARISON,
        integer("n_models", "Models with a defined log ratio and error."),
        number("percent", "Percent change that corresponds to the mean log ratio."),
        *ends("percent", "its 95 % interval."),
        *ends("prediction", "the 95 % prediction interval for a new model's percent change."),
        number("p", "p-value of a mean log ratio of 0."),
        number("log_ratio", "Mean log ratio over models (REML)."),
        number("log_ratio_se", "Standard error of the mean log ratio."),
        number("tau", "SD of the true log ratios over models."),
        number("Q", "Cochran's Q, the heterogeneity statistic."),
        number("I2", "Share of the variance that is between models, in percent."),
        SIMULATED,
    ],
    note=(
        "Random effects over models. Predicted: where a new model of the kind lies, with 95 "
        "% probability."
    ),
)
