"""Contract of ``trajectory.csv``."""

from persona_collapse.tables import (
    DOMAIN,
    MODEL,
    PROBE,
    SIMULATED,
    VARIANT,
    Table,
    ends,
    integer,
    number,
)

TABLE = Table(
    "trajectory",
    title="S, R and saturation by training step",
    section="verdict",
    keys=("model", "variant", "domain"),
    columns=[
        MODEL,
        VARIANT,
        integer("step", "Training step of the checkpoint."),
        PROBE,
        DOMAIN,
        number("S", "Susceptibility S, in scale points."),
        *ends("S", "the 95 % interval of S."),
        number("R", "Robustness R, per scale point."),
        *ends("R", "the 95 % interval of R."),
        number("sigma_bar", "Mean over cells of the SD over repetitions, in scale points."),
        number("saturation", "Saturation of the unconditioned profile, 0 to 1; rows of `overall`."),
        *ends("saturation", "the 95 % interval of saturation."),
        SIMULATED,
        number("S_percent", "Percent change of S against the baseline, on common personas."),
        *ends("S_percent", "the 95 % interval of the percent change of S."),
        number("R_percent", "Percent change of R against the baseline, on common personas."),
        *ends("R_percent", "the 95 % interval of the percent change of R."),
        integer("n_personas", "Personas that checkpoint and baseline have in common."),
    ],
    condition="steps",
)
