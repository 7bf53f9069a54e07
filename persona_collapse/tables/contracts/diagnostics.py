"""Contract of ``diagnostics.csv``."""

from persona_collapse.tables import MEASURE, SIMULATED, UNIT, Table

TABLE = Table(
    "diagnostics",
    title="Diagnostics of S and R",
    section="meaning",
    keys=("model", "variant", "probe", "domain", "measure"),
    columns=[*UNIT, *MEASURE, SIMULATED],
    note="Fidelity, variance components, scale use, saturation, reliability and noise.",
)
