"""Recorded answers: files of any layout, read row by row (``layouts``); nothing is asked.

Without a ``layout``, files have the columns of the published CSV (``persona_id``, ``question_id``,
``run_index``, ``rating``, where present ``failures``, ``response``, ``collected_at``; released
answers of arXiv 2605.12850) or those of this project's own answers (``answers.SCHEMA``). Rows
beyond the design's repetitions are kept; the last block of repetitions holds them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import polars as pl

from persona_collapse.answers import conform
from persona_collapse.common.errors import UserError
from persona_collapse.common.keys import Limits, Text, key
from persona_collapse.endpoints.base import (
    Endpoint,
    EndpointKeys,
    Method,
    UnitSettings,
    VariantKeys,
)
from persona_collapse.layouts.design import Design
from persona_collapse.layouts.keeping import kept_answers
from persona_collapse.layouts.keys import Fault, Layout, layout_of, merged
from persona_collapse.layouts.patterns import filled, filled_values, found, has_labels
from persona_collapse.layouts.reading import Outcome, read_answers
from persona_collapse.tasks import Task

LARGE = 20_000_000  # bytes from which a file is read once for all shards

Files = Annotated[dict[str, Text], Limits(min_length=1)]
FILES = (
    "from probe to a file of answers, `.csv`, `.tsv`, `.json`, `.jsonl` or `.parquet`, each also "
    "with `.gz`"
)


@dataclass(frozen=True)
class RecordedEndpoint(EndpointKeys):
    """Answers that are there already."""

    root: Text = key(
        "the folder that `files` are relative to; `${published_root}` stands for the run setting, "
        "`${study_folder}` for the study file's own folder",
        type="path",
    )
    files: Files | None = key(
        f"{FILES}; `{{model}}`, `{{variant}}` and `{{probe}}` stand for the study's names, "
        "`{persona}` and `{repetition}` for what the names of several files say: "
        "`run{repetition}/persona_{persona}.json`",
        None,
        shown="each variant's own",
    )
    layout: Layout | None = key(
        "how the files keep answers, below", None, shown="that of the published CSV"
    )

    def faults(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Return the faults of the layout."""
        return _layout_faults(self.layout)


@dataclass(frozen=True)
class RecordedVariant(VariantKeys):
    """The files of a variant's answers."""

    files: Files | None = key("likewise, for this variant", None, shown="the endpoint's")
    layout: Layout | None = key(
        "keys of the layout that differ for this variant: `{where: {model: gpt-4o}}`",
        None,
        shown="the endpoint's",
    )
    method: Method | None = key(
        "how these answers were sampled, where not as the study says", None, shown="the probe's"
    )

    def faults(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Return the faults of the layout."""
        return _layout_faults(self.layout)


def _layout_faults(layout: Layout | None) -> list[Fault]:
    return [(("layout", *place), fault) for place, fault in layout.faults()] if layout else []


class Recorded(Endpoint):
    """Answers that are there already."""

    Settings = RecordedEndpoint
    VariantSettings = RecordedVariant
    methods = ("repeats", "logprobs")
    keeps_extra = True
    inputs_called = "recorded answers"
    inputs_advice = (
        "give their folder (the released answers: make published-answers fetches them, "
        "--config published_root=PATH names a copy)"
    )

    def identity(self, unit: UnitSettings) -> dict[str, Any]:
        """Return the layout and the names of several files; the files themselves are inputs."""
        layout, pattern = _layout(unit), _pattern(unit)
        found = {"layout": layout} if layout else {}
        return found | ({"pattern": pattern} if has_labels(pattern) else {})

    def run_settings(self, unit: UnitSettings) -> dict[str, Any]:
        """Return what answers are checked against, and where a large file's are kept."""
        logprobs = unit.sampling["method"] == "logprobs"
        repetitions = unit.sampling["samples_per_cell"] if logprobs else unit.repetitions
        kept = Path(unit.results, "recorded", unit.names["model"], unit.names["variant"])
        return {
            "logprobs": logprobs,
            "repetitions": repetitions,
            "kept": str(kept / f"{unit.names['probe']}.parquet"),
        }

    def inputs(self, unit: UnitSettings) -> list[str]:
        """Return the files of the unit's answers."""
        root, pattern = Path(unit.endpoint["root"]), _pattern(unit)
        if has_labels(pattern):
            return list(found(root, pattern, f"{unit.where}.files.{unit.names['probe']}"))
        return [str(root / pattern)]

    def gives_means(self, unit: UnitSettings) -> bool:
        """Return whether the layout says that ratings are means."""
        return bool(_layout(unit).get("rating") == "mean")

    def outcome(self, task: Task, settings: dict[str, Any]) -> dict[str, Any]:
        """Return what became of the rows of the unit's files."""
        return asdict(_read(task, settings)[1])

    def answer(self, task: Task, settings: dict[str, Any]) -> pl.DataFrame:
        """Return the recorded answers of a shard from the files of ``inputs``."""
        rows, _ = _read(task, settings)
        shard = task.shard
        inside = pl.col("repetition") >= shard.repetitions[0]
        if not shard.last:
            inside &= pl.col("repetition") < shard.repetitions[1]
        items = [item.id for item in task.instrument.items[slice(*shard.items)]]
        inside &= pl.col("item_id").is_in(items)
        if shard.personas is not None:
            inside &= pl.col("persona_id").is_between(shard.personas[0], shard.personas[1] - 1)
        names = {name: pl.lit(getattr(shard, name)) for name in ("model", "variant", "probe")}
        return conform(rows.filter(inside).with_columns(**names).collect())


def _pattern(unit: UnitSettings) -> str:
    """Return the name of a unit's file or files, filled with the unit's names."""
    probe = unit.names["probe"]
    files = {**(unit.endpoint.get("files") or {}), **(unit.variant.get("files") or {})}
    return filled(str(files[probe]), unit.names, f"{unit.where}.files.{probe}")


def _layout(unit: UnitSettings) -> dict[str, Any]:
    """Return the layout of a unit's files, with the unit's names in ``where``.

    Raises ``UserError`` for keys that exclude each other or the way of sampling.
    """
    layout = merged(unit.endpoint.get("layout"), unit.variant.get("layout"))
    where = f"{unit.where}.layout"
    if layout.get("where"):
        layout["where"] = filled_values(layout["where"], unit.names, f"{where}.where")
    checked = layout_of(layout, where)
    logprobs = unit.sampling["method"] == "logprobs"
    template = checked.log_probabilities or checked.probabilities
    if layout and logprobs != (template is not None):
        name = "log_probabilities" if checked.log_probabilities else "probabilities"
        raise UserError(
            f"{where}.{name}: needs method: logprobs, in the variant, the probe or sampling"
            if template
            else f"{where}: method: logprobs needs layout.log_probabilities (or probabilities), "
            "the columns of the ratings"
        )
    return layout


def _read(task: Task, settings: Mapping[str, Any]) -> tuple[pl.LazyFrame, Outcome]:
    """Return all answers of a shard's unit, and what became of the rows of its files."""
    paths = [Path(path) for path in settings["inputs"]]
    keys, pattern = settings.get("layout", {}), settings.get("pattern")
    names, repetitions = task.shard, settings.get("repetitions")
    design = Design(task.instrument, task.personas, names.probe, repetitions)
    if "kept" in settings and sum(path.stat().st_size for path in paths) > LARGE:
        rows, outcome = kept_answers(Path(settings["kept"]), paths, keys, pattern, design)
    else:
        frame, outcome = read_answers(paths, keys, pattern, design)
        rows = frame.lazy()
    if settings.get("logprobs") and "probabilities" not in rows.collect_schema().names():
        raise UserError(
            f"{paths[0]}: has no probabilities, and the study says method: logprobs; name their "
            "columns with layout.log_probabilities, or say method: repeats"
        )
    return rows, outcome
