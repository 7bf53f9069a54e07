"""Contract of ``band_values.csv``."""

from persona_collapse.tables import Table, ends, integer, number, text

TABLE = Table(
    "band_values",
    title="The band of earlier models",
    section="susceptibility",
    keys=("metric",),
    columns=[
        text("metric", "S or R."),
        integer("n_models", "Earlier models in the band."),
        number("lo", "Lowest value among them."),
        number("hi", "Highest value among them."),
        number("centre", "Mean of S; geometric mean of R."),
        *ends("prediction", "the 95 % prediction interval for a new base model."),
        number("tau", "SD over models without measurement error: of S in scale points, of log R."),
        *ends("lo", "the 95 % interval of `lo`, from the models' standard errors."),
        *ends("hi", "the 95 % interval of `hi`, likewise."),
        integer("n_all", "Earlier models with those that the band leaves out."),
        number("all_lo", "Lowest value among all of them."),
        number("all_hi", "Highest value among all of them."),
        text("left_out", "Names of the models that the band leaves out."),
    ],
    condition="band",
    note="Range, centre and prediction for a new base model; tau is the SD over models.",
    marked=False,
)
