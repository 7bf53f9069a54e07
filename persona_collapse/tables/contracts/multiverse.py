"""Contract of ``multiverse.csv``."""

from persona_collapse.tables import MODEL, PROBE, SIMULATED, Table, changes, flag, integer, text

TABLE = Table(
    "multiverse",
    title="The verdict under other choices of analysis",
    section="verdict",
    keys=("model", "target", "definition", "items", "personas", "failures"),
    columns=[
        MODEL,
        text("target", "Variant that is judged."),
        text("control", "Its control; empty where the study or the model has none."),
        PROBE,
        text("definition", "How S and R are defined, see docs/measures.md."),
        text("items", "`all`, or `without` one domain."),
        text(
            "personas",
            "`all`; `without_influential`: without the five that move the contrast of S most; "
            "`without_failed`: without those with a failed answer; `first_half`, `second_half`.",
        ),
        text(
            "failures",
            "`dropped`: a persona with an empty cell is left out; `missing`: the cell alone is; "
            "`no_fallback`: answers from longer replies count as failed.",
        ),
        *changes("its 95 % interval."),
        text("label", "The verdict under this specification."),
        flag("same_label", "Whether that is the label of the reported specification."),
        flag("distinct", "Whether any number differs from those of all specifications before it."),
        integer("n_personas", "Personas behind the row; the smallest number of its contrasts."),
        SIMULATED,
    ],
    note=(
        "S, R and the verdict under every choice of definition, items, personas and handling of "
        "failed answers. The first row of a model is the reported specification."
    ),
)
