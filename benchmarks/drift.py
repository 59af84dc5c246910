"""How well the drift of the stage is measured, and what it costs, on a real background that is moved by known amounts.

python -m benchmarks.drift --data ../shared/data
python -m benchmarks.drift --data ../shared/data --base ../main      # both sides by turns

Frames are crops of one frame of the real movie, smoothed by σ = 1 px against its noise, with cells and all. They are
moved by the phase of their Fourier transform, turned by splines of fifth order, bleached, given new photon noise and
bright cells that move on their own. Nothing of it is SomaNet's simulator or its interpolation.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from somanet.core.calibration import Calibration
from somanet.core.markdown import table

ROOT = Path(__file__).resolve().parents[1]
SCALE = Calibration(1.28, 12.0)
HEIGHT, WIDTH, N_FRAMES = 300, 388, 16
SMOOTHED_PX, PHOTONS, BLEACHING = 1.0, 2000.0, 0.015
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What moves and what hides it.

    Attributes:
        shift: from a generator, (T, 2) shift of the dish, px.
        photons: per pixel of median brightness in the first frame; few hide the background.
        turn_deg: of the dish in the last frame, growing evenly.
        cells: bright ones that move right.
        masked: whether their outlines are given.
        renewed: share of the background that another one has replaced by the last frame.
        camera: strength of a pattern fixed to the camera, as a share of the light.
        moves: whether the right verdict is that the stage moved, stood still (False) or cannot be known (None).
    """

    shift: Callable[[np.random.Generator], Floats]
    photons: float = PHOTONS
    turn_deg: float = 0.0
    cells: int = 0
    masked: bool = True
    renewed: float = 0.0
    camera: float = 0.0
    moves: bool | None = True


def wander(sd_px: float, jump_px: float = 0.0) -> Callable[[np.random.Generator], Floats]:
    """A stage that moves by chance, and jumps once in the middle."""

    def shift(rng: np.random.Generator) -> Floats:
        steps = rng.normal(0, sd_px, (N_FRAMES, 2))
        steps[0] = 0
        angle = rng.uniform(0, 2 * np.pi)
        steps[N_FRAMES // 2] += jump_px * np.array([np.sin(angle), np.cos(angle)])
        return np.asarray(steps.cumsum(axis=0))

    return shift


def creep(rng: np.random.Generator) -> Floats:
    """A stage that moves one way by a tenth of a pixel per frame: every part of a pixel, and errors of one sign."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.arange(N_FRAMES)[:, None] * 0.1 * np.array([np.sin(angle), np.cos(angle)])


WORLDS = {
    "wanders by 0.3 px": World(wander(0.3)),
    "… by 2 px": World(wander(2.0)),
    "creeps by 0.1 px": World(creep),
    "jumps by 50 px": World(wander(0.3, 50.0)),
    "a tenth of the light": World(wander(0.3), photons=200.0),
    "a hundredth of the light": World(wander(0.3), photons=20.0),
    "turns by 1°": World(wander(0.3), turn_deg=1.0),
    "turns by 4°": World(wander(0.3), turn_deg=4.0),
    "20 moving cells": World(wander(0.3), cells=20),
    "… without outlines": World(wander(0.3), cells=20, masked=False),
    "half is renewed": World(wander(0.3), renewed=0.5),
    "fixed pattern, jumps by 30 px": World(wander(0.3, 30.0), camera=0.02),
    "stands still": World(wander(0.0), moves=False),
    "stands still, 20 moving cells": World(wander(0.0), cells=20, moves=False),
    "noise alone": World(wander(2.0), photons=0.0, moves=None),
}


def moved(image_YX: Floats, shift: Floats, turn_deg: float) -> Floats:
    """The middle of an image, turned about its own middle and then moved."""
    middle = (np.array(image_YX.shape) - 1) / 2
    if turn_deg:
        angle = np.radians(turn_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        image_YX = ndimage.affine_transform(image_YX, turn, middle - turn @ middle, order=5, mode="nearest")
    image_YX = np.fft.irfft2(ndimage.fourier_shift(np.fft.rfft2(image_YX), shift, image_YX.shape[1]), image_YX.shape)
    top, left = (side - crop for side, crop in zip(image_YX.shape, (HEIGHT, WIDTH), strict=True))
    return image_YX[top // 2 : top // 2 + HEIGHT, left // 2 : left // 2 + WIDTH]


def movie_of(world: World, stills: list[Floats], seed: int) -> tuple[list[Any], list[Any], Floats]:
    """Frames, masks and the stage's shift (T, 2), px."""
    rng = np.random.default_rng(seed)
    shift = world.shift(rng)
    still, other = (stills[i] for i in rng.permutation(len(stills))[:2])
    yy, xx = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    places = rng.uniform((20, 20), (HEIGHT - 20, WIDTH - 40), (world.cells, 2))
    pattern = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 1.2)
    frames, masks = [], []
    for t in range(N_FRAMES):
        share = t / (N_FRAMES - 1)
        light = moved(
            still * (1 - world.renewed * share) + other * world.renewed * share, shift[t], world.turn_deg * share
        )
        light = light.clip(0) / np.median(still)
        mask = np.zeros((HEIGHT, WIDTH), np.int32)
        places = places + np.stack([rng.normal(0, 1, world.cells), rng.exponential(2.0, world.cells)], axis=1)
        for number, place in enumerate(places + shift[t], start=1):
            away = (yy - place[0]) ** 2 + (xx - place[1]) ** 2
            light = light + 5 * np.exp(-away / 2 / 16)
            mask[away <= 49] = number
        light = light * (1 + world.camera * pattern / pattern.std())
        mean = world.photons * (1 - BLEACHING) ** t * light if world.photons else np.full_like(light, 100.0)
        frames.append(rng.poisson(mean.clip(0)).astype(np.uint16))
        masks.append(mask)
    return frames, masks, shift


@dataclass
class Found:
    """Of the movies of one world: deviations in px, their standard errors, angles' deviations, verdicts, and so on."""

    deviation: list[Floats] = field(default_factory=list)
    error: list[Floats] = field(default_factory=list)
    turned: list[float] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)

    def row(self, moves: bool | None) -> list[str]:
        """The numbers of a table's row."""
        deviation, error = np.concatenate(self.deviation), np.concatenate(self.error)
        # 0 where the last frame's shift, and so the movie, is right on average.
        bias = np.abs(np.mean([one[-1] for one in self.deviation], axis=0)).max()
        outside = float(np.mean(np.abs(deviation) > 3 * error[:, None]))
        right = {True: ("moved",), False: ("still", "nothing to register"), None: ("nothing to register",)}[moves]
        n_right = sum(verdict in right for verdict in self.verdicts)
        return [
            f"{np.sqrt((deviation**2).mean()):.3f}",
            f"{bias:.3f}",
            f"{np.sqrt(np.mean(error**2)):.3f}",
            f"{100 * outside:.0f} %",
            f"{np.sqrt(np.mean(np.square(self.turned))):.3f}",
            f"{np.mean(self.quality):.2f}",
            f"{n_right} of {len(self.verdicts)}",
            f"{np.mean(self.processor_ms):.0f}",
        ]


def work() -> None:
    """Answer names of worlds and files of movies on the standard input by what is measured in them."""
    from somanet.tracking.drift import measure_drift

    for line in sys.stdin:
        name, path = line.rstrip("\n").split("\t")
        world = WORLDS[name]
        with np.load(path) as file:
            frames, masks, shift = (file[part] for part in ("frames", "masks", "shift"))
        start = time.process_time()
        drift = measure_drift(frames, SCALE, masks=masks if world.masked else None)
        processor_ms = 1000 * (time.process_time() - start) / len(frames)
        found = drift.table
        known = world.moves is not None
        measured = found[["shift_y_px", "shift_x_px"]].to_numpy()[1:]
        answer = {
            "deviation": (measured - shift[1:] if known else measured).tolist(),
            "error": (found["error_um"].to_numpy()[1:] / SCALE.pixel_size_um).tolist(),
            "turned": float(found["rotation_deg"].iloc[-1]) - world.turn_deg,
            "verdicts": drift.verdict,
            "quality": float(found["quality"].median()),
            "processor_ms": processor_ms,
        }
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Print a table of every world, for this code and for the base's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--base", type=Path, help="a checkout to compare with")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work()
        return
    from somanet.io.movies import open_movie

    with open_movie(given.data / "neuritetracker" / "cell_body.tif") as movie:
        stills = [ndimage.gaussian_filter(np.asarray(movie.frame(t), float), SMOOTHED_PX) for t in (0, 21, 42, 63)]
    sides = {"this code": ROOT} if given.base is None else {"base": given.base.resolve(), "this code": ROOT}
    workers = {
        side: subprocess.Popen(
            [sys.executable, __file__, "--worker"],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for side, checkout in sides.items()
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.npz"
        for name in given.worlds:
            world = WORLDS[name]
            found = {side: Found() for side in sides}
            for seed in range(given.seeds):
                frames, masks, shift = movie_of(world, stills, seed)
                np.savez(path, frames=frames, masks=masks, shift=shift)
                for side, worker in workers.items():
                    assert worker.stdin is not None
                    assert worker.stdout is not None
                    print(name, path, sep="\t", file=worker.stdin, flush=True)
                    for key, value in json.loads(worker.stdout.readline()).items():
                        getattr(found[side], key).append(np.array(value) if isinstance(value, list) else value)
            for side in sides:
                rows.append([name, side, *found[side].row(world.moves)])
                print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
    for worker in workers.values():
        assert worker.stdin is not None
        worker.stdin.close()
        worker.wait()
    heads = [
        "world",
        "code",
        "rms error, px",
        "bias, px",
        "its error_um, px",
        "beyond 3",
        "turn, °",
        "quality",
        "verdict",
        "ms per frame",
    ]
    print(table(heads, rows))


if __name__ == "__main__":
    main()
