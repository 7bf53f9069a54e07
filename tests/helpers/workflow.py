"""The workflow of a study as Snakemake reads it, in this process: its rules and its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
    SchedulingSettings,
)

from tests.conftest import ROOT


@contextmanager
def opened(folder: Path, **config: Any) -> Iterator[Any]:
    """Yield a study's planned workflow, with ``rules`` and ``dag``; results go to ``folder``."""
    places = {"results": str(folder / "results"), "store": str(folder / "store")}
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={**places, **config}),
            snakefile=ROOT / "Snakefile",
        )
        dag = workflow.dag(dag_settings=DAGSettings(targets={"all"}))
        dag.execute_workflow(
            executor="dryrun", scheduling_settings=SchedulingSettings(scheduler="greedy")
        )
        yield workflow._workflow
