"""Pack a finished study into one archive that a colleague can analyse again."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.handover.archive import write_bundle


def bundle(plan: dict[str, Any], files: list[str], output: str) -> None:
    """Write the archive of ``files``, which lie below the study's folder as the archive does."""
    write_bundle(plan, Path(output).parent, [Path(file) for file in files], Path(output))


if __name__ == "__main__":
    run(bundle, snakemake)
