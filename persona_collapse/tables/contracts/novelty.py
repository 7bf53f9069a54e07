"""Contract of ``novelty.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, ends, integer, number

TABLE = Table(
    "novelty",
    title="Kept and new persona variance",
    section="meaning",
    keys=("model", "variant", "probe", "domain"),
    columns=[
        *UNIT,
        DOMAIN,
        number("slope", "Slope of the variant's item-centred persona means on the baseline's."),
        *ends("slope", "the 95 % interval of the slope."),
        number("kept", "Variance that the slope explains, as a share of the baseline's."),
        *ends("kept", "the 95 % interval of the kept variance."),
        number("new", "Variance that the baseline does not have, as a share of the baseline's."),
        *ends("new", "the 95 % interval of the new variance."),
        integer("n_personas", "Personas that both variants answered for."),
        SIMULATED,
    ],
    function="novelty.novelty_of",
    reads=("moments", "instrument", "baseline", "seed", "draws"),
    note=(
        "How much of a variant's variance between personas is the baseline's, and how much is new; "
        "1 is the baseline's own variance. Repetition noise is removed."
    ),
)
