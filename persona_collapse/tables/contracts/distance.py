"""Contract of ``distance.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, ends, integer, number

TABLE = Table(
    "distance",
    title="Distances from the baseline's personas",
    section="meaning",
    keys=("model", "variant", "probe"),
    columns=[
        *UNIT,
        number(
            "energy",
            "Energy distance between the centred clouds of personas, in percent of the mean "
            "distance between two personas of the baseline.",
        ),
        *ends("energy", "the 95 % interval of the energy distance."),
        number("rsa", "Spearman correlation of the distances between personas, -1 to 1."),
        *ends("rsa", "the 95 % interval of this correlation."),
        number("rsa_ceiling", "The correlation to expect if only repetition noise differed."),
        number("alpha", "Step from the baseline's persona means to the highest rating, 1: all."),
        *ends("alpha", "the 95 % interval of this step."),
        number("residual", "Share of the squared change that this step does not explain."),
        *ends("residual", "the 95 % interval of this share."),
        integer("n_personas", "Personas that both variants answered for."),
        SIMULATED,
    ],
    function="distance.distance_of",
    reads=("moments", "instrument", "baseline", "seed", "draws"),
    note=(
        "How far a variant's personas lie from the baseline's as a cloud, whether they keep their "
        "distances from each other, and how much of the change is a step to the highest rating."
    ),
)
