"""Write the report page from tables, figures and provenance."""

from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.figures.look import Look
from persona_collapse.report.page import build_page


def report_page(
    tables: list[str],
    headlines: str,
    figures: list[dict[str, Any]],
    provenance: str,
    answers: str,
    look: dict[str, Any],
    output: str,
    replies: str | None = None,
) -> None:
    """Write the page; ``figures`` say of each figure where it is and what the page says of it.

    ``answers`` is the file of ``pack_answers``, ``replies`` that of ``pack_replies`` where the
    study has judged replies.
    """
    build_page(
        output,
        tables=tables,
        figures=figures,
        look=Look.from_params(**look),
        provenance=provenance,
        headlines=headlines,
        answers=answers,
        replies=replies,
    )


if __name__ == "__main__":
    run(report_page, snakemake)
