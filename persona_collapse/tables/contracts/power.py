"""Contract of ``power.csv``."""

from persona_collapse.tables import SIMULATED, Table, integer, number, text

TABLE = Table(
    "power",
    title="Detectable differences by design",
    section="quality",
    keys=("model", "personas", "repetitions"),
    columns=[
        text("model", "Model whose moments serve as pilot, or `planted` for assumed values."),
        integer("personas", "Personas in the design."),
        integer("repetitions", "Repetitions per cell in the design."),
        integer("answers", "Answers that the design needs, all variants together."),
        integer("requests", "Requests that the design needs, all variants together."),
        number("S_se", "Predicted standard error of S, in scale points."),
        number("R_se_percent", "Predicted standard error of R, in percent of R."),
        number("S_detectable_percent", "Smallest rise of S found with 80 % power, in percent."),
        number("R_detectable_percent", "Smallest fall of R found with 80 % power, in percent."),
        SIMULATED,
    ],
    note="Smallest percent changes that a design detects in a two-sided test at the 5 % level.",
)
