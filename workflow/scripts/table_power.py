"""Plan a study: which differences each design can show."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import run
from persona_collapse.common.log import LOG
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.power import Pilot, designs, pilot_of, planted
from persona_collapse.tables import write
from persona_collapse.tables.contracts.power import TABLE


def table_power(
    pilots: dict[str, list[str]],
    instrument: str,
    plan: dict[str, Any],
    mixed: list[str],
    output: str,
) -> None:
    """Write one row per pilot and design.

    ``pilots`` maps a model to the moments of its baseline and, where there is one, its target;
    ``plan`` is the study's ``analysis.power``, whose ``planted`` values make a pilot of their own.
    """
    questionnaire = read_instrument(Path(instrument))
    tables = [TABLE.frame()]
    for model, paths in pilots.items():
        frames = [pl.read_parquet(path) for path in paths]
        cells = [cells_from_moments(frame, questionnaire) for frame in frames]
        try:
            pilot = pilot_of(*cells)
        except UserError as fault:
            LOG.warning("%s: no plan from its moments: %s", model, fault)
            continue
        simulated = any(frame["simulated"].any() for frame in frames)
        tables.append(_designed(model, pilot, plan, simulated))
    if plan["planted"]:
        guess = planted(plan["planted"]["S"], plan["planted"]["R"], len(questionnaire.items))
        tables.append(_designed("planted", guess, plan, False))
    write(TABLE, pl.concat(tables), Path(output), mixed)


def _designed(name: str, pilot: Pilot, plan: dict[str, Any], simulated: bool) -> pl.DataFrame:
    grid = designs(pilot, plan["personas"], plan["repetitions"], one_request=plan["one_request"])
    return grid.select(pl.lit(name).alias("model"), pl.all(), pl.lit(simulated).alias("simulated"))


if __name__ == "__main__":
    run(table_power, snakemake)
