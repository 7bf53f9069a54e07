"""Contract of ``band.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, ends, integer, number, text

TABLE = Table(
    "band",
    title="Each variant against the band of earlier models",
    section="susceptibility",
    keys=("model", "variant", "probe", "metric"),
    columns=[
        *UNIT,
        text("metric", "S or R, over all items."),
        number("value", "The variant's value of the metric."),
        number("se", "Its standard error."),
        number("band_lo", "Lowest value among the earlier models."),
        number("band_hi", "Highest value among the earlier models."),
        text("position", "`below`, `inside` or `above` the range of the earlier models."),
        number("beyond", "Distance from the range's nearer end, in units of the metric; 0 inside."),
        number("beyond_percent", "The same distance in percent of that end."),
        *ends("beyond", "the 95 % interval of `beyond`; the range's own errors count."),
        *ends("beyond_percent", "the 95 % interval of `beyond_percent`, likewise."),
        number(
            "p_outside",
            "Probability that it lies outside the range, by both errors.",
        ),
        *ends("prediction", "the 95 % prediction interval for a new base model."),
        number("p_base", "Probability that a new base model lies at least as far from the centre."),
        integer("n_prior", "Earlier models in the band."),
        SIMULATED,
        text("position_all", "Position with the models that the band leaves out, if any."),
    ],
    condition="band",
    note="Value ± standard error. Beyond: percent of the range's nearer end, with a 95 % interval "
    "in which the errors of the earlier models count.",
)
