"""Likelihoods of stretches of steps for every error, as a mixture of motions of every spread and memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from somanet.migration.kinematics import Floats
from somanet.migration.stretches import Windows

SPREADS_UM_PER_H = (0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 10.0, 15.0, 22.0, 33.0, 50.0, 75.0, 110.0, 170.0)
"""Spreads s per axis of the velocity; the root mean square speed is √2 of it."""
MEMORIES = (0.3, 0.6, 1.2, 2.4, 5.0, 10.0, 25.0, math.inf)
"""Times τ in frame intervals. With gaps between them, motion would be fitted by a mixture of smoother and rougher
motion than its own, and the rougher part would stand for some of the error."""
REST_UM_PER_H = 2.5
"""A cell whose velocity has a spread below this per axis (a speed of 3.5 µm/h) is at rest."""
RUN_UM_PER_H = 12.0
"""… and above this (17 µm/h) it runs; between them it creeps."""
FASTEST_UM_PER_H = 1e3 * SPREADS_UM_PER_H[-1]
"""Faster stretches, 17 cm per hour, are impossible with every motion and error, so much that one of them would outweigh
the precision of the sum of all others."""
UNLIKELY = 20.0
"""Resamples look at errors whose log likelihood is by less than this below the highest."""


def motion_covariance(n: int, memory: float) -> Floats:
    """(n, n) covariance of displacements in unit time of an Ornstein-Uhlenbeck velocity of variance 1."""
    if math.isinf(memory):
        return np.ones((n, n))
    kept = math.exp(-1 / memory)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    beside = memory**2 * (1 - kept) ** 2 * np.exp(-(lag - 1) / memory)
    return np.where(lag == 0, 2 * (memory - memory**2 * (1 - kept)), beside)


def error_covariance(n: int, kept: float = 0.0) -> Floats:
    """(n, n) covariance of successive steps that errors of variance 1 make that keep a share from frame to frame."""
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    beside = -((1 - kept) ** 2) * kept ** np.maximum(lag - 1, 0)
    return np.where(lag == 0, 2 * (1 - kept), beside)


def _log_likelihoods(windows: Windows, sigmas: Floats, interval_h: float, kept: float) -> Floats:
    """(sigmas, windows, components) log density of each stretch for each error, spread and memory.

    Error and motion are made diagonal at once, once for each memory.
    """
    n = windows.steps_yx_um.shape[1]
    root = np.linalg.inv(np.linalg.cholesky(error_covariance(n, kept)))
    variance = (np.array(SPREADS_UM_PER_H) * interval_h) ** 2
    columns = []
    for k, memory in enumerate(MEMORIES):
        value, vector = np.linalg.eigh(root @ motion_covariance(n, memory) @ root.T)
        turned = np.einsum("ij,mjc->mic", vector.T @ root, windows.steps_yx_um)
        energy = (turned**2).sum(axis=2)  # (M, n), both axes
        for a in variance[1:] if k else variance:
            total = sigmas[:, None] ** 2 + a * np.maximum(value, 0)  # (S, n)
            density = (
                2 * np.log(np.diag(root)).sum() - np.log(total).sum(axis=1)[:, None] - 0.5 * (1 / total) @ energy.T
            )
            columns.append(density)
    return np.stack(columns, axis=2)


COMPONENT_SPREADS = np.array([*SPREADS_UM_PER_H, *(SPREADS_UM_PER_H[1:] * (len(MEMORIES) - 1))])


@dataclass(frozen=True)
class Mixture:
    """Likelihoods (sigmas, windows, components) over the greatest of each stretch, and the log of that (S, M)."""

    sigmas: Floats
    likelihood: Floats
    top: Floats

    @classmethod
    def of(cls, groups: list[Windows], sigmas: Floats, interval_h: float, kept: float) -> Mixture:
        """Of these stretches, for errors of each size that keep a share from frame to frame."""
        logs = np.concatenate([_log_likelihoods(one, sigmas, interval_h, kept) for one in groups], axis=1)
        top = logs.max(axis=2, keepdims=True)
        return cls(sigmas, np.exp(logs - top), top[:, :, 0])

    def fitted(self, count: Floats, weights: Floats | None, *, iterations: int) -> tuple[Floats, Floats]:
        """Weights (S, components) by expectation maximisation, and the log likelihood (S,), of stretches so often."""
        if weights is None:
            weights = np.full((len(self.sigmas), self.likelihood.shape[2]), 1 / self.likelihood.shape[2])
        total = count.sum()
        drawn = count > 0  # a stretch that a resample lacks may be impossible with the weights of the others
        for _ in range(iterations):
            part = (self.likelihood @ weights[:, :, None])[:, :, 0]  # (S, M)
            often = np.divide(count, part, out=np.zeros_like(part), where=drawn)
            weights = weights * (often[:, None, :] @ self.likelihood)[:, 0] / total
        part = (self.likelihood @ weights[:, :, None])[:, :, 0]
        logs = np.log(part, out=np.zeros_like(part), where=np.broadcast_to(drawn, part.shape))
        return weights, np.asarray((logs + self.top) @ count, np.float64)

    def near(self, curve: Floats) -> tuple[Mixture, slice]:
        """The errors that are not unlikely, and one more on each side; all between the outermost of them."""
        likely = np.flatnonzero(curve >= curve.max() - UNLIKELY)
        at = slice(max(0, int(likely[0]) - 1), int(likely[-1]) + 2)
        return Mixture(self.sigmas[at], self.likelihood[at], self.top[at]), at
