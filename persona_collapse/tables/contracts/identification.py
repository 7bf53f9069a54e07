"""Contract of ``identification.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, ends, integer, number, text

TABLE = Table(
    "identification",
    title="Recognising personas by their answers",
    section="meaning",
    keys=("model", "variant", "probe", "profiles", "classifier", "answers"),
    columns=[
        *UNIT,
        text(
            "profiles",
            "Profiles that answers are matched to: `own` (other repetitions) or the `baseline`'s.",
        ),
        text(
            "classifier",
            "How: `nearest_mean` of single answers, or `correlation` of mean profiles.",
        ),
        integer(
            "answers",
            "Answers of a persona: one to each of so many random items; all with `correlation`.",
        ),
        number("recognised", "Share of personas that are recognised, 0 to 1."),
        *ends("recognised", "its 95 % interval, over personas."),
        number("chance", "Share that guessing recognises: 1 / personas."),
        number(
            "information_bits",
            "Mutual information of persona and rating, in bits per item; with one own answer.",
        ),
        *ends("information_bits", "its 95 % interval, over personas."),
        integer("n_personas", "Personas to choose from."),
        SIMULATED,
        number(
            "of_four",
            "Share recognised among four personas, the right one and three drawn at random, of "
            "which guessing recognises 0.25; with `correlation`.",
        ),
        *ends("of_four", "its 95 % interval, over personas."),
    ],
    note="From how many answers a persona is recognised, by the variant's own profiles and by the "
    "baseline's.",
    function="recognition.identification_of",
    reads=("moments", "instrument", "baseline", "seed", "draws"),
)
