"""Contract of ``prior_models.csv``."""

from persona_collapse.tables import Table, flag, number, text

TABLE = Table(
    "prior_models",
    title="Published S and R of earlier models",
    section="susceptibility",
    keys=("model",),
    columns=[
        text("model", "Model, as arXiv 2511.08565 names it."),
        text("family", "Family of the model."),
        number("temperature", "Sampling temperature."),
        number("R", "Published robustness, per scale point."),
        number("R_se", "Published standard error of R."),
        number("S", "Published susceptibility, in scale points."),
        number("S_se", "Published standard error of S."),
        flag("in_band", "Whether it is one of the published band's 13 models (arXiv 2605.12850)."),
    ],
    condition="bundled",
    note="From arXiv 2511.08565.",
    marked=False,
)
