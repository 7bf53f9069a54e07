"""Contract of ``verdict.csv``."""

from persona_collapse.tables import MODEL, SIMULATED, Table, changes, flag, integer, number, text

INCOHERENT = 50  # mean coherence; below, replies are mostly incoherent


TABLE = Table(
    "verdict",
    title="Verdicts",
    section="verdict",
    keys=("model", "target"),
    columns=[
        MODEL,
        text("target", "Variant that is judged."),
        text("control", "Its control; empty where the study or the model has none."),
        text("baseline", "Variant that both are compared with."),
        text("label", "The verdict, one of those of docs/measures.md."),
        text("reason", "Why this label, in words."),
        *changes("its 95 % interval, on which the label rests."),
        text(
            "control_state",
            "What is shown of the control's S: `equivalent`, `fell`, `not_raised`, `raised` or "
            "`uncertain`.",
        ),
        flag(
            "S_control_equivalent",
            "Whether S of control and baseline is shown equal within the smallest effect (TOST).",
        ),
        flag(
            "R_control_equivalent",
            "Whether R of control and baseline is shown equal within the smallest effect (TOST).",
        ),
        number("smallest_effect", "Smallest relative change of S, or of 1/R, that counts."),
        number("effective_personas_target", "Effective number of personas behind S of the target."),
        number("effective_personas_control", "The same of the control."),
        number(
            "unseen_share",
            "Largest share of the population, 0 to 1, that a kind of persona can have and still be "
            "missing from so many personas with a probability of 5 %.",
        ),
        number(
            "recognised_target",
            "Share of personas, 0 to 1, recognised under the target by their baseline profile.",
        ),
        number("recognised_control", "The same under the control."),
        number("recognised_chance", "Share that guessing recognises."),
        number("coherence_target", "Mean coherence of the target's open replies, 0 to 100."),
        number("coherence_control", "The same of the control."),
        integer(
            "n_personas",
            "Personas that target and baseline both kept, or the target without a baseline.",
        ),
        integer("n_replicates", "Fine-tunes of the target."),
        SIMULATED,
    ],
    note=(
        "Every condition of a label is tested with the 95 % interval of a log ratio, one-sided at "
        "2.5 %. Percent changes with these intervals; recognised: share of personas recognised by "
        "their profile under the baseline."
    ),
)
