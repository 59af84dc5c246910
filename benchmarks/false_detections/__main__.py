"""The real movie's detections that match no reference track: a picture of each track of them, and what a reader saw.

somanet analyze ../shared/data/neuritetracker/cell_body.tif --output build/movie
python -m benchmarks.false_detections build/movie --data ../shared/data          # build/false_detections.png
python -m benchmarks.false_detections build/movie --data ../shared/data --picture docs/images/false_detections.png

Matched as by `somanet tracks score`. `judged.csv` has the judgements: of each track that was looked at, the first such
detection (frame and position) and whether a soma is there. A track that is in no row is counted as not judged.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from benchmarks.yolo.sets import MOVIE
from somanet.core.plots import blank, label, save_figure
from somanet.evaluation.tracks import match_points
from somanet.io.movies import open_movie
from tools.command_line import run

JUDGED = Path(__file__).parent / "judged.csv"
PIXEL_UM = 1.28
NEAR_PX = 3.0
"""Two networks place the same soma within this."""
VIEWS = 6
HALF_PX = 28
OURS, REFERENCE = (0.2, 1.0, 0.2), (1.0, 0.85, 0.0)
NOT_JUDGED = "not judged"


def false_detections(tracks: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``tracks`` that match no reference position, as ``somanet tracks score`` counts them.

    Args:
        tracks: ``track_id``, ``frame``, ``y_um``, ``x_um``.
        reference: the same columns.
    """
    matches = match_points(reference, tracks)
    false = {
        (t, track)
        for t, (found, pairs) in enumerate(zip(matches.predicted, matches.pairs, strict=True))
        for track in set(found) - {b for _, b in pairs}
    }
    keys = zip(tracks["frame"], tracks["track_id"], strict=True)
    return tracks[[key in false for key in keys]].sort_values(["track_id", "frame"])


def judgements(false: pd.DataFrame, judged: pd.DataFrame) -> dict[int, str]:
    """Track → what was seen there: the judgement of a detection of the same frame within 3 px, or `not judged`."""
    found = {}
    for track, rows in false.groupby("track_id"):
        first = rows.iloc[0]
        there = judged[judged["frame"] == first["frame"]]
        distance = np.hypot(there["y_px"] - first["y_px"], there["x_px"] - first["x_px"])
        near = there[distance <= NEAR_PX]
        found[int(str(track))] = str(near["judgement"].iloc[0]) if len(near) else NOT_JUDGED
    return found


def window(image_YX: NDArray[np.integer], y: float, x: float) -> NDArray[np.integer]:
    """The pixels around a position, 0 outside of the image."""
    padded = np.pad(image_YX, HALF_PX)
    return padded[round(y) : round(y) + 2 * HALF_PX, round(x) : round(x) + 2 * HALF_PX]


def draw(
    false: pd.DataFrame, frames_TYX: NDArray[np.integer], ours_TYX: NDArray[np.integer], theirs_TYX: NDArray[np.integer]
) -> Figure:
    """One row a track: up to six of its detections, grey values up to the soma's highest, outlines beside.

    SomaNet's outlines are green, those of the reference yellow.
    """
    tracks = false.groupby("track_id").size().sort_values(ascending=False)
    figure = blank(1.1 * 2 * VIEWS, 1.2 * len(tracks))
    axes = figure.subplots(len(tracks), 2 * VIEWS, squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for row, (track, count) in zip(axes, tracks.items(), strict=True):
        rows = false[false["track_id"] == track]
        chosen = np.unique(np.linspace(0, len(rows) - 1, VIEWS).round().astype(int))
        for column, (_, one) in enumerate(rows.iloc[chosen].iterrows()):
            t, y, x = int(one["frame"]), float(one["y_px"]), float(one["x_px"])
            grey = window(frames_TYX[t], y, x).astype(float)
            low = float(np.percentile(grey[grey > 0], 5))
            high = float(grey[HALF_PX - 12 : HALF_PX + 12, HALF_PX - 12 : HALF_PX + 12].max())
            plain = np.repeat(np.clip((grey - low) / max(high - low, 1), 0, 1)[..., None], 3, axis=-1)
            outlined = plain.copy()
            outlined[find_boundaries(window(theirs_TYX[t], y, x), mode="inner")] = REFERENCE
            outlined[find_boundaries(window(ours_TYX[t], y, x), mode="outer")] = OURS
            row[2 * column].imshow(plain, interpolation="nearest")
            row[2 * column + 1].imshow(outlined, interpolation="nearest")
            row[2 * column].set_title(label(f"frame {t}" if column else f"track {track}: {count}"), fontsize=6)
    return figure


def whole(path: Path) -> NDArray[np.integer]:
    """All frames of a movie."""
    with open_movie(path) as movie:
        return np.stack(list(movie))


def main() -> None:
    """Match, count, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="folder that `somanet analyze` wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder with neuritetracker/")
    parser.add_argument("--picture", type=Path, default=Path("build/false_detections.png"))
    given = parser.parse_args()
    movie = given.data / MOVIE
    tracks = pd.read_csv(given.result / "tracks.csv")
    reference = pd.read_csv(movie / "tracks.csv").rename(columns={"track": "track_id"})
    reference[["y_um", "x_um"]] = reference[["y_px", "x_px"]] * PIXEL_UM
    false = false_detections(tracks, reference)
    seen = judgements(false, pd.read_csv(JUDGED))
    counts = Counter(seen[track] for track in false["track_id"])
    print(f"{len(tracks)} detections, {len(false)} without a reference track, in {len(seen)} tracks:")
    for judgement, number in counts.most_common():
        print(f"  {judgement}: {number} in {sum(one == judgement for one in seen.values())} tracks")
    for track, rows in false.groupby("track_id"):
        first = rows.iloc[0]
        place = f"frame {first['frame']:.0f}, y {first['y_px']:.1f}, x {first['x_px']:.1f}"
        print(f"  track {track}: {len(rows)} from {place}: {seen[int(str(track))]}")
    figure = draw(
        false, whole(movie / "cell_body.tif"), whole(given.result / "labels.tif"), whole(movie / "soma_labels.tif")
    )
    save_figure(figure, given.picture)
    print(f"Written: {given.picture}")


if __name__ == "__main__":
    run(main)
