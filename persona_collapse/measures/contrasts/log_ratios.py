"""Log ratios of several pairs in the sample and in every draw, with their errors' covariances.

The pairs of a contrast share the draws of personas, so the errors of their log ratios are
correlated: a persona's influences on them add up in their mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.statistics.bootstrap import CHUNK
from persona_collapse.measures.statistics.intervals import jackknife_se
from persona_collapse.measures.statistics.linearized import (
    Linearized,
    Measured,
    contrasted,
    influences,
    logs_left_out,
    weighted_products,
)
from persona_collapse.measures.statistics.studentized import Studentized, studentized


@dataclass(frozen=True)
class LogRatios:
    """Log ratios of M pairs in B draws of personas, with the covariances of their errors.

    ``values`` (1 + B, M, 3, G) begin with the sample; ``covariances`` (B, M, M, 3, G), ``personas``
    (M,) the number of personas of each pair.
    """

    values: Array
    covariances: Array
    personas: tuple[int, ...]

    def mean(
        self, members: Sequence[int], se: Array, replicates: tuple[Array, Array] | None = None
    ) -> Studentized:
        """Return the log of the mean ratio of the pairs at these places.

        A mean of percent changes is 100 (mean ratio - 1), so its interval and p are those of this
        log. For one pair it is the log ratio. ``se`` (3, G) is its jackknife standard error;
        ``replicates``: see ``Studentized``.
        """
        places = list(members)
        logs, errors = self.values[:, places], self.covariances[:, places][:, :, places]
        freedom = min(self.personas[place] for place in places) - 1
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            if len(places) == 1:
                values, variance = logs[:, 0], errors[:, 0, 0]
            else:
                ratios = np.exp(logs)
                values = np.log(ratios.mean(axis=1))
                share = (ratios / ratios.sum(axis=1, keepdims=True))[1:]
                variance = np.einsum("bimg,bijmg,bjmg->bmg", share, errors, share)
            drawn = np.sqrt(np.maximum(variance, 0))
            return studentized(values, drawn, se, freedom, replicates)


class Drawing:
    """Collects the log ratios of the pairs of one contrast: of the sample, then of its draws."""

    def __init__(
        self,
        pairs: Sequence[tuple[NDArray[np.intp], Linearized, Linearized]],
        personas: int,
    ) -> None:
        self.pairs, self.personas = pairs, personas
        # log R = -log sigma_bar without replicates
        self.single = all(side.count == 1 for _, *sides in pairs for side in sides)
        self.values: list[Array] = []
        self.covariances: list[Array] = []

    def add(self, weights: Array, measured: Mapping[Linearized, Measured]) -> None:
        """Add draws with these weights (b, U) of all the probe's personas; first the sample.

        ``measured`` holds what ``Linearized.of`` returns for them, as contrasts share variants.
        """
        logs, terms = [], []
        for places, first, second in self.pairs:
            (one, of_one), (other, of_other) = measured[first], measured[second]
            with np.errstate(invalid="ignore"):
                logs.append(one - other)
            terms.append((places, of_one, of_other))
        self.values.append(np.stack(logs, axis=1))
        draws, count, metrics, groups = self.values[-1].shape
        covariances = np.empty((draws, count, count, metrics, groups))
        for metric in range(metrics):
            if metric == 1 and self.single:
                continue
            for group in range(groups):
                parts = [
                    self._spread(
                        places, influences(contrasted(one[metric][group], other[metric][group]))
                    )
                    for places, one, other in terms
                ]
                for i, part in enumerate(parts):
                    for j in range(i, count):
                        shared = weighted_products(weights, part, parts[j])
                        covariances[:, i, j, metric, group] = shared
                        covariances[:, j, i, metric, group] = shared
        if self.single:
            covariances[..., 1, :] = covariances[..., 2, :]
        self.covariances.append(covariances)

    def _spread(self, places: NDArray[np.intp], part: Array) -> Array:
        """Return influences (b, U) of all personas; those that a pair lacks have none."""
        if places.size == self.personas:
            return part
        whole = np.zeros((part.shape[0], self.personas))
        whole[:, places] = part
        return whole

    def log_ratios(self) -> LogRatios:
        """Return all that was added."""
        return LogRatios(
            np.concatenate(self.values),
            np.concatenate(self.covariances)[1:],
            tuple(places.size for places, *_ in self.pairs),
        )


def log_ratio_of(first: Cells, second: Cells, by_group: Array, weights: Array) -> Studentized:
    """Return log(first / second) of S, R and sigma_bar (3, G) of two variants, studentized.

    Both have the same P personas; ``weights`` (1 + B, P) are those of the sample and of its draws.
    """
    sides = Linearized([first], by_group), Linearized([second], by_group)
    drawing = Drawing([(np.arange(weights.shape[1]), *sides)], weights.shape[1])
    for part in np.array_split(weights, ceil(weights.size / CHUNK)):
        drawing.add(part, {side: side.of(part) for side in sides})
    with np.errstate(invalid="ignore"):
        left_out = logs_left_out(first, by_group) - logs_left_out(second, by_group)
    return drawing.log_ratios().mean([0], jackknife_se(left_out))
