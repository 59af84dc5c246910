"""Pictures without somas: what the network draws on them, and whether the note on it comes there and nowhere else.

python -m benchmarks.no_somas --data ../shared/data         # writes build/no_somas.csv
python -m benchmarks.no_somas                               # simulated movies and noise only

Pictures of nothing: smooth noise of three sizes, clouds of a power spectrum 1/f^2 or 1/f^3 and their exponentials (a
few bright knots on a dark ground), speckle, ridges, a texture that moves, cells far out of focus, and frames of the
real movie whose phases are shuffled, which have its spectrum and no cell. Points of light of 1 to 4 px, alone and among
somas. Against them all real fluorescence here and simulated movies, dim ones among them. An image is judged by itself,
as `somanet predict` does, a movie as a whole; all at their own size but points and other laboratories' movies, of which
the somas' size is estimated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.clipping import share
from benchmarks.peers.images import load_images
from benchmarks.wild_movies import samples
from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.io.movies import open_movie
from somanet.segmentation.inference.appearance import appearance_of
from somanet.segmentation.inference.looks import ENOUGH
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.objects import measure_objects
from somanet.segmentation.inference.scales import best_iou
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.soma_size import decide
from somanet.simulation import simulate_movie
from somanet.simulation.settings import NeuronSettings

Float = NDArray[np.float64]
SHAPE_YX = (240, 280)
SEEDS = range(6)
TENTH = range(0, 64, 10)
SCALE = Calibration(1.28, 12.0)
OTHERS = "other laboratories' movies"
POINTS = "points"
MEDIANS = {"contrast": 1, "confidence": 2, "diameter_px": 1}
"""What is shown of the objects' appearance, with decimal places."""


class Pictures(NamedTuple):
    """A movie, or an image by itself: its frames, and the true labels of each if they are known."""

    name: str
    frames: list[NDArray[Any]]
    truth: list[NDArray[np.integer]] | None = None


@dataclass(frozen=True)
class Noise:
    """A kind of picture without somas: values of any mean and spread, which a camera then records."""

    name: str
    draw: Callable[[np.random.Generator], Float]


def blurred(rng: np.random.Generator, sigma_px: float) -> Float:
    """White Gaussian noise, blurred; standard deviation 1."""
    field = ndimage.gaussian_filter(rng.standard_normal(SHAPE_YX), sigma_px, mode="wrap")
    return np.asarray(field / field.std(), np.float64)


def spectral(rng: np.random.Generator, power: float) -> Float:
    """Noise whose power falls with the frequency to this power; standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(SHAPE_YX[0])[:, None], np.fft.fftfreq(SHAPE_YX[1])[None])
    frequency[0, 0] = np.inf
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal(SHAPE_YX)) * frequency ** (-power / 2)).real
    return np.asarray(field / field.std(), np.float64)


def speckle(rng: np.random.Generator, sigma_px: float) -> Float:
    """The intensity of a blurred complex field, as of a laser on rough ground."""
    return blurred(rng, sigma_px) ** 2 + blurred(rng, sigma_px) ** 2


KINDS = (
    *(Noise(f"white noise, blurred by {px} px", lambda rng, px=px: blurred(rng, px)) for px in (2, 4, 8)),
    *(Noise(f"1/f^{p} noise", lambda rng, p=p: spectral(rng, p)) for p in (2, 3)),
    *(Noise(f"knots: exp of noise blurred by {px} px", lambda rng, px=px: np.exp(blurred(rng, px))) for px in (4, 8)),
    Noise("clouds: exp of 1/f^3 noise", lambda rng: np.exp(spectral(rng, 3))),
    *(Noise(f"speckle of {px} px", lambda rng, px=px: speckle(rng, px)) for px in (2, 4, 8)),
    Noise("ridges", lambda rng: -np.abs(blurred(rng, 6))),
    Noise("noise of four sizes", lambda rng: np.sum([px * blurred(rng, px) for px in (2, 4, 8, 16)], axis=0)),
)


def filmed(values: Float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """A frame of these values at 1000 ± 200 counts, with shot noise and read noise."""
    counts = (values - values.mean()) / values.std() * 200 + 1000
    return exposed(counts, rng)


def exposed(counts: Float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Counts of 0.5 per photon with a read noise of 15."""
    noisy = rng.normal(counts, np.sqrt(np.maximum(counts, 0) * 0.5 + 15.0**2))
    return np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)


def nothing() -> Iterator[tuple[str, Pictures]]:
    """Drawn pictures without somas, by kind."""
    for kind in KINDS:
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            yield kind.name, Pictures(str(seed), [filmed(kind.draw(rng), rng)])
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        field = blurred(rng, 5)
        moved = [filmed(np.roll(field, (2 * t, 3 * t), (0, 1)), rng) for t in range(4)]
        yield "a texture that moves, 4 frames", Pictures(str(seed), moved)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        sharp = neurons(seed, 1, NeuronSettings(somas_per_mm2=120.0)).frames[0].astype(float)
        yield "cells out of focus by 12 px", Pictures(str(seed), [exposed(ndimage.gaussian_filter(sharp, 12), rng)])


def with_points(ground: Float, rng: np.random.Generator, *, px: int, per_mpx: float, peak_sd: float) -> Float:
    """Counts with points of light at chance: Gaussian spots of this full width at half maximum, or single pixels.

    Args:
        ground: counts without them.
        rng: of places and brightnesses, which are log-normal with a spread of 0.4.
        px: width.
        per_mpx: density.
        peak_sd: brightness in standard deviations of the ground's median noise.
    """
    height, width = ground.shape
    n = rng.poisson(per_mpx * height * width / 1e6)
    y, x, peak = rng.uniform(0, height, n), rng.uniform(0, width, n), rng.lognormal(0, 0.4, n)
    points = np.zeros(ground.shape)
    if px == 1:
        np.add.at(points, (y.astype(int), x.astype(int)), peak)
    else:
        sigma = px / (2 * np.sqrt(2 * np.log(2)))
        rows, columns = (
            np.exp(-((np.arange(size) + 0.5 - at[:, None]) ** 2) / (2 * sigma**2))
            for size, at in ((height, y), (width, x))
        )
        points = (rows * peak[:, None]).T @ columns
    return ground + peak_sd * np.sqrt(np.median(ground) * 0.5 + 15.0**2) * points


def points() -> Iterator[tuple[str, Pictures]]:
    """Points of light on a dark ground, and nothing else."""
    for px in (1, 2, 3, 4):
        for per_mpx in (1000, 20000):
            for peak_sd in (5, 20, 100):
                for seed in SEEDS[:2]:
                    rng = np.random.default_rng(seed)
                    lit = with_points(np.full(SHAPE_YX, 1000.0), rng, px=px, per_mpx=per_mpx, peak_sd=peak_sd)
                    yield f"{POINTS} of {px} px", Pictures(f"{per_mpx}, {peak_sd}, {seed}", [exposed(lit, rng)])


def points_and_somas() -> Iterator[tuple[str, Pictures]]:
    """Points of light of 3 and 4 px in a simulated movie."""
    for px in (3, 4):
        for per_mpx in (1000, 20000):
            for seed in SEEDS[:2]:
                rng = np.random.default_rng(seed)
                movie = neurons(900 + seed, 2, NeuronSettings())
                lit = [
                    with_points(frame.astype(float), rng, px=px, per_mpx=per_mpx, peak_sd=20) for frame in movie.frames
                ]
                frames = [np.clip(np.rint(frame), 0, 65535).astype(np.uint16) for frame in lit]
                yield f"{POINTS} of {px} px, {per_mpx} per Mpx, and somas", Pictures(str(seed), frames, movie.truth)


def shuffled(frame: NDArray[Any], seed: int) -> NDArray[np.uint16]:
    """A frame with the same power spectrum and random phases: no cell is left."""
    rng = np.random.default_rng(seed)
    phases = np.exp(1j * np.angle(np.fft.fft2(rng.standard_normal(frame.shape))))
    phases[0, 0] = 1
    mixed = np.fft.ifft2(np.abs(np.fft.fft2(frame.astype(float))) * phases).real
    return np.clip(np.rint(mixed), 0, 65535).astype(np.uint16)


def neurons(seed: int, n_frames: int, settings: NeuronSettings) -> Pictures:
    """A simulated movie with its truth."""
    movie = simulate_movie(seed=seed, n_frames=n_frames, shape_YX=(320, 360), calibration=SCALE, settings=settings)
    return Pictures(str(seed), list(movie.frames_TYX), list(movie.labels_TYX))


WORLDS = {
    "simulated, default": NeuronSettings(),
    "simulated, dim: 400 counts, background 5,900": NeuronSettings(soma_brightness_counts=400.0),
    "simulated, dimmer: 200 counts": NeuronSettings(soma_brightness_counts=200.0),
    "simulated, tissue haze": NeuronSettings(ghosts_per_mm2=150.0, ghost_brightness_counts=500.0, haze_counts=150.0),
    "simulated, half dim in scattered light": NeuronSettings(scattered_share=0.5, dim_share=0.5),
}


def simulated() -> Iterator[tuple[str, Pictures]]:
    """Simulated movies of two frames."""
    for name, settings in WORLDS.items():
        for seed in SEEDS:
            yield name, neurons(900 + seed, 2, settings)


def real(data: Path) -> Iterator[tuple[str, Pictures]]:
    """The real movie as a whole and frame by frame, other laboratories' movies and nuclei."""
    folder = data / "neuritetracker"
    with open_movie(folder / "cell_body.tif") as movie, open_movie(folder / "soma_labels.tif") as labels:
        frames, truth = [movie.frame(t) for t in TENTH], [labels.frame(t).astype(np.int64) for t in TENTH]
    yield "real movie, every tenth frame together", Pictures("all", frames, truth)
    for t, frame, true in zip(TENTH, frames, truth, strict=True):
        yield "real movie, every tenth frame by itself", Pictures(str(t), [frame], [true])
    with open_movie(data / "mitocheck" / "movie.tif") as movie:
        yield OTHERS, Pictures("mitocheck", [movie.frame(t) for t in TENTH[:3]])
    for name, read in samples(data / "wild" / "movies").items():
        sample = read()
        yield OTHERS, Pictures(name, sample.frames[::3], sample.masks[::3] or None)
    for item in load_images("test", data):
        if not_fluorescence(item.image) is None:
            yield "DSB2018 test, fluorescence", Pictures(item.name[:8], [item.image], [item.labels])


def shuffled_movie(data: Path) -> Iterator[tuple[str, Pictures]]:
    """Frames of the real movie with shuffled phases."""
    with open_movie(data / "neuritetracker" / "cell_body.tif") as movie:
        for t in TENTH[: len(SEEDS)]:
            yield "the real movie's spectrum", Pictures(str(t), [shuffled(movie.frame(t), t)[:320, :360]])


def judged(pictures: Pictures, segmenter: Segmenter, *, estimated: bool) -> dict[str, Any]:
    """What is found, how it looks, and the share of objects that are somas where the truth is known."""
    frames = pictures.frames
    shown = [frames[n] for n in sorted({0, len(frames) // 2, len(frames) - 1})]
    decided = decide(segmenter, shown)[0] if estimated else segmenter.at(1.0)
    found = [decided.segment(frame) for frame in frames]
    objects = pd.concat([measure_objects(one) for one in found], ignore_index=True)
    look = appearance_of(decided, objects)
    right = np.nan
    if pictures.truth is not None and len(objects):
        pairs = zip(found, pictures.truth, strict=True)
        right = float(np.mean(np.concatenate([best_iou(o.labels_YX, t, len(o.confidence)) > 0.5 for o, t in pairs])))
    return {
        "picture": pictures.name,
        "rescaled": decided.factor,
        "per_mpx": 1e6 * len(objects) / sum(frame.shape[0] * frame.shape[1] for frame in frames),
        "n": 0 if look is None else look.n_objects,
        "contrast": None if look is None else look.contrast,
        "confidence": None if look is None else look.confidence,
        "diameter_px": None if look is None else look.diameter_px,
        "right": right,
        "noted": look is not None and (look.like_noise or look.like_points),
    }


def rows(found: pd.DataFrame) -> list[list[str]]:
    """A row per kind of picture: how many are noted, of those with objects enough to tell."""
    lines = []
    for kind, part in found.groupby("kind", sort=False):
        told = part[part.n >= ENOUGH]
        ranges = ["–", "–", "–"]
        if len(told):
            ranges = [
                f"{values.min():.{digits}f} to {values.max():.{digits}f}" if values.notna().any() else "–"
                for values, digits in ((told[name].astype(float), n) for name, n in MEDIANS.items())
            ]
        known = part.right.dropna()
        right = f"{known.mean():.2f}" if len(known) else "–"
        counts = [str(len(part)), f"{part.per_mpx.median():.0f}", str(len(told)), f"{int(told.noted.sum())}"]
        lines.append([str(kind), *counts, *ranges, right])
    return lines


def main() -> None:
    """Print a table and the two counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, default=Path("build/no_somas.csv"))
    parser.add_argument(
        "--estimate", action="store_true", help="the somas' size in every picture; takes 20 times as long"
    )
    parser.add_argument("--only", choices=("points", "empty", "real"), help="one group of pictures")
    given = parser.parse_args()
    segmenter = open_networks(None).segmenter
    groups = {"points": [points(), points_and_somas()], "empty": [nothing()], "real": [simulated()]}
    if given.data is not None:
        groups["empty"].append(shuffled_movie(given.data))
        groups["real"].append(real(given.data))
    records = []
    for group, sources in groups.items():
        if given.only not in (None, group):
            continue
        for source in sources:
            for kind, pictures in source:
                records.append(
                    {
                        "group": group,
                        "kind": kind,
                        **judged(pictures, segmenter, estimated=given.estimate or kind == OTHERS or group == "points"),
                    }
                )
                print(*records[-1].values(), sep=" | ", flush=True)
    found = pd.DataFrame(records)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    found.to_csv(given.output, index=False)
    head = [
        "pictures",
        "number",
        "objects per Mpx",
        f"with {ENOUGH} objects",
        "noted",
        *MEDIANS,
        "right objects",
    ]
    print(table(head, rows(found)))
    told = found[found.n >= ENOUGH]
    alone = (found.group == "points") & found.right.isna()
    told = told.assign(group=told.group.where(~alone, "points alone"))
    for group, words in {
        "points alone": "points alone",
        "points": "points among somas",
        "empty": "without somas",
        "real": "with somas",
    }.items():
        print(f"Noted, {words}: {share(told[told.group == group].noted)}")


if __name__ == "__main__":
    main()
