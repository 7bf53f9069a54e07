"""The workflow of a study as Snakemake reads it, in this process: its rules and its jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.scheduling.greedy import SchedulerSettings
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    MaxJobsPerTimespan,
    OutputSettings,
    Quietness,
    ResourceSettings,
    SchedulingSettings,
)

from tests.conftest import ROOT


@contextmanager
def opened(
    folder: Path, targets: Collection[str] = ("all",), executor: str = "dryrun", **config: Any
) -> Iterator[Any]:
    """Yield a study's workflow after it is planned or run; results and store go to ``folder``."""
    places = {"results": str(folder / "results"), "store": str(folder / "store")}
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={**places, **config}),
            snakefile=ROOT / "Snakefile",
        )
        dag = workflow.dag(dag_settings=DAGSettings(targets=set(targets)))
        dag.execute_workflow(
            executor=executor,
            scheduling_settings=SchedulingSettings(
                scheduler="greedy", max_jobs_per_timespan=MaxJobsPerTimespan(100, "1s")
            ),
            scheduler_settings=SchedulerSettings(),
        )
        yield workflow._workflow
