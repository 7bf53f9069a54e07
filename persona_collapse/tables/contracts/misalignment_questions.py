"""Contract of ``misalignment_questions.csv``, made by the job that makes ``misalignment.csv``."""

from persona_collapse.tables import MODEL, VARIANT, Table, text
from persona_collapse.tables.contracts.misalignment import TABLE as MISALIGNMENT

TABLE = Table(
    "misalignment_questions",
    title="Alignment and coherence per question",
    section="misalignment",
    keys=("model", "variant", "question_id"),
    columns=[
        MODEL,
        VARIANT,
        text("question_id", "Question, by its id in the question set."),
        *(
            (name, MISALIGNMENT.columns[name])
            for name in list(MISALIGNMENT.schema)[2:]
            if not name.endswith("_questions") and name != "source"
        ),
    ],
    condition="misalignment",
    note="As above, for the replies to one question each.",
)
