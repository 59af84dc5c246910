"""The frames and crops of a movie, or of its results, that are worth a person's time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from somanet.analysis import names
from somanet.analysis.labelling.crops import Crop, spread_frames
from somanet.analysis.labelling.doubts import Place, broken_tracks, changed_objects, crops_of_doubt, doubtful_objects
from somanet.analysis.labelling.proposals import Network
from somanet.analysis.labelling.propose import named_as_movies
from somanet.core.errors import SomaNetError
from somanet.core.files import read_json
from somanet.core.schema import SOMAS, TRACKS
from somanet.io.movies import movie_exists, sha256_movie
from somanet.io.tables import read_table
from somanet.segmentation.inference.input_files import Choice, Input, all_readable, find_inputs

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter

_EXAMINED = 3
"""Frames of a movie without results that are segmented, for each crop that is asked for."""
_AUGMENTED = 2
"""Frames of a movie with results that are segmented with test-time augmentation, for each crop."""
_TTA = 4


@dataclass(frozen=True)
class Examined:
    """A movie, image or result and its places of doubt.

    Attributes:
        item: what it is of.
        places: of doubt.
        shape_YX: height and width.
        n_frames: number of frames; 1 of an image.
    """

    item: Input
    places: tuple[Place, ...]
    shape_YX: tuple[int, int]
    n_frames: int


def is_result(path: Path) -> bool:
    """Whether a path is a folder of results of an analysis."""
    return path.is_dir() and (path / names.MANIFEST).is_file() and (path / names.TRACKS).is_file()


def movie_of_result(result: Path, movie: Path | None) -> Input:
    """The movie that results are of.

    Args:
        result: the folder of results.
        movie: where the movie is; None looks for its name beside the results and here.

    Raises:
        SomaNetError: it is not there, or another one.
    """
    manifest = read_json(result / names.MANIFEST, expected="the manifest of an analysis", keys=("input",))
    about: dict[str, Any] = manifest["input"] if isinstance(manifest["input"], dict) else {}
    file = str(about.get("file", ""))
    beside = [folder / file for folder in (result, result.parent, Path())] if file else []
    tried = beside if movie is None else [movie]
    found = next(filter(movie_exists, tried), None)
    if found is None:
        raise SomaNetError(
            f"{result}: expected its movie {file or ''} at {movie or result.parent / file}, found none. "
            "Give --movie with where it is."
        )
    if (digest := sha256_movie(found)) != about.get("sha256"):
        raise SomaNetError(
            f"{found}: expected the movie of {result} (SHA-256 {str(about.get('sha256'))[:12]}…), found another one "
            f"({digest[:12]}…). Give --movie with the right one, or analyze this one anew."
        )
    options = {key: None if about.get(key) is None else str(about[key]) for key in ("channel", "z", "axes", "position")}
    choice = Choice(**options, allow_truncated=bool(about.get("truncated")))
    [item] = named_as_movies(all_readable(find_inputs([found], choice)))
    return item


def examine_result(result: Path, item: Input, segmenter: Segmenter, *, count: int) -> Examined:
    """Doubts about results: their confidences, sizes and tracks, and test-time augmentation where these are most.

    Raises:
        SomaNetError: tables are missing or damaged, or the movie cannot be read.
    """
    tracks = read_table(result / names.TRACKS, TRACKS)
    somas = read_table(result / names.SOMAS, SOMAS) if (result / names.SOMAS).is_file() else SOMAS.frame([])
    diameter = float(somas["diameter_px"].median()) if len(somas) else 20.0
    with item.choice.open(item.path) as movie:
        shape, n_frames = movie.shape_YX, movie.n_frames
    places = [*doubtful_objects(somas), *broken_tracks(tracks, shape, diameter_px=diameter)]
    weight = pd.Series([one.weight for one in places], dtype=float)
    of_frame = weight.groupby([one.frame for one in places]).sum() if places else weight
    most = [int(t) for t in of_frame.sort_values(ascending=False, kind="stable").index[: _AUGMENTED * count]]
    frames = sorted(t for t in most or spread_frames(n_frames, _AUGMENTED * count) if t < n_frames)
    changed = _segmented(item, segmenter, frames)[1] if frames else []
    return Examined(item, (*places, *changed), shape, n_frames)


def examine(item: Input, segmenter: Segmenter, *, count: int) -> Examined:
    """Doubts about an image or some frames of a movie: confidence, size, and what test-time augmentation changes.

    Args:
        item: the image or movie.
        segmenter: the network or networks.
        count: number of crops that are wanted, which decides how many frames are segmented.
    """
    if item.read is not None:
        shape = item.read().shape
        somas, changed = _segmented(item, segmenter, [None])
        return Examined(item, (*doubtful_objects(somas), *changed), (shape[0], shape[1]), 1)
    with item.choice.open(item.path) as movie:
        shape_YX, n_frames = movie.shape_YX, movie.n_frames
    somas, changed = _segmented(item, segmenter, spread_frames(n_frames, _EXAMINED * count))
    return Examined(item, (*doubtful_objects(somas), *changed), shape_YX, n_frames)


def _segmented(item: Input, segmenter: Segmenter, frames: Sequence[int | None]) -> tuple[pd.DataFrame, list[Place]]:
    """The objects of frames, and those that test-time augmentation changes; blank frames have none."""
    from somanet.segmentation.inference.objects import measure_objects
    from somanet.segmentation.inference.video import find_blank_frames, segmented_frames

    decided = Network(segmenter).deciding(item)
    augmented = dataclasses.replace(decided, tta=_TTA if decided.tta == 1 else 8)
    tables, changed = [SOMAS.frame([])], []
    with _Frames(item) as opened:

        def images() -> Any:
            return (opened.read(t) for t in frames)

        blank = find_blank_frames(images()) if len(frames) > 1 else ()
        pairs = zip(
            frames,
            segmented_frames(decided, images(), blank_frames=blank),
            segmented_frames(augmented, images(), blank_frames=blank),
            strict=True,
        )
        for frame, plain, turned in pairs:
            objects = measure_objects(plain).assign(frame=np.nan if frame is None else frame)
            tables.append(objects.astype({"frame": "Int64"}))
            changed += changed_objects(frame, plain.labels_YX, turned.labels_YX)
    kept = [table for table in tables if len(table)]
    return pd.concat(kept, ignore_index=True) if kept else SOMAS.frame([]), changed


class _Frames:
    """The image or the frames of an input."""

    def __init__(self, item: Input) -> None:
        self._item = item
        self._movie = None if item.read is not None else item.choice.open(item.path)

    def __enter__(self) -> _Frames:
        return self

    def __exit__(self, *_: object) -> None:
        if self._movie is not None:
            self._movie.close()

    def read(self, frame: int | None) -> Any:
        if self._movie is not None and frame is not None:
            return self._movie[frame]
        assert self._item.read is not None
        return self._item.read()


def suggest_crops(examined: Sequence[Examined], *, count: int, size_px: int) -> list[Crop]:
    """The crops with most doubt, of several inputs the most doubtful of all, in order of input and frame.

    Raises:
        SomaNetError: there is no doubt anywhere.
    """
    crops = [
        crop
        for one in examined
        for crop in crops_of_doubt(
            one.places, one.item.name, one.shape_YX, n_frames=one.n_frames, count=count, size_px=size_px
        )
    ]
    if not crops:
        raise SomaNetError(
            f"{examined[0].item.path}: found nothing doubtful: no soma, or all of high confidence. `somanet label "
            "propose` cuts crops that are spread over time and place."
        )
    best = sorted(crops, key=lambda crop: -crop.score)[:count]
    order = {one.item.name: n for n, one in enumerate(examined)}
    return sorted(best, key=lambda crop: (order[crop.source], crop.frame or 0, crop.y_px, crop.x_px))
