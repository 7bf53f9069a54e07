"""Contract of ``temperature.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, ends, integer, number

TABLE = Table(
    "temperature",
    title="S and R by temperature",
    section="scale",
    keys=("model", "variant", "probe", "domain", "temperature"),
    columns=[
        *UNIT,
        DOMAIN,
        number("temperature", "Sampling temperature that the probabilities were scaled to."),
        number("S", "S at this temperature: mean over items of the SD over personas, in points."),
        number("S_se", "Standard error of S, over personas, in scale points."),
        *ends("S", "the 95 % interval of S, over personas."),
        number("R", "Robustness: 1 / sigma_bar, per scale point; infinite where no cell varies."),
        number("R_se", "Standard error of R, over personas."),
        *ends("R", "the 95 % interval of R, over personas."),
        number("sigma_bar", "Mean over cells of the SD over repetitions, in scale points."),
        number("sigma_bar_se", "Standard error of sigma_bar, over personas, in scale points."),
        number("S_corrected", "S without the spread that repetition noise adds, in scale points."),
        integer("n_personas", "Personas with a valid rating of every item."),
        integer("n_items", "Items in the group."),
        integer("n_answers", "Cells read, one per persona and item."),
        SIMULATED,
    ],
    condition="logprobs",
    note="From log-probabilities.",
)
