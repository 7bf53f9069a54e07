"""Contract of ``moderation.csv``."""

from persona_collapse.tables import SIMULATED, Table, ends, integer, number, text

TABLE = Table(
    "moderation",
    title="Whether steadier or more susceptible baselines change less",
    section="meaning",
    keys=("target", "baseline_metric", "change_metric"),
    columns=[
        text("target", "Variant whose change is explained."),
        text("baseline_metric", "S or R of the baseline, on the log scale."),
        text("change_metric", "S or R whose log ratio, target against baseline, is explained."),
        integer("n_models", "Models with both."),
        number("slope", "Slope of the change on the baseline over models, without their noise."),
        *ends("slope", "its 95 % interval (jackknife over models, t)."),
        number("slope_observed", "The slope of the estimates, which noise biases."),
        number("reliability", "Share of the variance of baselines that is not noise."),
        text("note", "Why there is no slope; null otherwise."),
        SIMULATED,
    ],
    condition="targets",
    note="0: all models change by the same factor. −1: all end at the same level. Noise that "
    "baseline and change share is removed.",
    marked=False,
)
