"""Movies of neurites on a dish, made without SomaNet's simulator: lines that come and go, a lamp, a camera, a stage."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from somanet.core.calibration import Calibration

SCALE = Calibration(1.3, 20.0)
HEIGHT, WIDTH, N_FRAMES = 240, 300, 17
MARGIN = 90


@dataclass(frozen=True)
class Scene:
    """Frames TYX, label frames TYX with one value per cell, the stage's shift (T, 2) and the cells' places (T, N, 2).

    In pixels; places are as seen, the stage's shift included.
    """

    frames: np.ndarray
    labels: np.ndarray
    stage: np.ndarray
    places: np.ndarray


def neurites(rng: np.random.Generator, n: int) -> np.ndarray:
    """A canvas with ``n`` random curves, peak about 1."""
    canvas = np.zeros((HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN), np.float32)
    for _ in range(n):
        angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.25, 40))
        start = rng.uniform(0, (canvas.shape[1], canvas.shape[0]))
        way = start + np.cumsum(4 * np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0)
        line = np.zeros_like(canvas)
        cv2.polylines(line, [np.round(way).astype(np.int32)], isClosed=False, color=1.0, thickness=2)
        canvas += line * np.float32(rng.uniform(0.4, 1.0))
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.2))


def scene(
    *,
    seed: int,
    stage: np.ndarray,
    cells: np.ndarray | None = None,
    contrast: float = 0.4,
    photons: float = 150.0,
    bleaching: float = 0.015,
    renewed: int = 2,
    rotation_deg: float = 0.0,
) -> Scene:
    """A movie.

    Args:
        seed: of everything.
        stage: (T, 2) shift of the dish, px.
        cells: (T, N, 2) places of bright cells on the dish, px; none if None.
        contrast: of neurites over background.
        photons: per pixel of background.
        bleaching: share of the light lost per frame.
        renewed: groups of neurites, of 24, that are replaced in every frame.
        rotation_deg: of the dish about the field's middle in the last frame, growing evenly.
    """
    rng = np.random.default_rng(seed)
    groups = [neurites(rng, 6) for _ in range(24)]
    yy, xx = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    middle = np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
    lamp = 1 - 0.35 * (((yy - 90) / HEIGHT) ** 2 + ((xx - 180) / WIDTH) ** 2)
    places = np.zeros((len(stage), 0, 2)) if cells is None else cells + stage[:, None]
    frames, labels = [], []
    for t, shift in enumerate(stage):
        for _ in range(renewed if t else 0):
            groups[rng.integers(len(groups))] = neurites(rng, 6)
        turn = np.radians(rotation_deg * t / max(len(stage) - 1, 1))
        y, x = yy - shift[0] - middle[0], xx - shift[1] - middle[1]
        at = [
            np.cos(turn) * y - np.sin(turn) * x + middle[0] + MARGIN,
            np.sin(turn) * y + np.cos(turn) * x + middle[1] + MARGIN,
        ]
        light = 1 + contrast * ndimage.map_coordinates(sum(groups), at, order=3)
        mask = np.zeros((HEIGHT, WIDTH), np.int32)
        for number, place in enumerate(places[t], start=1):
            inside = (yy - place[0]) ** 2 + (xx - place[1]) ** 2 <= 36
            mask[inside] = number
            light += 3 * np.exp(-((yy - place[0]) ** 2 + (xx - place[1]) ** 2) / 2 / 16)
        frames.append(rng.poisson(photons * (1 - bleaching) ** t * lamp * light).astype(np.uint16))
        labels.append(mask)
    return Scene(np.stack(frames), np.stack(labels), np.asarray(stage, float), places)


def wandering(seed: int, *, sd_px: float = 0.3, jump_px: float = 50.0) -> np.ndarray:
    """(T, 2) a stage that moves by chance and jumps once, mostly to the left, in the middle of the movie."""
    steps = np.random.default_rng(seed).normal(0, sd_px, (N_FRAMES, 2))
    steps[0] = 0
    steps[N_FRAMES // 2] += (0.3 * jump_px, -(0.91**0.5) * jump_px)
    return np.cumsum(steps, axis=0)
