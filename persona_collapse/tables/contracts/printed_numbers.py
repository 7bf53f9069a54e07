"""Contract of ``printed_numbers.csv``."""

from persona_collapse.tables import SIMULATED, Table, flag, integer, number, text

TABLE = Table(
    "printed_numbers",
    title="The paper's printed tables, number by number",
    section="claims",
    keys=("model", "variant", "domain", "measure", "number"),
    columns=[
        text("model", "Model, by its label in the paper."),
        text("variant", "Variant of the model."),
        text("domain", "Group of items: one of the instrument's, or `overall`."),
        text("measure", "S, R, or the mean rating of a profile."),
        text("number", "`value`, or `spread`: the SE of S and R, the SD of a profile."),
        number("printed", "The number as it is printed."),
        integer("digits", "Its digits after the point."),
        number("recomputed", "The number from this study."),
        number("difference", "Recomputed less printed."),
        flag("equal", "Whether the recomputed number is printed alike."),
        number("last_digits", "The difference of the rounded numbers, in units of the last digit."),
        SIMULATED,
    ],
    condition="claims",
    note="Compared as printed: equal up to the last digit, or by how many units of it not.",
    marked=False,
)
