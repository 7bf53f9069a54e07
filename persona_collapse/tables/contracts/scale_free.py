"""Contract of ``scale_free.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, ends, integer, number

TABLE = Table(
    "scale_free",
    title="S without the use of the scale",
    section="scale",
    keys=("model", "variant", "probe", "domain"),
    columns=[
        *UNIT,
        DOMAIN,
        number("S", "Susceptibility, in scale points, as in `metrics.csv`."),
        number("S_percent", "Change of S against the baseline, in percent."),
        number(
            "S_normal",
            "S on normal scores of the variant's own answers, in SDs of a normal distribution.",
        ),
        *ends("S_normal", "its 95 % interval, over personas."),
        number("S_normal_percent", "Its change against the baseline, in percent."),
        *ends("S_normal_percent", "the change's 95 % interval, over the same personas."),
        integer("n_personas", "Personas with a valid rating of every item."),
        SIMULATED,
    ],
    note="S of raw ratings, and of the normal scores of their ranks, which are the same however a "
    "variant stretches the scale.",
    function="scale_free.scale_free_of",
    reads=("moments", "instrument", "baseline", "seed", "draws"),
)
