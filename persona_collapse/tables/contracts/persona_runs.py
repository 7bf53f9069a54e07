"""Contract of ``persona_runs.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, integer, number

TABLE = Table(
    "persona_runs",
    title="Single runs of personas in the plane of the baseline's first two principal components",
    section="meaning",
    keys=("model", "variant", "probe", "persona_id", "repetition"),
    columns=[
        *UNIT,
        integer("persona_id", "Place of the persona in its set, from 0."),
        integer("repetition", "Repetition, from 1; ten at most."),
        number("x", "The run's item-centred answers along the first component, in scale points."),
        number("y", "The run's item-centred answers along the second component."),
        SIMULATED,
    ],
    function="plane.persona_runs_of",
    reads=("moments", "answers", "instrument", "reference"),
    note="A run is a persona's answers to all items in one repetition; a missing answer takes the "
    "persona's mean. Answers by log-probabilities have no runs.",
)
