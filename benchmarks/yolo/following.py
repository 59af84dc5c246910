"""Follow boxes with trackers of the package `trackers` (Apache-2.0), in the Python of libreyolo's own environment.

python -m benchmarks.yolo.following --jobs jobs.json

A job names a tracker, its settings, a table of boxes (`frame,row,x0_px,y0_px,x1_px,y1_px,score`), the movie's pictures,
one per frame, and the table to write (`frame,row,track`): which box is of which track. Only this file uses the package.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.yolo.learning import quieten

try:
    import supervision
    import trackers
except ImportError as error:
    raise SystemExit(
        f"error: {sys.executable} has no package {error.name!r}. `make yolo` installs `trackers` beside libreyolo; "
        "--no-trackers leaves that comparison out."
    ) from error

KINDS = {
    "bytetrack": trackers.ByteTrackTracker,
    "botsort": trackers.BoTSORTTracker,
    "cbiou": trackers.CBIoUTracker,
}
FRAMES_PER_S = 30.0
"""With this the package counts its time for lost tracks in frames."""
COLUMNS = ("frame", "row", "x0_px", "y0_px", "x1_px", "y1_px", "score")


def read_boxes(path: Path) -> np.ndarray:
    """(n, 7) the columns :data:`COLUMNS` of a table of boxes."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [[float(row[name]) for name in COLUMNS] for row in csv.DictReader(file)]
    return np.array(rows, float).reshape(-1, len(COLUMNS))


def make_tracker(kind: str, settings: dict[str, Any]) -> Any:
    """A tracker of the package; the setting `iou` is the name of its measure of overlap."""
    named = {name: getattr(trackers, value)() for name, value in settings.items() if name == "iou"}
    return KINDS[kind](frame_rate=FRAMES_PER_S, **{**settings, **named})


def follow(tracker: Any, boxes: np.ndarray, pictures: list[Path]) -> list[tuple[int, int, int]]:
    """Frame, row and track of every box that a tracker follows."""
    found: list[tuple[int, int, int]] = []
    compensates = bool(getattr(tracker, "enable_cmc", False))
    for t, path in enumerate(pictures):
        rows = boxes[boxes[:, 0] == t]
        detections = supervision.Detections(
            xyxy=rows[:, 2:6].astype(np.float32),
            confidence=rows[:, 6].astype(np.float32),
            data={"row": rows[:, 1].astype(int)},
        )
        seen = {"frame": cv2.imread(str(path), cv2.IMREAD_COLOR)} if compensates else {}
        tracked = tracker.update(detections, **seen)
        if len(tracked):
            pairs = zip(tracked.data["row"].tolist(), tracked.tracker_id.tolist(), strict=True)
            found += [(t, row, track) for row, track in pairs if track >= 0]
    return sorted(found)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=Path, required=True)
    quieten(threads=1)
    warnings.simplefilter("ignore")
    for job in json.loads(parser.parse_args().jobs.read_text(encoding="utf-8"))["jobs"]:
        tracker = make_tracker(job["tracker"], job["settings"])
        pictures = sorted(Path(job["pictures"]).glob("*.png"))
        found = follow(tracker, read_boxes(Path(job["boxes"])), pictures)
        with Path(job["output"]).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("frame", "row", "track"))
            writer.writerows(found)


if __name__ == "__main__":
    main()
