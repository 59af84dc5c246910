"""Labelled crops as the paper cuts them from its movies: the target domain of transfer learning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.simulation.neurons import SimulatedMovie, check_seed, check_shape, simulate_movie
from somanet.simulation.settings import NeuronSettings
from somanet.simulation.variety import LookOfMovie, Variety, invisible, random_look

GREEN_SHARE = 3 / 5
N_FRAMES = 6
# Frames far apart in time, so that the crops of one movie differ: together they span the measured 12.8 h.
CALIBRATION = Calibration(pixel_size_um=1.28, frame_interval_min=150.0)
# What the shared crops were scaled to 0 ... 255 by: the movie's own range without its rarest pixels.
DISPLAY_PERCENTILES = (0.1, 99.9)
MEASURED_DIAMETER_PX = 17.0
# A crop is accepted for a soma with at least this many pixels of it inside (about a third of a median soma).
LEAST_SOMA_PX = 80
_TRIES = 200


def neuron_crops(
    *,
    n_crops: int,
    size_px: int,
    seed: int,
    n_movies: int = 4,
    first_movie: int = 0,
    variety: Variety | None = None,
) -> list[LabelledImage]:
    """Cut labelled crops from several simulated movies.

    As in the paper, three fifths are green (GFP in the green channel, red and blue 0) and the rest grey RGB.
    Masks cover somas only. Names are those of the shared crops behind their movie's number:
    ``m02_t03_y006_x133``.

    Movie ``m`` is decided by ``seed`` and its number alone. For training and validation crops from different
    movies, give disjoint ranges of movies (``first_movie=0, n_movies=4`` and ``first_movie=4, n_movies=1``),
    or split one set by the name's prefix before the first underscore.

    Args:
        n_crops: how many.
        size_px: height and width of a crop.
        seed: 0 or more.
        n_movies: how many movies they come from, in turn.
        first_movie: number of the first movie.
        variety: other looks than the measured movie's; a movie's median soma has one diameter, so give many movies.

    Returns:
        Crops with ``image`` YXC uint8 (C = 3) and ``labels`` 1 ... n, each with at least one soma. With a variety,
        somas that haze or noise hides are ``ignored``; their labels are exact nevertheless.

    Raises:
        SomaNetError: an argument out of range.
    """
    check_seed(seed)
    check_shape((size_px, size_px))
    if n_crops < 0 or n_movies < 1 or first_movie < 0:
        raise SomaNetError(
            f"n_crops, first_movie must be at least 0, n_movies 1 or more; found {n_crops}, {first_movie} "
            f"and {n_movies}."
        )
    n_green = round(GREEN_SHARE * n_crops)
    order = np.random.default_rng(np.random.SeedSequence([seed, first_movie, n_crops])).permutation(n_crops)
    green = set(order[:n_green].tolist())
    crops: list[LabelledImage] = []
    for offset in range(min(n_movies, n_crops)):
        places = range(offset, n_crops, n_movies)
        number = first_movie + offset
        rng = np.random.default_rng(np.random.SeedSequence([seed, number, 1]))
        look = LookOfMovie(_varied(rng), CALIBRATION, DISPLAY_PERCENTILES, MEASURED_DIAMETER_PX, every_soma_counts=True)
        if variety is not None:
            look = random_look(rng, variety)
        movie = simulate_movie(
            seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]),
            n_frames=N_FRAMES if variety is None else min(N_FRAMES, len(places)),
            shape_YX=(round(1.6 * size_px), round(2.0 * size_px)),
            calibration=look.calibration,
            settings=look.settings,
        )
        crops += _cut(rng, movie, look, number=number, size_px=size_px, greens=[i in green for i in places])
    return crops


def _varied(rng: np.random.Generator) -> NeuronSettings:
    """Settings of one movie: donors, lamps and days differ."""
    return NeuronSettings(
        somas_per_mm2=rng.uniform(20, 60),
        touching_fraction=rng.uniform(0.1, 0.4),
        neighbours_per_mm2=rng.uniform(60, 180),
        ghosts_per_mm2=rng.uniform(4, 20),
        soma_diameter_um=rng.uniform(19, 24),
        soma_brightness_counts=rng.uniform(1600, 3600),
        process_length_um=rng.uniform(40, 70),
        defocus_um=rng.uniform(0.2, 0.9),
        background_counts=rng.uniform(5000, 6400),
        illumination_falloff=rng.uniform(0.1, 0.35),
        read_noise_counts=rng.uniform(15, 50),
        psf_sigma_um=rng.uniform(0.6, 1.1),
    )


def _cut(
    rng: np.random.Generator,
    movie: SimulatedMovie,
    look: LookOfMovie,
    *,
    number: int,
    size_px: int,
    greens: list[bool],
) -> list[LabelledImage]:
    """One crop per entry of ``greens`` around a random soma, no two alike."""
    low, high = np.percentile(movie.frames_TYX, look.display_percentiles)
    least_px = max(LEAST_SOMA_PX * min((look.diameter_px / MEASURED_DIAMETER_PX) ** 2, 4), 4)
    taken: set[str] = set()
    crops = []
    for is_green in greens:
        for _ in range(_TRIES):
            row = movie.tracks.iloc[int(rng.integers(len(movie.tracks)))]
            t, centre = int(row["frame"]), np.array([row["y_px"], row["x_px"]])
            corner = np.floor(centre - rng.uniform(0.1, 0.9, 2) * size_px)
            y, x = np.clip(corner, 0, np.array(movie.labels_TYX.shape[1:]) - size_px).astype(int).tolist()
            window = t, slice(y, y + size_px), slice(x, x + size_px)
            name = f"m{number:02d}_t{t:02d}_y{y:03d}_x{x:03d}"
            labels = movie.labels_TYX[window]
            if name not in taken and int((labels == row["track_id"]).sum()) >= least_px:
                break
        else:
            raise SomaNetError(
                f"No {size_px}-pixel crop of movie {number} has a soma. Give a larger size_px or n_movies."
            )
        taken.add(name)
        _, numbers = np.unique(np.append(labels, 0), return_inverse=True)
        image = _as_rgb(movie.frames_TYX[window], low, high, is_green=is_green)
        numbered = numbers[:-1].reshape(labels.shape).astype(np.int32)
        ignored = None if look.every_soma_counts else invisible(image.max(axis=-1), numbered)
        if ignored is not None and not ignored.any():
            ignored = None
        crops.append(LabelledImage(name, image, numbered, ignored=ignored))
    return crops


def _as_rgb(frame: NDArray[np.uint16], low: float, high: float, *, is_green: bool) -> NDArray[np.uint8]:
    grey = (np.clip((frame - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    image = np.zeros((*grey.shape, 3), np.uint8)
    image[..., 1 if is_green else slice(None)] = grey if is_green else grey[..., None]
    return image
