"""Random-effects meta-analysis of several models' effects, each with its standard error."""

from dataclasses import dataclass

import numpy as np

from persona_collapse.measures.cells import Array


@dataclass(frozen=True)
class RandomEffects:
    """Mean, its SE and SD ``tau`` of the distribution of effects.

    ``Q`` is Cochran's statistic, ``I2`` the percentage of the effects' variance not due to their
    errors (Higgins and Thompson 2002), ``count`` the number of effects.
    """

    mean: float
    se: float
    tau: float
    Q: float
    I2: float
    count: int

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the mean, from t with count - 1 degrees of freedom."""
        half = self._t() * self.se
        return self.mean - half, self.mean + half

    def prediction(self) -> tuple[float, float]:
        """Return the 95 % prediction interval of a new effect, without measurement error.

        mean +- t(count - 1) sqrt(tau^2 + SE^2) (Higgins, Thompson and Spiegelhalter 2009, with the
        degrees of freedom of Partlett and Riley 2017).
        """
        half = self._t() * float(np.hypot(self.tau, self.se))
        return self.mean - half, self.mean + half

    def exceedance(self, value: float, se: float) -> float:
        """Return the two-sided tail probability of a new effect measured with ``se``."""
        from scipy.special import stdtr

        spread = float(np.sqrt(self.tau**2 + self.se**2 + se**2))
        if spread == 0:
            return 1.0 if value == self.mean else 0.0
        return float(2 * stdtr(self.count - 1, -abs(value - self.mean) / spread))

    def p(self) -> float:
        """Return the two-sided p of a mean of 0."""
        from scipy.special import stdtr

        if self.se == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stdtr(self.count - 1, -abs(self.mean) / self.se))

    def _t(self) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.count - 1, 0.975))


def random_effects(effects: Array, errors: Array) -> RandomEffects:
    """Return the random-effects summary of effects (k,) with standard errors (k,), k >= 2.

    tau^2 by restricted maximum likelihood (Viechtbauer 2005, equation 20); SE of the mean by
    Hartung and Knapp (2001), at least the usual one (Rover, Knapp and Friede 2015), because with
    few models it can be near 0 by chance.
    """
    count = effects.size
    variance = _reml(effects, errors**2)
    weights = 1 / (errors**2 + variance)
    mean = float(np.average(effects, weights=weights))
    scale = float((weights * (effects - mean) ** 2).sum()) / (count - 1)
    fixed = 1 / errors**2
    Q = float((fixed * (effects - np.average(effects, weights=fixed)) ** 2).sum())
    return RandomEffects(
        mean=mean,
        se=float(np.sqrt(max(scale, 1.0) / weights.sum())),
        tau=float(np.sqrt(variance)),
        Q=Q,
        I2=100 * max(0.0, 1 - (count - 1) / Q) if Q > 0 else 0.0,
        count=count,
    )


def _reml(effects: Array, sampling: Array) -> float:
    """Return the REML estimate of tau^2, at least 0."""
    variance = max(float(effects.var(ddof=1) - sampling.mean()), 0.0)
    for _ in range(1000):
        weights = 1 / (sampling + variance)
        total = weights.sum()
        residuals = effects - (weights * effects).sum() / total
        squares = weights**2
        step = (squares * (residuals**2 - sampling)).sum() / squares.sum() + 1 / total
        updated = max(float(step), 0.0)
        if abs(updated - variance) <= 1e-12 * (1 + variance):
            return updated
        variance = updated
    return variance
