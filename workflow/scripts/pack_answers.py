"""Pack every single answer for the page's explorer."""

from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.report.answers import packed_answers, probe_of, unit_of
from persona_collapse.report.packed import written

COLUMNS = ("model", "variant", "probe", "persona_id", "item_id", "repetition")
COLUMNS += ("rating", "mean_rating", "status")


def pack_answers(units: list[dict[str, Any]], output: str) -> None:
    """Write the packed answers of all units; ``units`` hold what each is read from.

    These are its answers, its moments where they are by log-probabilities, its instrument, its
    persona set and the number of designed personas, both None where it is unconditioned.
    """
    instrument = cache(lambda path: read_instrument(Path(path)))
    people = cache(lambda path: read_personas(Path(path)).descriptions)
    probes, shown = {}, []
    for unit in units:
        answers = pl.read_parquet(unit["answers"], columns=list(COLUMNS))
        moments = pl.read_parquet(unit["moments"]) if unit["moments"] else None
        asked = instrument(unit["instrument"])
        found = unit_of(answers, moments, asked, unit["count"])
        described = people(unit["personas"])[: unit["count"]] if unit["personas"] else None
        probes.setdefault(found.probe, probe_of(found.probe, asked, described))
        shown.append(found)
    written(output, packed_answers(list(probes.values()), shown))


if __name__ == "__main__":
    run(pack_answers, snakemake)
