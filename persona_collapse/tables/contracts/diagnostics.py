"""Contract of ``diagnostics.csv``."""

from persona_collapse.tables import (
    FOUNDATION,
    MODEL,
    PROBE,
    SIMULATED,
    VARIANT,
    Table,
    number,
    text,
)

TABLE = Table(
    "diagnostics",
    title="Diagnostics of S and R",
    section="meaning",
    keys=("model", "variant", "probe", "foundation", "measure"),
    columns=[
        MODEL,
        VARIANT,
        PROBE,
        FOUNDATION,
        text("measure", "Name of the measure, one of those of docs/measures.md."),
        number("value", "Value of the measure."),
        number("lo", "Lower end of its 95 % interval, where there is one."),
        number("hi", "Upper end of its 95 % interval, where there is one."),
        SIMULATED,
    ],
)
