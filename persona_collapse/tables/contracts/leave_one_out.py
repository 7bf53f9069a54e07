"""Contract of ``leave_one_out.csv``."""

from persona_collapse.tables import COMPARISON, SIMULATED, Table, ends, integer, number, text

TABLE = Table(
    "leave_one_out",
    title="Mean percent change with one model left out",
    section="verdict",
    keys=("left_out", "probe", "domain", "metric", "contrast"),
    columns=[
        text("left_out", "Model that the mean leaves out, by its key in the study."),
        *COMPARISON,
        number("percent", "Mean of the other models' percent changes."),
        *ends("percent", "its 95 % bootstrap-t interval."),
        number("shift", "Change of the mean when the model is left out, in points of percent."),
        integer("n_models", "Models in the mean."),
        SIMULATED,
    ],
    note="Shift: change of the mean when that model is left out.",
)
