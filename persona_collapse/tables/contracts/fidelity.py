"""Contract of ``fidelity.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, integer, number

TABLE = Table(
    "fidelity",
    title="Fidelity of each persona",
    section="meaning",
    keys=("model", "variant", "probe", "persona_id"),
    columns=[
        *UNIT,
        integer("persona_id", "Place of the persona in its set, from 0."),
        number("fidelity", "Correlation of its item profile with the baseline's, noise removed."),
        number("fidelity_observed", "The same correlation without removing noise, -1 to 1."),
        number("shift", "Root-mean-square change of the persona's cell means, in scale points."),
        number("level_shift", "Change of the persona's mean rating, in scale points."),
        SIMULATED,
    ],
    function="diagnostics.fidelity.fidelity_of",
    reads=("moments", "instrument", "baseline"),
    note=(
        "Correlation of a persona's item profile with its profile under the baseline, and "
        "the change of its ratings."
    ),
)
