"""Trackers made for detectors beside SomaNet's linker: the same boxes, the same scores, the same statistics of motion.

The trackers are those of the package `trackers`, run in libreyolo's environment (:mod:`.following`). Each has its
default settings, and settings for cells, chosen in the part of the movie that the networks' crops come from.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass
from skimage.segmentation import relabel_sequential

from benchmarks.yolo.scoring import System
from benchmarks.yolo.sets import LATER_X_PX, MOVIE
from benchmarks.yolo.somas import SIDES
from benchmarks.yolo.stages import run_apart
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json
from somanet.core.schema import TRACKS
from somanet.evaluation.masks import Labels
from somanet.evaluation.tracks import match_points, track_scores
from somanet.evaluation.windows import Window, confine
from somanet.io.movies import open_movie
from somanet.io.tables import read_table
from somanet.migration.measures import measure_movie
from somanet.tracking.formats import read_tracks

TRACKERS = {"bytetrack": "ByteTrack", "botsort": "BoT-SORT", "cbiou": "C-BIoU"}
LEAST_SCORE = 0.1
"""ByteTrack also follows boxes that a detector is unsure of; below this they are background (Zhang et al. 2022)."""
GAP_FRAMES = 3
"""36 minutes, SomaNet's own longest gap at this movie's interval."""
CHOSEN_ON = Window(x_to_px=LATER_X_PX)
WINDOWS = {"whole frame": Window(), f"x ≥ {LATER_X_PX}": Window(x_from_px=LATER_X_PX)}
SCORES = ("recall", "precision", "HOTA", "IDF1", "identity_switches")
MOTION = ("frequency_corrected_per_h", "mean_length_corrected_um", "average_speed_um_per_h")
DEFAULT, CELLS = "default", "for cells"
OF_THE_CUT = ("track_activation_threshold", "high_conf_det_threshold")
"""Settings that are each system's own confidence threshold."""
USUAL = -1
"""In place of the number of a candidate: the default settings."""
Settings = dict[str, Any]


@dataclass(frozen=True)
class Detected:
    """The detections of one system that a tracker is given.

    Attributes:
        system: their origin.
        linked: "boxes", or "masks" for the boxes around masks.
        cut: confidence from which a detection is a soma.
        boxes: ``frame``, ``row``, sides and ``score``.
        centres: (n, 2) y and x in pixels of each row: of its box, or of its mask.
    """

    system: str
    linked: str
    cut: float
    boxes: pd.DataFrame
    centres: NDArray[np.float64]


def detections_of(system: System, *, cut: float, n_frames: int) -> Detected:
    """What a system found in the movie. A detector's unsure boxes are included; a mask's place is its own centre."""
    boxes = system.boxes(MOVIE, cut=cut if system.masks else min(cut, LEAST_SCORE)).reset_index(drop=True)
    frame = boxes["image"].astype("int64")
    boxes = boxes[[*SIDES, "score"]].assign(frame=frame, row=np.arange(len(boxes)))
    # A pixel's centre is half a pixel after its edge.
    centres = (boxes[["y0_px", "x0_px"]].to_numpy() + boxes[["y1_px", "x1_px"]].to_numpy()) / 2 - 0.5
    if system.masks == "own":
        found = [centres_of(labels) for labels in system.labels(MOVIE, [f"{t:04d}" for t in range(n_frames)], cut=cut)]
        counts = np.bincount(frame, minlength=n_frames).tolist()
        if counts != [len(one) for one in found] or (np.diff(frame) < 0).any():
            raise SomaNetError(
                f"{system.folder}: expected a box for each object of each mask, in their order. Were the files of "
                "different runs mixed? Delete the folder and repeat the command."
            )
        centres = np.concatenate(found)
    return Detected(system.name, "masks" if system.masks == "own" else "boxes", cut, boxes, centres)


def centres_of(labels_YX: Labels) -> NDArray[np.float64]:
    """(n, 2) the centre y, x of every object, in order of id: the order of :func:`.box_scores.boxes_of`."""
    sequential = relabel_sequential(np.asarray(labels_YX))[0]
    found = center_of_mass(sequential > 0, sequential, range(1, int(sequential.max()) + 1))
    return np.array(found, np.float64).reshape(-1, 2)


def candidates(tracker: str, cut: float) -> list[Settings]:
    """Settings for cells: the longest gap is SomaNet's, every box above the cut can begin a track, overlaps vary.

    A soma that jumps by its own diameter overlaps with nothing: thresholds are low, margins wide, and ByteTrack may
    also compare by the distance of centres (DIoU, which is negative without overlap).
    """
    common: Settings = {"lost_track_buffer": GAP_FRAMES, **dict.fromkeys(OF_THE_CUT, cut)}
    if tracker == "bytetrack":
        overlaps = [("IoU", 0.02), ("IoU", 0.1), ("DIoU", -0.5), ("DIoU", -0.3), ("DIoU", 0.0)]
        changes: list[Settings] = [{"iou": iou, "minimum_iou_threshold": least} for iou, least in overlaps]
    elif tracker == "botsort":
        changes = [
            {
                "minimum_iou_threshold_first_assoc": first,
                "minimum_iou_threshold_second_assoc": second,
                "minimum_iou_threshold_unconfirmed_assoc": first,
                "enable_cmc": moved,
            }
            for first, second, moved in itertools.product((0.02, 0.1), (0.1, 0.5), (False, True))
        ]
    else:
        changes = [
            {
                "buffer_ratio_first": first,
                "buffer_ratio_second": round(1.5 * first, 2),
                "minimum_iou_threshold_first_assoc": least,
                "minimum_iou_threshold_unconfirmed_assoc": least,
            }
            for first, least in itertools.product((0.3, 0.6, 1.0), (0.02, 0.1))
        ]
    return [{**common, **change, "minimum_consecutive_frames": n} for change in changes for n in (1, 3)]


def tracks_of(detected: Detected, found: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """The tracks, :data:`~somanet.core.schema.TRACKS`, of a tracker's answer ``frame``, ``row``, ``track``."""
    rows = found["row"].to_numpy(np.int64)
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(detected.boxes)):
        raise SomaNetError(f"A tracker names box {rows.max()} of {len(detected.boxes)}. Was its table edited?")
    y_px, x_px = detected.centres[rows].T if len(rows) else (np.empty(0), np.empty(0))
    frame = found["frame"].to_numpy(np.int64)
    table = pd.DataFrame(
        {
            "track_id": found["track"].to_numpy(np.int64) + 1,
            "frame": frame,
            "t_h": frame * calibration.frame_interval_min / 60,
            "y_px": y_px,
            "x_px": x_px,
            "y_um": y_px * calibration.pixel_size_um,
            "x_um": x_px * calibration.pixel_size_um,
        }
    )
    return table.sort_values(["track_id", "frame"]).reset_index(drop=True)


def motion_of(tracks: pd.DataFrame) -> dict[str, Any]:
    """Saltations per hour, their length and the average speed with intervals, and whether the movie supports them."""
    measured = measure_movie(tracks)
    numbers = {name: measured.summary.numbers[name].as_dict() for name in MOTION}
    return {**numbers, "remark": measured.support.remark}


def scores_of(tracks: pd.DataFrame, reference: pd.DataFrame, windows: Mapping[str, Window]) -> dict[str, Any]:
    """Scores against the reference tracks, by part of the frame."""
    matches = match_points(reference, tracks)
    parts = {
        name: track_scores(confine(matches, window.points(reference), window.points(tracks)))
        for name, window in windows.items()
    }
    return {name: {score: scores[score] for score in SCORES} for name, scores in parts.items()}


def choose(
    tracker: str,
    detected: Sequence[Detected],
    tracks: Mapping[tuple[str, str, int], pd.DataFrame],
    reference: pd.DataFrame,
) -> dict[str, Any]:
    """The candidate with the best mean HOTA over all systems, left of the part that is scored: one for all systems."""
    settings = candidates(tracker, 0.0)
    means = [
        float(
            np.mean(
                [scores_of(tracks[one.system, tracker, n], reference, {"": CHOSEN_ON})[""]["HOTA"] for one in detected]
            )
        )
        for n in range(len(settings))
    ]
    best = int(np.argmax(means))
    shared = {name: value for name, value in settings[best].items() if name not in OF_THE_CUT}
    return {"settings": shared, "number": best, "HOTA": means[best], "HOTA_of_all": means}


def compare(
    systems: Sequence[System],
    cuts: Mapping[str, float],
    movie_folder: Path,
    pictures: Path,
    output: Path,
    *,
    python: Path,
) -> dict[str, Any]:
    """All trackers on the detections of all systems, and SomaNet's linker on the same.

    Args:
        systems: whose predictions of the movie exist, and SomaNet's tracks of them in ``OUTPUT/tracks``.
        cuts: each system's confidence threshold.
        movie_folder: the movie and its reference tracks.
        pictures: its frames as the detectors see them.
        output: tables of boxes and tracks are written to ``OUTPUT/trackers``.
        python: of libreyolo's environment.

    Returns:
        ``reference``: its motion; ``chosen``: each tracker's settings for cells and how well they do where they were
        chosen; ``rows``: system, linked, linker, settings, scores and motion.

    Raises:
        SomaNetError: no environment, or one without the trackers.
    """
    with open_movie(movie_folder / "cell_body.tif") as movie:
        calibration, n_frames = movie.file_calibration.complete(), movie.n_frames
    reference = read_tracks(movie_folder / "tracks.csv", calibration)
    detected = [detections_of(system, cut=cuts[system.name], n_frames=n_frames) for system in systems]
    tracks = _follow_all(detected, calibration, pictures, make_folder(output / "trackers"), python)
    chosen = {tracker: choose(tracker, detected, tracks, reference) for tracker in TRACKERS}
    rows: list[dict[str, Any]] = []
    for one, system in zip(detected, systems, strict=True):
        for kind in ("boxes", "masks") if system.masks else ("boxes",):
            own = read_table(output / "tracks" / f"{one.system}_{kind}.csv", TRACKS)
            rows.append(_row(one.system, kind, "SomaNet", "", own, reference))
        for tracker, name in itertools.product(TRACKERS, (DEFAULT, CELLS)):
            table = tracks[one.system, tracker, USUAL if name == DEFAULT else chosen[tracker]["number"]]
            rows.append(_row(one.system, one.linked, TRACKERS[tracker], name, table, reference))
    return {"reference": motion_of(reference), "chosen": chosen, "rows": rows}


def _row(
    system: str, linked: str, linker: str, settings: str, tracks: pd.DataFrame, reference: pd.DataFrame
) -> dict[str, Any]:
    about = {"system": system, "linked": linked, "linker": linker, "settings": settings}
    return {**about, "scores": scores_of(tracks, reference, WINDOWS), "motion": motion_of(tracks)}


def _follow_all(
    detected: Sequence[Detected], calibration: Calibration, pictures: Path, folder: Path, python: Path
) -> dict[tuple[str, str, int], pd.DataFrame]:
    """Tracks by system, tracker and number of its candidate, or :data:`USUAL`; all in one call."""
    jobs: list[dict[str, Any]] = []
    keys: list[tuple[Detected, str, int]] = []
    for one in detected:
        boxes = folder / f"{one.system.replace(' ', '_')}.csv"
        one.boxes[["frame", "row", *SIDES, "score"]].to_csv(boxes, index=False)
        for tracker in TRACKERS:
            for n, settings in enumerate([{}, *candidates(tracker, one.cut)], start=USUAL):
                place = folder / f"{boxes.stem}_{tracker}_{n}.csv"
                jobs.append(
                    {"tracker": tracker, "settings": settings, "pictures": str(pictures), "boxes": str(boxes)}
                    | {"output": str(place)}
                )
                keys.append((one, tracker, n))
    write_json(folder / "jobs.json", {"jobs": jobs})
    run_apart(python, "following", "--jobs", str(folder / "jobs.json"), threads=1)
    return {
        (one.system, tracker, n): tracks_of(one, pd.read_csv(job["output"]), calibration)
        for (one, tracker, n), job in zip(keys, jobs, strict=True)
    }
