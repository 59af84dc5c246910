"""The images that a student sees: those of the training sets, and the movie's frames left of the held-out region."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.yolo.sets import LATER_X_PX, MOVIE
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.splits import read_split
from somanet.io.movies import open_movie

TURNS = {"somas": 8, "simulated": 3, "varied": 1, "dsb2018": 1, "drosophila_h2b": 4}
"""Training set → how often each of its images occurs: a third of all are nuclei, a third of the real movie."""
FRAME_TURNS = 3
FRAMES = "frames"


def unlabelled_frames(movie: Path) -> Iterator[LabelledImage]:
    """The frames of the movie, cut off before the held-out region, so that not even their intensities depend on it."""
    with open_movie(movie) as opened:
        for t, frame in enumerate(opened):
            left = np.array(frame[:, :LATER_X_PX])
            nothing = np.zeros(left.shape[:2], np.int32)
            yield LabelledImage(f"{t:04d}", left, nothing, ignored=np.ones(nothing.shape, bool))


def training_images(data: Path, sets: Path) -> list[LabelledImage]:
    """All images, repeated by :data:`TURNS`, each named SET/NAME/TURN.

    Args:
        data: folder with dsb2018/, soma/ and neuritetracker/.
        sets: folder of the training sets, which `python -m tools.training_sets` and `somanet simulate` build.

    Raises:
        SomaNetError: a set is missing, or an image is a held-out one.
    """
    found: list[LabelledImage] = []
    for name, turns in TURNS.items():
        if not (sets / name).is_dir():
            raise SomaNetError(f"There is no training set {sets / name}. `make bundled-sets DATA=folder` builds it.")
        found += repeated(name, open_dataset(sets / name), turns)
    found += repeated(FRAMES, unlabelled_frames(data / MOVIE / "cell_body.tif"), FRAME_TURNS)
    refuse_held_out(found, held_out_names(data))
    return found


def repeated(set_name: str, items: Iterable[LabelledImage], turns: int) -> list[LabelledImage]:
    """Every image as often as said."""
    return [replace(item, name=f"{set_name}/{item.name}/{turn}") for item in items for turn in range(turns)]


def held_out_names(data: Path) -> dict[str, frozenset[str]]:
    """Set → names of images that no student may see: DSB2018's validation and test parts, and the crops of soma/val."""
    split = read_split(data / "dsb2018" / "split.csv")
    nuclei = frozenset(split["val"]) | frozenset(split["test"])
    return {"dsb2018": nuclei, "somas": frozenset(open_dataset(data / "soma" / "val").names)}


def refuse_held_out(items: Iterable[LabelledImage], held_out: Mapping[str, frozenset[str]]) -> None:
    """Check that none of the images is held out, by name and, of the movie's frames, by width.

    Raises:
        SomaNetError: one is.
    """
    every = frozenset().union(*held_out.values())
    for item in items:
        set_name, name, _ = item.name.split("/")
        if name in every:
            raise SomaNetError(
                f"{name} of the set {set_name} is held out, but is among the training images. Build the sets anew."
            )
        if set_name == FRAMES and item.labels.shape[1] > LATER_X_PX:
            raise SomaNetError(
                f"Frame {name} has {item.labels.shape[1]} columns, expected {LATER_X_PX} or fewer: those from x = "
                f"{LATER_X_PX} on are held out. Cut it."
            )
