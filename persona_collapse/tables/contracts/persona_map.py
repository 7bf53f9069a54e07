"""Contract of ``persona_map.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, integer, number

TABLE = Table(
    "persona_map",
    title="Personas in the plane of the baseline's first two principal components",
    section="meaning",
    keys=("model", "variant", "probe", "persona_id"),
    columns=[
        *UNIT,
        integer("persona_id", "Place of the persona in its set, from 0."),
        number("x", "Item-centred persona mean along the first component, in scale points."),
        number("y", "Item-centred persona mean along the second component, in scale points."),
        number("x_sd", "SD of a single run of the persona along the first component."),
        number("y_sd", "SD of a single run of the persona along the second component."),
        number("x_share", "Share of the variant's variance between personas along the first, 0-1."),
        number("y_share", "Share of the variant's variance between personas along the second."),
        SIMULATED,
    ],
    function="plane.persona_map_of",
    reads=("moments", "instrument", "reference"),
    note="The components are those of the model's baseline, also for its other variants.",
)
