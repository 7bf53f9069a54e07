"""Write where a study's numbers come from."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.handover.provenance import write_provenance


def provenance(
    study: dict[str, Any],
    asked: dict[str, Any],
    files: list[str],
    output: str,
    questions: str | None = None,
) -> None:
    """Write the provenance of the resolved ``study``, whose numbers are computed from ``files``.

    ``asked`` says by probe what was asked, as digests of its texts.
    """
    write_provenance(study, asked, [Path(path) for path in files], Path(output), questions)


if __name__ == "__main__":
    run(provenance, snakemake)
