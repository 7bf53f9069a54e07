"""Contract of ``losses.csv``."""

from persona_collapse.tables import MODEL, SIMULATED, VARIANT, Table, integer, number

TABLE = Table(
    "losses",
    title="Loss curves of fine-tuned variants",
    section="quality",
    keys=("model", "variant", "step"),
    columns=[
        MODEL,
        VARIANT,
        integer("step", "Training step."),
        number("train_loss", "Training loss, in nats per token."),
        number("train_accuracy", "Share of training tokens predicted; null where not reported."),
        SIMULATED,
    ],
    condition="made",
)
