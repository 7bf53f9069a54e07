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
        number("lo", "Lowest published value."),
        number("hi", "Highest published value."),
        number("centre", "Mean of S; geometric mean of R."),
        *ends("prediction", "the 95 % prediction interval for a new base model."),
        number("tau", "SD over models without measurement error: of S in scale points, of log R."),
    ],
    note="Published range, centre and prediction for a new base model; tau is the SD over models.",
    marked=False,
)
