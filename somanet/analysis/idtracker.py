"""An analysed movie for idtracker.ai: a video of nothing but the somas, and the settings with which to track it.

idtracker.ai (Romero-Ferrero et al. 2019) finds blobs by two thresholds and learns to tell the animals apart by their
pictures; it assumes that their number is constant and known. It is GPL-3, and neither imported nor started here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.analysis import names
from somanet.analysis.manifest import check_labels, is_manifest
from somanet.analysis.report.content import Frames
from somanet.analysis.report.display_range import HIGH_PERCENT, LOW_PERCENT, DisplayRange, evenly_spaced
from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import open_labels
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, json_object, make_folder, write_text
from somanet.core.hashing import sha256_together
from somanet.io.movies import sha256_movie, sha256_of_each
from somanet.io.video_writing import write_lossless_video

VIDEO, SETTINGS = "somas.avi", "idtracker.toml"
DARKEST, BRIGHTEST = 64, 255
"""Of a soma's pixels; the background is 0."""
FPS = 10.0
"""idtracker.ai's column `time` is the frame's number divided by this."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        n_frames: of the video.
        n_animals: as the settings say.
        fewest, most: blobs in a frame.
        notes: for the user.
    """

    n_frames: int
    n_animals: int
    fewest: int
    most: int
    notes: tuple[str, ...]


def separated(labels_YX: NDArray[np.integer]) -> NDArray[np.int32]:
    """Labels as separate blobs: where somas touch, at a corner too, the larger one loses a line of pixels.

    Of a soma in several pieces, at first or by that, the largest piece stays, as a blob of its own would be an animal.
    """
    ids, areas = np.unique(labels_YX[labels_YX > 0], return_counts=True)
    rank = np.zeros(len(ids) + 1, np.int32)
    rank[1 + np.argsort(areas, kind="stable")] = np.arange(1, len(ids) + 1)  # 1 is the smallest soma
    index = np.where(labels_YX > 0, np.searchsorted(ids, labels_YX) + 1, 0)
    ranked = rank[index].astype(np.float32)
    # The smallest rank around a pixel, background apart; borders count as background.
    high = float(len(ids) + 1)
    around = cv2.erode(
        np.where(ranked > 0, ranked, np.float32(high)),
        np.ones((3, 3), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=high,
    )
    kept = np.where((ranked > 0) & (around >= ranked), labels_YX, 0).astype(np.int32)
    n_pieces, pieces, stats, _ = cv2.connectedComponentsWithStats((kept > 0).astype(np.uint8), connectivity=8)
    owner = np.zeros(n_pieces, np.int64)
    owner[pieces.ravel()] = kept.ravel()  # no two somas share a piece
    sizes = stats[:, cv2.CC_STAT_AREA]
    order = np.lexsort((-sizes, owner))
    largest = order[np.unique(owner[order], return_index=True)[1]]
    return np.where(np.isin(pieces, largest), kept, 0)


def export_for_idtracker(
    result: Path, output: Path, *, movie: MovieSource | None = None, n_animals: int | None = None
) -> Exported:
    """Write a folder with a video and its settings for idtracker.ai.

    The video is grey and lossless (FFV1): the somas have 64 to 255, everything else is 0, and between touching somas
    is a gap of a pixel.

    Args:
        result: a folder of results with labels.
        output: the folder to write, replaced as a whole.
        movie: the analysed movie, whose intensities the somas get. Without it all somas are of one grey, and only
            their outlines tell them apart.
        n_animals: how many cells there are; by default as many as in the frame with the most.

    Raises:
        SomaNetError: no results with labels, labels that were changed since, another movie than the analysed one, more
            somas in a frame than animals, no soma at all, or the folder cannot be written.
    """
    manifest = json_object(result / names.MANIFEST)
    if not is_manifest(manifest):
        raise SomaNetError(
            f"{result}: expected a folder of results of `somanet analyze`, found no {names.MANIFEST} of one. Check the "
            "path."
        )
    about: dict[str, Any] = manifest["input"]
    check_labels(result)
    with open_labels(result) as labels:
        if labels is None:
            raise SomaNetError(
                f"{result}: expected the somas' masks ({names.LABELS_TIFF}), found none: its tracks were given without "
                "them. Analyse the movie with a network, or with tracks that have masks (ctc, .trk, a label TIFF)."
            )
        frames = None if movie is None else _same_movie(movie, about)
        with atomic_path(output) as folder:
            make_folder(folder)
            if frames is None:
                counts, n_lost = _write(folder, labels, None)
            else:
                with frames.open() as opened:
                    counts, n_lost = _write(folder, labels, opened)
            most = max(counts)
            if not most:
                raise SomaNetError(f"{result}: expected somas, found none in {len(counts)} frames: nothing to track.")
            if n_animals is not None and most > n_animals:
                many = sum(count > n_animals for count in counts)
                raise SomaNetError(
                    f"{result}: frame {counts.index(most)} has {most} somas, more than the {n_animals} animals "
                    f"({many} of {len(counts)} frames have more), which idtracker.ai cannot track. Give --animals "
                    f"{most}, or none."
                )
            height, width = labels.shape_YX
            write_text(folder / SETTINGS, _settings(n_animals or most, height * width))
    notes = []
    if min(counts) < (n_animals or most):
        notes.append(
            f"The number of somas varies from {min(counts)} to {most}: idtracker.ai assumes a constant one, and gives "
            "identities that change with each cell that enters or leaves."
        )
    if n_lost:
        notes.append(
            f"{counted(n_lost, 'outline')} of all frames {'is' if n_lost == 1 else 'are'} not in the video: so thin "
            "that nothing is left beside the somas that they touch."
        )
    if movie is None:
        notes.append("Without --movie all somas are of one grey, and only their outlines tell them apart.")
    return Exported(len(counts), n_animals or most, min(counts), most, tuple(notes))


def _same_movie(movie: MovieSource, about: dict[str, Any]) -> MovieSource:
    """The movie as it was analysed: its channel, plane and frames.

    Raises:
        SomaNetError: it is another one.
    """
    if not movie.path.exists():
        raise SomaNetError(f"{movie.path}: no such file or folder. Expected the analysed movie, {about['file']}.")
    hashes = sha256_of_each(movie.path)
    if (sha256_together(hashes) if hashes else sha256_movie(movie.path)) != about["sha256"]:
        raise SomaNetError(
            f"{movie.path}: expected the analysed movie, {about['file']}, found another file (its SHA-256 differs). "
            "Was it changed since, or is it another movie?"
        )
    source = MovieSource(
        movie.path,
        movie.name,
        about.get("channel"),
        z=about.get("z"),
        axes=about.get("axes"),
        position=about.get("position"),
        allow_truncated=bool(about.get("truncated")),
    )
    return source.using(about)


def _write(folder: Path, labels: Frames, frames: Frames | None) -> tuple[list[int], int]:
    """Write the video, and give the number of blobs in each frame, and of outlines of which nothing is left."""
    if frames is not None and len(frames) != len(labels):
        raise SomaNetError(
            f"Expected a movie of {len(labels)} frames, as the labels are, found {len(frames)}. Was it cut?"
        )
    counts: list[int] = []
    outlined = 0
    within = None if frames is None else _range_of(frames, labels)

    def pictures() -> Iterator[Picture]:
        nonlocal outlined
        for t in range(len(labels)):
            labels_YX = np.asarray(labels[t])
            somas = separated(labels_YX)
            outlined += len(np.unique(labels_YX[labels_YX > 0]))
            counts.append(len(np.unique(somas[somas > 0])))
            grey = np.uint8(BRIGHTEST) if frames is None or within is None else _grey(np.asarray(frames[t]), within)
            yield np.where(somas > 0, grey, 0).astype(np.uint8)

    write_lossless_video(folder / VIDEO, pictures(), fps=FPS)
    return counts, outlined - sum(counts)


def _range_of(frames: Frames, labels: Frames) -> DisplayRange:
    """One range for all somas of the movie, by percentiles of their pixels in sampled frames."""
    seen = [np.asarray(frames[t])[np.asarray(labels[t]) > 0] for t in evenly_spaced(len(labels))]
    values = np.concatenate(seen).astype(np.float32)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (LOW_PERCENT, HIGH_PERCENT)) if values.size else (0.0, 1.0)
    return DisplayRange(float(low), float(high))


def _grey(frame_YX: NDArray[np.generic], within: DisplayRange) -> Picture:
    share = within.grey(frame_YX) / 255
    return np.asarray(np.rint(DARKEST + share * (BRIGHTEST - DARKEST)), np.uint8)


def _settings(n_animals: int, pixels: int) -> str:
    return f"""# For idtracker.ai 6, from this folder:
#   IDTRACKERAI_DISABLE_ANALYTICS=1 idtrackerai --load {SETTINGS} --track
# Its exit status is 1 when it succeeds.
name = "somas"
video_paths = ["{VIDEO}"]
number_of_animals = {n_animals}
# The background is 0, the darkest pixel of a soma {DARKEST}.
intensity_ths = [{DARKEST // 2}, {BRIGHTEST}]
area_ths = [1, {pixels}]
use_bkg = false
check_segmentation = true
track_wo_identities = false
trajectories_formats = ["csv_tidy"]
# Contrastive learning is meant for a GPU.
disable_contrastive = true
"""
