"""Contract of ``coherence_loss.csv``."""

from persona_collapse.tables import MODEL_OR_MEAN, SIMULATED, Table, ends, integer, number, text

TABLE = Table(
    "coherence_loss",
    title="Loss of robustness and loss of coherence",
    section="misalignment",
    keys=("model", "target"),
    columns=[
        MODEL_OR_MEAN,
        number("robustness_target", "Percent change of R, target against baseline."),
        number("robustness_control", "Percent change of R, control against baseline."),
        number("robustness_excess", "Percent change of R, target minus control, in points."),
        *ends("robustness_excess", "its 95 % bootstrap interval."),
        number("coherence_target", "Percent change of mean coherence, target against baseline."),
        number("coherence_control", "Percent change of mean coherence, control against baseline."),
        number("coherence_excess", "Percent change of coherence, target minus control, in points."),
        *ends("coherence_excess", "its 95 % interval (delta method)."),
        integer("n_models", "Models in the correlation; on the row `mean`."),
        number("r", "Pearson's correlation of the two excesses over models; on the row `mean`."),
        *ends("r", "Fisher's 95 % interval of r."),
        *ends("r", "the 95 % bootstrap interval of r, over models.", "_bootstrap"),
        text("note", "Why r is undefined or uncertain; null otherwise."),
        SIMULATED,
        text("target", "The target, whose loss is compared."),
        text("control", "Its control."),
    ],
    condition="coherence_loss",
)
