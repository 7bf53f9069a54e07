"""Paired samples of two variants of one model, from which every contrast is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.common.errors import UserError
from persona_collapse.common.seeds import generator
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells, cells_from_moments
from persona_collapse.measures.collapse import collapse_of, reciprocal
from persona_collapse.measures.contrasts.log_ratios import Drawing, LogRatios
from persona_collapse.measures.contrasts.permutation import sign_flip_tests
from persona_collapse.measures.contrasts.spread import Spread, over_replicates
from persona_collapse.measures.statistics.bootstrap import (
    averages,
    jackknife,
    rerun_variances,
    sample_and_draws,
    weighted,
)
from persona_collapse.measures.statistics.linearized import Linearized

METRICS = ("S", "R", "sigma_bar")
PERMUTATIONS = 9999
Contrast = tuple[str, str]  # first variant minus second variant
Replicates = Mapping[str, Mapping[str, Sequence[str]]]  # model -> variant -> names, itself first


@dataclass(frozen=True)
class Roles:
    """The study's variants by role: the baseline, and each target with its control or None."""

    baseline: str
    targets: Mapping[str, str | None]

    @property
    def controls(self) -> tuple[str, ...]:
        """The controls, each once."""
        return tuple(dict.fromkeys(filter(None, self.targets.values())))

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Per target: target - baseline, control - baseline, target - control; each once."""
        found: list[Contrast] = []
        for target, control in self.targets.items():
            found.append((target, self.baseline))
            if control is not None:
                found += [(control, self.baseline), (target, control)]
        return tuple(dict.fromkeys(found))


def roles_of(analysis: Mapping[str, Any]) -> Roles:
    """Return the roles that a study's ``analysis`` names."""
    return Roles(analysis["baseline"], analysis["targets"])


@dataclass(frozen=True)
class Pair:
    """Two variants of a model on the personas that both, and all their replicates, retained.

    Arrays end in (2, 3, G): first and second variant, ``METRICS``, groups of items. ``spread``
    holds the values (means over replicates) with their bootstrap and jackknife over the U personas
    of the probe and over replicates; ``rerun`` the variances from redrawn repetitions;
    ``p_exchange`` (3, G) the sign-flip tests; ``n_replicates`` the number of fine-tunes of each
    variant.
    """

    model: str
    contrast: Contrast
    n_personas: int
    personas_excluded: int
    n_replicates: tuple[int, int]
    simulated: bool
    spread: Spread
    rerun: Array
    p_exchange: Array


@dataclass(frozen=True)
class Paired:
    """All pairs of one probe.

    ``log_ratios`` holds each contrast's log ratios, in the order of ``of``; ``mean_p_exchange``
    (3, G) tests the mean over models of each contrast.
    """

    probe: str
    roles: Roles
    groups: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    pairs: tuple[Pair, ...]
    log_ratios: dict[Contrast, LogRatios]
    mean_p_exchange: dict[Contrast, Array]

    def of(self, contrast: Contrast) -> list[Pair]:
        """Return the pairs of one contrast, in the models' order."""
        return [pair for pair in self.pairs if pair.contrast == contrast]


@dataclass(frozen=True)
class _Common:
    """Replicates of two variants on their common personas, at ``places`` in the probe."""

    model: str
    contrast: Contrast
    names: tuple[tuple[str, ...], tuple[str, ...]]
    cells: tuple[tuple[Cells, ...], tuple[Cells, ...]]
    places: NDArray[np.intp]
    excluded: int
    simulated: bool


def paired_of(
    moments: Sequence[pl.DataFrame],
    instrument: Instrument,
    seed: int,
    analysis: Mapping[str, Any],
    replicates: Replicates | None = None,
) -> Paired:
    """Return the pairs of one probe; all variants share the same draws of personas.

    ``moments`` holds one frame per model x variant of one probe with personas. ``analysis`` names
    ``baseline`` and ``targets`` (target -> control) and gives ``bootstrap_personas``,
    ``bootstrap_reruns`` and optionally ``permutations`` (9,999). ``replicates`` lists the replicate
    fine-tunes per model and variant, including the variant itself; its S, R and sigma_bar are means
    over them. A model has no pair of a contrast if it lacks a variant or its variants share fewer
    than two personas. In a study without targets, every variant is compared with the baseline.

    Raises:
        UserError: the moments are of several probes, or of one without personas.
    """
    roles = roles_of(analysis)
    probe, cells, simulated = _laid_out(moments, instrument)
    # All designed personas, including those that every variant here dropped: which personas
    # another model retains must not change this model's draws.
    persona_ids = np.unique(
        [i for part in cells.values() for i in (*part.persona_ids, *part.dropped)]
    )
    models = list(dict.fromkeys(model for model, _ in cells))
    contrasts = roles.contrasts or _with_baseline(roles.baseline, cells, replicates or {})
    candidates = [
        _common(model, contrast, members, cells, persona_ids, simulated)
        for contrast in contrasts
        for model in models
        if all(members := [_members(model, name, cells, replicates or {}) for name in contrast])
    ]
    commons = [common for common in candidates if common.places.size > 1]
    groups = next(iter(cells.values())).groups()
    by_group = averages(groups, len(instrument.items))
    draws, log_ratios = _draws(commons, by_group, persona_ids.size, seed, probe, analysis)
    p, mean_p = sign_flip_tests(
        [(common.contrast, common.places, *common.cells) for common in commons],
        by_group,
        persona_ids.size,
        generator(seed, "swaps", probe),
        analysis.get("permutations", PERMUTATIONS),
    )
    rerun = {
        key: _rerun(part, by_group, generator(seed, "reruns", *key, probe), analysis)
        for key, part in cells.items()
    }
    pairs = [
        Pair(
            common.model,
            common.contrast,
            common.places.size,
            common.excluded,
            (len(common.cells[0]), len(common.cells[1])),
            common.simulated,
            _spread(common, drawn, by_group, persona_ids.size),
            np.stack([_rerun_of_mean(common.model, names, rerun) for names in common.names]),
            tested,
        )
        for common, drawn, tested in zip(commons, draws, p, strict=True)
    ]
    named = tuple(contrast for contrast in contrasts if contrast in mean_p)
    return Paired(probe, roles, tuple(groups), named, tuple(pairs), log_ratios, mean_p)


def _with_baseline(
    baseline: str, cells: Mapping[tuple[str, str], Cells], replicates: Replicates
) -> tuple[Contrast, ...]:
    """Return the contrasts of all other variants with the baseline, replicates counted as one."""
    first = {
        (model, name): variant
        for model, variants in replicates.items()
        for variant, names in variants.items()
        for name in names
    }
    variants = dict.fromkeys(first.get(key, key[1]) for key in cells)
    return tuple((variant, baseline) for variant in variants if variant != baseline)


def _members(
    model: str, variant: str, cells: Mapping[tuple[str, str], Cells], replicates: Replicates
) -> tuple[str, ...]:
    """Return the measured fine-tunes of a variant, sorted, whatever the study file's order."""
    names = {variant, *replicates.get(model, {}).get(variant, ())}
    return tuple(sorted(name for name in names if (model, name) in cells))


def _laid_out(
    moments: Sequence[pl.DataFrame], instrument: Instrument
) -> tuple[str, dict[tuple[str, str], Cells], dict[tuple[str, str], bool]]:
    cells, simulated, probes = {}, {}, set()
    for frame in moments:
        unit = frame.row(0, named=True)
        model, variant, probe = (unit[name] for name in ("model", "variant", "probe"))
        if frame["persona_id"].is_null().any():
            raise UserError(
                f"{model} / {variant} / {probe}: an unconditioned probe has no personas to draw; "
                "contrasts need a probe with personas (analysis.roleplay_probe)"
            )
        cells[model, variant] = cells_from_moments(frame, instrument)
        simulated[model, variant] = bool(unit["simulated"])
        probes.add(probe)
    if len(probes) != 1:
        raise UserError(f"contrasts need the moments of one probe, found {sorted(probes)}")
    return probes.pop(), cells, simulated


def _common(
    model: str,
    contrast: Contrast,
    members: Sequence[tuple[str, ...]],
    cells: Mapping[tuple[str, str], Cells],
    persona_ids: NDArray[np.int64],
    simulated: Mapping[tuple[str, str], bool],
) -> _Common:
    sides = [[cells[model, name] for name in names] for names in members]
    every = [part for side in sides for part in side]
    shared = reduce(np.intersect1d, [part.persona_ids for part in every])
    seen = {i for part in every for i in (*part.persona_ids, *part.dropped)}
    one, other = (tuple(part.of(shared) for part in side) for side in sides)
    return _Common(
        model,
        contrast,
        (members[0], members[1]),
        (one, other),
        np.searchsorted(persona_ids, shared),
        len(seen) - shared.size,
        any(simulated[model, name] for names in members for name in names),
    )


def _draws(
    commons: Sequence[_Common],
    by_group: Array,
    personas: int,
    seed: int,
    probe: str,
    analysis: Mapping[str, Any],
) -> tuple[list[Array], dict[Contrast, LogRatios]]:
    """Return the bootstrap values (B, 2, 3, G) per pair, and each contrast's log ratios.

    All pairs see the same persona draws.
    """
    sides: dict[tuple[object, ...], tuple[_Common, tuple[Cells, ...], Linearized]] = {}
    joined: dict[Contrast, list[tuple[NDArray[np.intp], Linearized, Linearized]]] = {}
    for common in commons:
        both = []
        for names, cells in zip(common.names, common.cells, strict=True):
            key = (common.model, names, common.places.tobytes())
            if key not in sides:  # a variant of several contrasts is measured once
                sides[key] = common, cells, Linearized(cells, by_group)
            both.append(sides[key][2])
        joined.setdefault(common.contrast, []).append((common.places, both[0], both[1]))
    drawings = {contrast: Drawing(pairs, personas) for contrast, pairs in joined.items()}
    parts: dict[tuple[object, ...], list[Array]] = {at: [] for at in sides}
    for weights in sample_and_draws(seed, probe, personas, analysis["bootstrap_personas"]):
        measured = {}
        for at, (common, cells, side) in sides.items():
            drawn = weights[:, common.places]
            measured[side] = side.of(drawn)
            each = [_metrics(*weighted(part, by_group, drawn)) for part in cells]
            parts[at].append(over_replicates(each))
        for drawing in drawings.values():
            drawing.add(weights, measured)
    values = {at: np.concatenate(kept[1:]) for at, kept in parts.items()}
    draws = [
        np.stack(
            [values[common.model, names, common.places.tobytes()] for names in common.names], axis=1
        )
        for common in commons
    ]
    found = {contrast: drawing.log_ratios() for contrast, drawing in drawings.items()}
    return draws, found


def _metrics(S: Array, sigma_bar: Array) -> Array:
    """Stack S and sigma_bar (..., G) to the metrics (..., 3, G)."""
    return np.stack([S, reciprocal(sigma_bar), sigma_bar], axis=-2)


def _values(cells: Cells, by_group: Array) -> Array:
    values = collapse_of(cells, by_group)
    return _metrics(values.S, values.sigma_bar)


def _spread(common: _Common, draws: Array, by_group: Array, personas: int) -> Spread:
    each = [[_values(part, by_group) for part in side] for side in common.cells]
    whole = np.stack([over_replicates(side) for side in each])
    left_out = np.repeat(whole[None], personas, axis=0)
    both = [
        over_replicates([_metrics(*jackknife(part, by_group)) for part in side])
        for side in common.cells
    ]
    left_out[common.places] = np.stack(both, axis=1)
    deleted = {}
    for place, (variant, values) in enumerate(zip(common.contrast, each, strict=True)):
        if len(values) > 1:
            without = np.repeat(whole[None], len(values), axis=0)
            for gone in range(len(values)):
                without[gone, place] = over_replicates(values[:gone] + values[gone + 1 :])
            deleted[common.model, variant] = without
    return Spread(whole, draws, left_out, deleted)


def _rerun(
    cells: Cells, by_group: Array, rng: np.random.Generator, analysis: Mapping[str, Any]
) -> Array:
    """Return the variances (3, G) from redrawn repetitions; NaN for an infinite R."""
    S, sigma = rerun_variances(cells, by_group, rng, analysis["bootstrap_reruns"])
    sigma_bar = collapse_of(cells, by_group).sigma_bar
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([S, sigma / sigma_bar**4, sigma])


def _rerun_of_mean(
    model: str, names: Sequence[str], rerun: Mapping[tuple[str, str], Array]
) -> Array:
    """Return the rerun variances of a mean over replicates, which are independent."""
    total: Array = np.sum([rerun[model, name] for name in names], axis=0)
    return total / len(names) ** 2
