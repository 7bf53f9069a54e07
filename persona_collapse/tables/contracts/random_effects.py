"""Contract of ``random_effects.csv``."""

from persona_collapse.tables import FOUNDATION, PROBE, SIMULATED, Table, integer, number, text

TABLE = Table(
    "random_effects",
    title="Percent change in models like these",
    section="verdict",
    keys=("probe", "foundation", "metric", "contrast"),
    columns=[
        PROBE,
        FOUNDATION,
        text("metric", "S, R or sigma_bar."),
        text("contrast", "The two variants compared, `first-second`."),
        integer("n_models", "Models with a defined log ratio and error."),
        number("percent", "Percent change that the mean log ratio means."),
        number("percent_lo", "Lower end of its 95 % interval."),
        number("percent_hi", "Upper end of its 95 % interval."),
        number(
            "predicted_lo",
            "Lower end of the 95 % prediction interval for a new model's percent change.",
        ),
        number(
            "predicted_hi",
            "Upper end of the 95 % prediction interval for a new model's percent change.",
        ),
        number("p", "p-value of a mean log ratio of 0."),
        number("log_ratio", "Mean log ratio over models (REML)."),
        number("log_ratio_se", "Standard error of the mean log ratio."),
        number("tau", "SD of the true log ratios over models."),
        number("Q", "Cochran's Q, the heterogeneity statistic."),
        number("I2", "Share of the variance that is between models, in percent."),
        SIMULATED,
    ],
    note="Random effects over the models; predicted: where a new model of the kind would lie.",
)
