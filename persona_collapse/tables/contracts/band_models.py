"""Contract of ``band_models.csv``, and of other tables of models that a band can be built from."""

from persona_collapse.tables import SIMULATED, Table, flag, number, text

TABLE = Table(
    "band_models",
    title="Earlier models that were asked the same",
    section="susceptibility",
    keys=("model",),
    columns=[
        text("model", "Model."),
        text("family", "Family of the model."),
        number("temperature", "Sampling temperature."),
        number("R", "Robustness, per scale point."),
        number("R_se", "Standard error of R."),
        number("S", "Susceptibility, in scale points."),
        number("S_se", "Standard error of S."),
        flag("in_band", "Whether it counts for the band."),
        text("instrument", "Digest of the items and prompts that it was asked."),
        text("personas", "Digest of the descriptions of its personas."),
        text("source", "Where the numbers come from: a paper, or a study."),
        SIMULATED,
    ],
    condition="band",
    note="S and R of earlier base models; those in the band make its range.",
    marked=False,
)
