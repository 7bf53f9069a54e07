"""Declare the run settings of a machine: config/config.yaml and ``--config``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from persona_collapse.common.keys import Keys, Matches, Place, key

AboveZero = Annotated[float | str, Matches(r"^(?=.*[1-9])[0-9]*[.]?[0-9]+$", "a number above 0")]


@dataclass(frozen=True)
class PlannedValues(Keys):
    """S and R to plan from; on the command line Snakemake reads values in braces as text."""

    S: AboveZero = key("moral susceptibility")
    R: AboveZero = key("moral robustness")


@dataclass(frozen=True)
class ResourceSettings(Keys):
    """Where fetched resources come from."""

    mirror: str | None = key(
        "a folder to take fetched resources from instead of the network: "
        "`--config 'resources={mirror: PATH}'`",
        None,
        type="path",
    )


@dataclass(frozen=True)
class RunSettings(Keys):
    """Run settings of a machine: config/config.yaml and ``--config``."""

    study: str | int = key(
        "which study is run; results go to `<results>/<study's file name>/`",
        type="name or path",
        shown="`demo`",
    )
    models: str | tuple[str, ...] | None = key(
        "narrows the study to these models", None, type="list, or names with commas", shown="all"
    )
    results: Place = key("where outputs go", "results", type="path")
    store: Place = key("where paid answers are stored; back it up", "answer_store", type="path")
    prices: Place = key("dollars per million tokens", "resources/prices.yaml", type="path")
    sampling_on: Literal["nodes", "controller"] = key(
        "where a cluster answers shards: as jobs, or beside `snakemake` itself where compute "
        "nodes have no internet",
        "nodes",
    )
    accept_errors: bool = key(
        "go on without answers whose requests failed: they get the status `error`, which the page "
        "shows; with `false` their shards fail, and the next run asks for them again",
        False,
    )
    figure_width: Literal["page", "neurips", "nature", "nature-column"] = key(
        "what large figures are drawn for: the page of the report (6.9 inches), the text of a "
        "NeurIPS paper (5.5), the page (7.2) or one column (3.5) of Nature; no text is smaller "
        "than 7 points",
        "page",
    )
    published_root: str | None = key(
        "the released answers, for `study=published`; a study file names it as `${published_root}`",
        None,
        type="path",
        shown="`resources/external/published/data`",
    )
    planted: PlannedValues | None = key(
        "`power` plans from these values, whatever `analysis.power` says, and asks nothing: "
        "`snakemake power --config study=paper 'planted={S: 0.8, R: 10}'`",
        None,
        type="`{S: , R: }`",
    )
    batch_results: str | tuple[str, ...] | None = key(
        "results of `vllm run-batch` that `snakemake import_batch` puts into the store "
        "(docs/batches.md)",
        None,
        type="list, or paths with commas",
    )
    resources: ResourceSettings | None = key("where fetched resources come from, below", None)

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield folders that can never exist, since a file is in their place or above them."""
        for name in ("results", "store"):
            path = Path(getattr(self, name))
            for place in (path, *path.parents):
                if place.exists() and not place.is_dir():
                    yield (name,), f"{place} is a file, so there can be no folder {path}"
