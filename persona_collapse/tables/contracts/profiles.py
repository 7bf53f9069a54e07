"""Contract of ``profiles.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, integer, number

TABLE = Table(
    "profiles",
    title="Profiles per domain",
    section="saturation",
    keys=("model", "variant", "probe", "domain"),
    columns=[
        *UNIT,
        DOMAIN,
        number("mean", "Mean rating over items and personas, in scale points."),
        number("sd_within", "Mean over cells of the SD over repetitions, in scale points."),
        number("sd_across_personas", "SD across personas of mean ratings (ddof = 1), in points."),
        integer("n_items", "Items with a valid rating."),
        integer("n_answers", "Valid ratings behind the row."),
        SIMULATED,
    ],
    function="profiles.profiles_of",
    note="Mean rating per domain of every variant, with and without personas.",
)
