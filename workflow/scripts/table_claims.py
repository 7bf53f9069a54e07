"""Decide the paper's claims, and compare its printed tables number by number."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.materials.claims import read_claims
from persona_collapse.measures.verdict.claims import claims_of, numbers_of
from persona_collapse.tables import read_all, write
from persona_collapse.tables.contracts.claims import TABLE as CLAIMS
from persona_collapse.tables.contracts.printed_numbers import TABLE as NUMBERS


def table_claims(
    tables: list[str],
    paper: str,
    printed: str,
    labels: dict[str, str],
    probes: dict[str, str],
    claims: str,
    numbers: str,
) -> None:
    """Write both tables from the study's ``tables``; ``labels`` are how the paper calls its models.

    ``paper`` is the file of claims, ``printed`` the CSV of the paper's numbers.
    """
    frames = read_all(tables)
    write(CLAIMS, claims_of(read_claims(Path(paper)), frames, labels), Path(claims))
    found = numbers_of(Path(printed), frames["metrics"], frames["profiles"], labels, probes)
    write(NUMBERS, found, Path(numbers))


if __name__ == "__main__":
    run(table_claims, snakemake)
