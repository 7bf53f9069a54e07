"""Contract of ``claims.csv``."""

from persona_collapse.tables import SIMULATED, Table, ends, flag, integer, number, text

TABLE = Table(
    "claims",
    title="The paper's claims, decided by this study",
    section="claims",
    keys=("claim", "part", "model"),
    columns=[
        text("claim", "Short name of the claim."),
        integer("part", "Condition of the claim, from 1; all have to be met."),
        text("model", "Model of the paper by its label; `mean` is the average over models."),
        text("section", "Where the paper states the claim."),
        text("text", "The claim in words of this project."),
        text("quantity", "The number that decides: table, row and column."),
        text("unit", "Unit of the numbers."),
        number("printed", "The printed number, where there is one."),
        number("recomputed", "The same number from this study."),
        *ends("recomputed", "its 95 % interval."),
        text("limit", "Where the whole interval has to lie for the claim to hold."),
        text("shown", "Whether it does: `shown`, `refuted`, `open` or `missing`."),
        flag("printed_agrees", "Whether the printed number is met, up to one in its last digit."),
        text(
            "decision", "Of the claim: `holds`, `holds in part`, `does not hold`, `not decidable`."
        ),
        text("reason", "Why, in words."),
        SIMULATED,
    ],
    condition="claims",
    note="A claim holds where the 95 % intervals of all numbers that decide it lie where they "
    "have to.",
    marked=False,
)
