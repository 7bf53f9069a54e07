"""Contract of ``metrics.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, ends, integer, number

TABLE = Table(
    "metrics",
    title="S, R and their errors",
    section="verdict",
    keys=("model", "variant", "probe", "domain"),
    columns=[
        *UNIT,
        DOMAIN,
        number("S", "Susceptibility: mean over items of the SD of personas' means, in points."),
        number("S_se", "Standard error of S, over personas and repetitions, in scale points."),
        *ends("S", "the 95 % interval of S, over personas."),
        number("R", "Robustness: 1 / sigma_bar, per scale point; infinite where no cell varies."),
        number("R_se", "Standard error of R, over personas and repetitions."),
        *ends("R", "the 95 % interval of R, over personas."),
        number("sigma_bar", "Mean over cells of the SD over repetitions, in scale points."),
        number("sigma_bar_se", "SE of sigma_bar, over personas and repetitions, in scale points."),
        number("S_corrected", "S without the spread that repetition noise adds, in scale points."),
        integer("n_personas", "Personas with a valid rating of every item."),
        integer("n_items", "Items in the group."),
        integer("n_answers", "Valid ratings behind the row."),
        SIMULATED,
    ],
    note="Overall and per domain, with standard errors and 95 % intervals.",
)
