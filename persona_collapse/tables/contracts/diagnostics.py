"""Contract of ``diagnostics.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, ends, number, text

TABLE = Table(
    "diagnostics",
    title="Diagnostics of S and R",
    section="meaning",
    keys=("model", "variant", "probe", "domain", "measure"),
    columns=[
        *UNIT,
        DOMAIN,
        text("measure", "Name of the measure, one of those of docs/measures.md."),
        number("value", "Value of the measure."),
        *ends("", "its 95 % interval, where there is one."),
        SIMULATED,
    ],
    note="Fidelity, variance components, scale use, saturation, reliability and noise.",
)
