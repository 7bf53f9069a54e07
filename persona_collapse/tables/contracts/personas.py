"""Contract of ``personas.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, integer, number, text

TABLE = Table(
    "personas",
    title="Mean rating of each persona per domain",
    section="meaning",
    keys=("model", "variant", "probe", "persona_id", "domain"),
    columns=[
        *UNIT,
        integer("persona_id", "Place of the persona in its set, from 0; null without a persona."),
        DOMAIN,
        number("mean", "Mean rating over the group's items, in scale points."),
        text("description", "Text of the persona."),
        SIMULATED,
    ],
    function="profiles.persona_means_of",
    reads=("moments", "personas"),
)
