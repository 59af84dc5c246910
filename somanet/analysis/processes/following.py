"""Which candidates of successive frames are one process: the most probable chain, and how probable each link is.

A hidden Markov chain whose states in a frame are the cell's candidates and "none": what speaks for a candidate in its
frame against how far it turns, by a von Mises distribution, and changes in length from one frame to the next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from somanet.analysis.processes.candidates import Candidate
from somanet.analysis.processes.settings import TracingSettings

Floats = NDArray[np.float64]

SAME_DEG = 30.0
"""Candidates of one frame with directions nearer than this count as the same process."""
APART_DEG = 45.0
"""A second process leaves the soma, and ends, at least this far from the first: else it is a branch of it."""
_LENGTH_SPREAD = 0.5
"""Of the logarithm of a length, from one frame to the next."""


@dataclass(frozen=True)
class Link:
    """One process in one frame.

    Attributes:
        candidate: the process; None where none was found.
        confidence: probability, by the chain, that the process points within :data:`SAME_DEG` of it.
    """

    candidate: Candidate | None
    confidence: float


def turn_deg(first: Floats | float, second: Floats | float) -> Floats:
    """The angle between directions, 0 to 180."""
    return np.abs((np.asarray(first) - second + 180.0) % 360.0 - 180.0)


def follow(frames: Sequence[Sequence[Candidate]], settings: TracingSettings) -> list[tuple[Link, Link]]:
    """The main process of a cell and its second one in each frame.

    Args:
        frames: the candidates in successive frames of the cell.
        settings: how steady processes are.
    """
    first = _chain(frames, settings)
    others = [_apart(candidates, link.candidate) for candidates, link in zip(frames, first, strict=True)]
    return list(zip(first, _chain(others, settings), strict=True))


def _apart(candidates: Sequence[Candidate], main: Candidate | None) -> list[Candidate]:
    if main is None:
        return []
    return [
        one
        for one in candidates
        if min(turn_deg(one.direction_deg, main.direction_deg), turn_deg(one.base_deg, main.base_deg)) > APART_DEG
    ]


def _gains(candidates: Sequence[Candidate], settings: TracingSettings) -> Floats:
    """Of each candidate and, last, of none."""
    scores = np.array([one.score_um for one in candidates])
    return np.append(np.log(np.maximum(scores, 1e-9) / settings.least_score_um), 0.0)


def _changes(before: Sequence[Candidate], after: Sequence[Candidate], settings: TracingSettings) -> Floats:
    """(before, after) what speaks against each change, with none as the last state of both."""
    against = np.full((len(before) + 1, len(after) + 1), settings.lost / 2)
    against[-1, -1] = 0.0
    if before and after:
        old, new = (np.array([[one.direction_deg, one.length_um] for one in part]) for part in (before, after))
        turn = np.radians(turn_deg(old[:, :1], new[None, :, 0]))
        growth = np.log(np.maximum(new[None, :, 1], 1.0) / np.maximum(old[:, 1:], 1.0)) / _LENGTH_SPREAD
        change = settings.steady * (1 - np.cos(turn)) + growth**2 / 2
        against[:-1, :-1] = np.minimum(change, settings.lost)
    return against


def _chain(frames: Sequence[Sequence[Candidate]], settings: TracingSettings) -> list[Link]:
    if not frames:
        return []
    gains = [_gains(candidates, settings) for candidates in frames]
    changes = [-_changes(before, after, settings) for before, after in itertools.pairwise(frames)]
    forward, best, came_from = [gains[0]], gains[0], []
    for gain, change in zip(gains[1:], changes, strict=True):
        forward.append(logsumexp(forward[-1][:, None] + change, axis=0) + gain)
        step = best[:, None] + change
        came_from.append(step.argmax(axis=0))
        best = step.max(axis=0) + gain
    backward = [np.zeros(len(gains[-1]))]
    for gain, change in zip(gains[:0:-1], changes[::-1], strict=True):
        backward.append(logsumexp(change + (gain + backward[-1])[None, :], axis=1))
    state = int(best.argmax())
    links = []
    for t in range(len(frames) - 1, -1, -1):
        together = forward[t] + backward[len(frames) - 1 - t]
        probability = np.exp(together - logsumexp(together))
        links.append(_link(frames[t], state, probability))
        if t:
            state = int(came_from[t - 1][state])
    return links[::-1]


def _link(candidates: Sequence[Candidate], state: int, probability: Floats) -> Link:
    if state == len(candidates):
        return Link(None, math.nan)
    directions = np.array([one.direction_deg for one in candidates])
    same = turn_deg(directions, directions[state]) <= SAME_DEG
    return Link(candidates[state], float(min(probability[:-1][same].sum(), 1.0)))
