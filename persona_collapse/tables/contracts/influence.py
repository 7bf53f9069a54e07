"""Contract of ``influence.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, integer, number, text

FEW, FEW_SIGN = 10, "‡"  # effective personas; below, an interval rests on few: marked

TABLE = Table(
    "influence",
    title="Personas that carry S",
    section="susceptibility",
    keys=("model", "variant", "probe", "quantity"),
    columns=[
        *UNIT,
        text("quantity", "`S` of the variant, or a contrast of S, `first-second`."),
        number("value", "S in scale points, or its percent change from second to first."),
        number(
            "effective_personas",
            "Effective number of personas behind it: inverse participation of squared influences; "
            "k if k personas carry it alike, about a third of them for normal profiles.",
        ),
        number("top_share", "Share of the squared influence of the five most influential."),
        number("value_without", "The value without the five most influential personas."),
        text("personas", "Ids of these five, the most influential first."),
        integer("n_personas", "Personas behind the value."),
        SIMULATED,
    ],
    function="influence.influence_of",
    reads=("moments", "instrument", "baseline", "control"),
    note=(
        "How many personas carry S and its contrasts, and their value without the five most "
        "influential."
    ),
)
