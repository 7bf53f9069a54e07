"""Log ratios of several pairs in the sample and in every draw, with their errors' covariances.

The pairs of a contrast share the draws of personas, so the errors of their log ratios are
correlated: a persona's influences on them add up in their mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_collapse.measures.cells import Array
from persona_collapse.measures.statistics.linearized import Linearized, contrasted, influences
from persona_collapse.measures.statistics.studentized import Studentized, studentized


@dataclass(frozen=True)
class LogRatios:
    """Log ratios of M pairs, of the sample (row 0) and of B draws of personas.

    ``values`` (1 + B, M, 3, G), ``covariances`` (1 + B, M, M, 3, G), ``personas`` (M,) the number
    of personas of each pair.
    """

    values: Array
    covariances: Array
    personas: tuple[int, ...]

    def mean(
        self, members: Sequence[int], replicates: tuple[Array, Array] | None = None
    ) -> Studentized:
        """Return the log of the mean ratio of the pairs at these places.

        A mean of percent changes is 100 (mean ratio - 1), so its interval and p are those of this
        log. For one pair it is the log ratio. ``replicates``: see ``Studentized``.
        """
        places = list(members)
        logs, errors = self.values[:, places], self.covariances[:, places][:, :, places]
        freedom = min(self.personas[place] for place in places) - 1
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            if len(places) == 1:
                value, variance = logs[:, 0], errors[:, 0, 0]
            else:
                ratios = np.exp(logs)
                value = np.log(ratios.mean(axis=1))
                share = ratios / ratios.sum(axis=1, keepdims=True)
                variance = np.einsum("bimg,bijmg,bjmg->bmg", share, errors, share)
            return studentized(value, np.sqrt(np.maximum(variance, 0)), freedom, replicates)


class Drawing:
    """Collects the log ratios of the pairs of one contrast, chunk by chunk of draws."""

    def __init__(
        self,
        pairs: Sequence[tuple[NDArray[np.intp], Linearized, Linearized]],
        personas: int,
    ) -> None:
        self.pairs, self.personas = pairs, personas
        self.values: list[Array] = []
        self.covariances: list[Array] = []

    def add(self, weights: Array) -> None:
        """Add the draws with these weights (b, U) of all the probe's personas."""
        logs, terms = [], []
        for places, first, second in self.pairs:
            drawn = weights[:, places]
            (one, of_one), (other, of_other) = first.of(drawn), second.of(drawn)
            with np.errstate(invalid="ignore"):
                logs.append(one - other)
            terms.append((places, of_one, of_other))
        self.values.append(np.stack(logs, axis=1))
        draws, count, metrics, groups = self.values[-1].shape
        covariances = np.empty((draws, count, count, metrics, groups))
        single = all(side.count == 1 for _, *sides in self.pairs for side in sides)
        for metric in range(metrics):
            if metric == 1 and single:
                continue  # log R = -log sigma_bar
            for group in range(groups):
                parts = [
                    self._spread(
                        places, influences(contrasted(one[metric][group], other[metric][group]))
                    )
                    for places, one, other in terms
                ]
                for i, part in enumerate(parts):
                    with np.errstate(invalid="ignore"):
                        weighed = weights * part
                    for j in range(i, count):
                        shared = np.einsum("bp,bp->b", weighed, parts[j])
                        covariances[:, i, j, metric, group] = shared
                        covariances[:, j, i, metric, group] = shared
        if single:
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
        """Return all draws."""
        return LogRatios(
            np.concatenate(self.values),
            np.concatenate(self.covariances),
            tuple(places.size for places, *_ in self.pairs),
        )
