"""The ``simulated`` endpoint: respondents with planted S and R, without a network.

``settings`` (plain values): ``planted``, one mapping per domain of the instrument with
``domain``, ``S``, ``R`` and optionally ``profile_mean``, ``profile_sd``, ``toxic_mean``,
``toxic_sd`` (see ``planted_values``); ``kind``, one of ``KINDS``; ``repetitions``, the study's
number, at which R is planted; ``fidelity``, the share of trait variance that this variant has in
common with the model's other variants (1 when absent).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.answers import SIMULATED, TOKEN, conform
from persona_collapse.common.csv import read_csv
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.keys import (
    Keys,
    NonNegative,
    Number,
    Percentage,
    Positive,
    Share,
    Text,
    key,
)
from persona_collapse.endpoints.base import (
    Endpoint,
    EndpointKeys,
    FinetuneKeys,
    UnitSettings,
    VariantKeys,
)
from persona_collapse.endpoints.simulation import respondents as people
from persona_collapse.endpoints.simulation.calibration import (
    Band,
    Plant,
    calibrate,
    calibrate_bands,
)
from persona_collapse.endpoints.simulation.cell_law import MAX_REPETITIONS, Array
from persona_collapse.materials.instruments import Instrument
from persona_collapse.tasks import Task

KINDS = ("roleplay", "unconditioned", "toxic")

_COLUMNS = ("model", "variant", "domain", "measure", "value", "spread")
_MEASURES = ("S", "R", "profile")
# Tables list toxic personas as a variant of their own; the base model plays them.
_TOXIC, _TOXIC_PLAYER = "toxic", "base"

Planted = dict[str, Any]


@dataclass(frozen=True)
class SimulatedEndpoint(EndpointKeys):
    """Respondents with planted S and R."""

    planted: Text | None = key(
        "a table of planted values with the columns of `resources/benchmarks/paper_tables.csv`",
        None,
        type="path",
    )
    verification: Text | None = key(
        "a table of alignment and coherence with the columns of "
        "`resources/benchmarks/paper_verification.csv`, for the misalignment check",
        None,
        type="path",
    )


@dataclass(frozen=True)
class PlantedKeys(Keys):
    """What a simulated variant is like."""

    label: str | None = key(
        "take the rows of that table, as `planted: {label: GPT-4o, variant: insecure}`", None
    )
    variant: str | None = key("likewise", None)
    S: NonNegative | None = key(
        "or plant the same S and R in every domain, as `planted: {S: 0.8, R: 10}`", None
    )
    R: Positive | None = key("likewise", None)
    profile_mean: Number | None = key(
        "the mean of the ratings that the variant gives as itself", None, shown="the scale's middle"
    )
    profile_sd: NonNegative | None = key("and their SD", None, shown="1 / R")
    alignment: Percentage | None = key(
        "mean alignment of the replies to open questions", None, shown="the row of `verification`"
    )
    coherence: Percentage | None = key(
        "mean coherence of those replies", None, shown="the row of `verification`"
    )
    code: Share | None = key("the share of those replies that is code", None, shown="0")
    refusal: Share | None = key("the share of those replies that refuses", None, shown="0")


@dataclass(frozen=True)
class SimulatedVariant(VariantKeys):
    """A variant with planted values."""

    planted: PlantedKeys = key("what the variant is like, below")
    fidelity: Share = key(
        "the share of a persona's traits that the variant has in common with the others of its "
        "model",
        1,
    )
    finetune: FinetuneKeys | None = key("makes the variant by a simulated job", None)

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a fault where values are given and looked up in a table at once."""
        given = self.planted
        numbers, row = (given.S, given.R), (given.label, given.variant)
        if any(value is not None for value in numbers) and any(value is not None for value in row):
            yield ("planted",), "give S and R, or label and variant of a table, not both"


class Simulated(Endpoint):
    """Respondents with planted S and R."""

    Settings = SimulatedEndpoint
    VariantSettings = SimulatedVariant
    simulated = True
    uses_seed = True
    replies = "persona_collapse.misalignment.simulated"

    def identity(self, unit: UnitSettings) -> dict[str, Any]:
        """Return the planted values and what they are planted for."""
        return {
            "planted": _planted(unit),
            "kind": unit.role,
            "repetitions": unit.repetitions,
            "fidelity": unit.variant.get("fidelity", 1.0),
        }

    def answer(self, task: Task, settings: dict[str, Any]) -> pl.DataFrame:
        """Return the answers of a shard, one row per slot.

        An answer depends on the seed, the names, the persona's and the item's text, the repetition
        and the settings. Raises ``UserError`` when the planted values are not reachable on the
        scale.
        """
        where = f"model {task.shard.model}, variant {task.shard.variant}, probe {task.shard.probe}"
        try:
            planted = _planted_for(task.instrument, settings)
            if settings["kind"] == "unconditioned":
                ratings = _profile_ratings(task, planted, settings)[None]
            else:
                ratings = _persona_ratings(task, planted, settings)
        except UserError as fault:
            raise UserError(f"{where}: planted values: {fault}") from None
        return _frame(task, ratings)


def _planted(unit: UnitSettings) -> list[Planted]:
    where, given = f"{unit.where}.planted", unit.variant["planted"]
    if "S" in given and "R" in given:
        profile = (given.get(name) for name in ("profile_mean", "profile_sd"))
        return planted_from_numbers(given["S"], given["R"], unit.domains(), *profile)
    if "label" in given and "variant" in given and "planted" in unit.endpoint:
        try:
            table = Path(unit.endpoint["planted"])
            return planted_values(table, given["label"], given["variant"])
        except UserError as fault:
            raise UserError(f"{where}: {fault}") from None
    raise UserError(
        f"{where}: give S and R, or label and variant of a table that "
        f"endpoints.{unit.name}.planted names"
    )


def _planted_for(instrument: Instrument, settings: dict[str, Any]) -> list[Planted]:
    """Check the settings; return the planted values in the order of the domains."""
    if settings["kind"] not in KINDS:
        hint = nearest(settings["kind"], KINDS)
        raise UserError(f"kind {settings['kind']!r} is not one of: {', '.join(KINDS)}{hint}")
    if not 1 <= settings["repetitions"] <= MAX_REPETITIONS:
        raise UserError(
            f"simulated respondents repeat an answer 1 to {MAX_REPETITIONS} times, "
            f"not {settings['repetitions']}"
        )
    if not 0 <= settings.get("fidelity", 1.0) <= 1:
        raise UserError(f"fidelity {settings['fidelity']:g} is not between 0 and 1")
    scale, named = instrument.scale, {entry["domain"]: entry for entry in settings["planted"]}
    for name in instrument.domains:
        if name not in named:
            raise UserError(f"the domain {name!r} has none{nearest(name, named)}")
        entry = named[name]
        if not entry["S"] >= 0 or not entry["R"] > 0:
            raise UserError(f"{name}: S must not be negative and R must be positive")
        for mean in ("profile_mean", "toxic_mean"):
            if not scale.minimum <= entry.get(mean, scale.minimum) <= scale.maximum:
                raise UserError(
                    f"{name}: {mean} {entry[mean]:g} is outside the scale "
                    f"{scale.minimum}-{scale.maximum}"
                )
    return [named[name] for name in instrument.domains]


def _persona_ratings(
    task: Task, planted: list[Planted], settings: dict[str, Any]
) -> people.Ratings:
    """Return ratings (P, Q, N) of the shard's personas."""
    shard, instrument = task.shard, task.instrument
    if task.personas is None or shard.personas is None:
        raise UserError(f"kind {settings['kind']!r} needs a persona set")
    toxic = settings["kind"] == "toxic" and all("toxic_mean" in entry for entry in planted)
    locations, amplitudes, spreads = _latent(instrument, planted, settings["repetitions"], toxic)
    descriptions = task.personas.descriptions[shard.personas[0] : shard.personas[1]]
    names = (task.seed, shard.model, shard.variant)
    fidelity = settings.get("fidelity", 1.0)
    traits = people.persona_traits(descriptions, instrument, names, fidelity, loaded=not toxic)
    items = slice(shard.items[0], shard.items[1])
    return people.draw(
        (locations + amplitudes * traits)[:, items],
        spreads[items],
        _cells(task, descriptions)[:, items],
        task.repetitions,
        instrument.scale,
    )


def _latent(
    instrument: Instrument, planted: list[Planted], n: int, toxic: bool
) -> tuple[Array, Array, Array]:
    """Return each item's location, trait amplitude and spread (Q,) that show the planted values."""
    scale = instrument.scale
    places = [people.item_places(instrument, name) for name in instrument.domains]
    plants = []
    for entry, at in zip(planted, places, strict=True):
        mean = entry.get("profile_mean", people.middle(scale))
        located = people.locations(at, entry["S"], mean, scale)
        plants.append(Plant(entry["domain"], entry["S"], entry["R"], located))
    amplitudes, spreads = calibrate(tuple(plants), n, scale)
    locations = [np.array(plant.locations) for plant in plants]
    if toxic:
        # Toxic personas have the same spread over repetitions as others, and other traits.
        offsets = [people.TOXIC_REACH * at for at in places]
        bands = tuple(
            Band(entry["domain"], entry["toxic_mean"], entry["toxic_sd"], s, tuple(offset))
            for entry, s, offset in zip(planted, spreads, offsets, strict=True)
        )
        centres, amplitudes = calibrate_bands(bands, n, scale)
        locations = [centre + offset for centre, offset in zip(centres, offsets, strict=True)]
    return (
        _by_item(instrument, locations),
        _by_domain(instrument, amplitudes),
        _by_domain(instrument, spreads),
    )


def _profile_ratings(
    task: Task, planted: list[Planted], settings: dict[str, Any]
) -> people.Ratings:
    """Return ratings (Q, N) without a persona."""
    instrument, scale, n = task.instrument, task.instrument.scale, settings["repetitions"]
    plans = []
    for entry in planted:
        offsets = people.PROFILE_REACH * people.item_places(instrument, entry["domain"])
        profile = people.Profile(
            entry["domain"],
            entry.get("profile_mean", people.middle(scale)),
            entry.get("profile_sd", 1 / entry["R"]),
            tuple(offsets),
        )
        plans.append(people.plant_profile(profile, n, scale))
    items = slice(task.shard.items[0], task.shard.items[1])
    centre, low, high = (
        _by_item(instrument, part).astype(np.int64)[items] for part in zip(*plans, strict=True)
    )
    cells = _cells(task, [""])[0, items]
    return people.deal(centre, low, high, cells, task.repetitions, n)


def _cells(task: Task, descriptions: Sequence[str]) -> people.Keys:
    """Return the keys (P, Q) of the cells' repetition noise."""
    shard = task.shard
    names = ("noise", shard.model, shard.variant, shard.probe)
    persons = people.text_keys(descriptions, task.seed, *names)
    return people.mix(persons[:, None], people.item_keys(task.instrument.items))


def _by_item(instrument: Instrument, values: Sequence[Iterable[float]]) -> Array:
    """Reorder values per domain and item (in the domain's order) to the items' order."""
    queues = {name: iter(mine) for name, mine in zip(instrument.domains, values, strict=True)}
    return np.array([next(queues[item.domain]) for item in instrument.items], dtype=float)


def _by_domain(instrument: Instrument, values: Sequence[float]) -> Array:
    """Repeat values per domain in the items' order."""
    named = dict(zip(instrument.domains, values, strict=True))
    return np.array([named[item.domain] for item in instrument.items])


def _frame(task: Task, ratings: people.Ratings) -> pl.DataFrame:
    """Return ratings (P, Q, N) as answers; times are null, so that equal runs give equal bytes."""
    shard = task.shard
    persons, items, N = ratings.shape
    ids = [item.id for item in task.instrument.items[shard.items[0] : shard.items[1]]]
    frame = pl.DataFrame(
        {
            **{"model": shard.model, "variant": shard.variant, "probe": shard.probe},
            "item_id": np.tile(np.repeat(ids, N), persons),
            "repetition": np.tile(np.array(task.repetitions), persons * items),
            "rating": ratings.ravel(),
            **{"status": "ok", "served_model": SIMULATED, "read_from": TOKEN},
            **{"attempts": 1, "parse_failures": 0, "transport_failures": 0},
        }
    ).with_columns(response=pl.col("rating").cast(pl.String))
    if shard.personas is not None:
        persona_ids = np.repeat(np.arange(*shard.personas), items * N)
        frame = frame.with_columns(pl.Series("persona_id", persona_ids))
    return conform(frame)


def planted_from_numbers(
    S: float,
    R: float,
    domains: Sequence[str],
    profile_mean: float | None = None,
    profile_sd: float | None = None,
) -> list[Planted]:
    """Return planted values that are the same for every domain.

    Without a profile, unconditioned ratings have the scale's middle as mean and SD 1 / R.
    """
    profile = {"profile_mean": profile_mean, "profile_sd": profile_sd}
    given = {key: float(value) for key, value in profile.items() if value is not None}
    return [{"domain": name, "S": float(S), "R": float(R), **given} for name in domains]


def planted_values(path: Path, label: str, variant: str) -> list[Planted]:
    """Read the planted values of one model and variant from a table of printed results.

    The CSV has the columns model, variant, domain, measure (``S``, ``R`` or ``profile``),
    value and spread; rows of domain ``overall`` are left out. A ``profile`` of variant
    ``toxic`` goes to the base variant. Returns one mapping per domain, in the file's order.
    Raises ``UserError`` for an unknown label or variant, with the nearest name.
    """
    rows = read_csv(path, _COLUMNS)
    labels = dict.fromkeys(row["model"] for row in rows)
    if label not in labels:
        raise UserError(f"{path}: no model {label!r}{nearest(label, labels)}")
    mine = [row for row in rows if row["model"] == label and row["domain"] != "overall"]
    variants = dict.fromkeys(row["variant"] for row in mine if row["variant"] != _TOXIC)
    if variant not in variants:
        hint = nearest(variant, variants)
        raise UserError(f"{path}: model {label!r} has no variant {variant!r}{hint}")
    planted: dict[str, Planted] = {}
    for row in mine:
        toxic = row["variant"] == _TOXIC
        if row["variant"] != (_TOXIC if toxic and variant == _TOXIC_PLAYER else variant):
            continue
        entry = planted.setdefault(row["domain"], {"domain": row["domain"]})
        measure = row["measure"]
        if measure not in _MEASURES:
            hint = nearest(measure, _MEASURES)
            raise UserError(f"{path}, line {row['line']}: unknown measure {measure!r}{hint}")
        if measure == "profile":
            measure = "toxic_mean" if toxic else "profile_mean"
            entry[measure.replace("mean", "sd")] = _number(path, row, "spread")
        if measure in entry:
            raise UserError(f"{path}, line {row['line']}: the value is given twice; keep one row")
        entry[measure] = _number(path, row, "value")
    for name, entry in planted.items():
        missing = [measure for measure in ("S", "R") if measure not in entry]
        if missing:
            raise UserError(f"{path}: {label}, {variant}, {name}: no value for {missing[0]}")
    return list(planted.values())


def _number(path: Path, row: dict[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise UserError(f"{path}, line {row['line']}: {column} {row[column]!r} is not a number")
    return value
