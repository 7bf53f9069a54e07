"""Contract of ``logprobs.csv``."""

from persona_collapse.tables import MEASURE, SIMULATED, UNIT, Table

TABLE = Table(
    "logprobs",
    title="Log-probabilities compared with repeated answers",
    section="quality",
    keys=("model", "variant", "probe", "domain", "measure"),
    columns=[*UNIT, *MEASURE, SIMULATED],
    condition="logprobs",
)
