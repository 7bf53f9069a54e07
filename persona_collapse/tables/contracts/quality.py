"""Contract of ``quality.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, integer, number, text

TABLE = Table(
    "quality",
    title="Outcome of every designed answer",
    section="quality",
    keys=("model", "variant", "probe"),
    columns=[
        *UNIT,
        integer("expected", "Designed answers: personas x items x repetitions."),
        integer("answered", "Answers with a valid rating."),
        integer("missing", "Answers never received."),
        integer("unparseable", "Answers in which no rating could be read."),
        integer("refused", "Answers that refuse."),
        integer("filtered", "Answers that the server filtered."),
        integer("error", "Answers that failed with an error."),
        number("retried_share", "Share of received answers that took more than one attempt."),
        integer("personas_retained", "Personas with every item rated; null when unconditioned."),
        integer("personas_dropped", "Personas left out of S and R; null when unconditioned."),
        integer("extra_repetitions", "Valid ratings beyond the designed repetitions."),
        SIMULATED,
        integer("read_from_token", "Ratings from replies that are nothing but the rating."),
        integer("read_from_reply", "Ratings read out of a longer reply."),
        integer("read_from_after_thoughts", "Ratings read after the thoughts of the model."),
        integer("read_from_logprobs", "Ratings read as probabilities of the first token."),
        integer("read_from_recorded", "Ratings that were recorded as such."),
        number(
            "rating_mass",
            "Mean probability that the first token is a rating; null for repetitions.",
        ),
        text("left_out", "Settings of the study that the server refuses; null where it took all."),
        text(
            "served_model",
            "The model that answered, as the server says, with commas where it changed; the same "
            "for two variants where one model answers to both names. Null where it says nothing.",
        ),
        text("system_fingerprint", "The server's fingerprints of that model, likewise."),
        integer(
            "cells_with_one_answer",
            "Cells with one valid rating, which shows no SD: R takes the item's mean SD for them.",
        ),
        text("undefined", "Which of S and R cannot be computed, and why; null where both can."),
    ],
    note="Expected answers by outcome; a persona is dropped when an item has no valid answer.",
)
