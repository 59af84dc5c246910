"""The plug-in's main job on the real movie, by events: the worst places, ten masks, wrong links, a better network.

    DISPLAY=:1 python -m tests.napari.main_job RESULTS --data ../shared/data --output build/main_job

RESULTS is a folder that `somanet analyze cell_body.tif` wrote; a copy of it is corrected. Whoever corrects knows
`soma_labels.tif`: a place is right if the soma there has an IoU of 0.8 or more with a reference soma, and the same one
as a frame before. Outlines are mended by strokes of the brush over the pixels that differ, missed somas by clicks,
links by selecting two somas and a key. What the reference lacks is left as it is, as dim cells of it have no label.

Then six crops left of x = 440 that `somanet label suggest` names are corrected as a whole, added to the training set,
and trained on by the panel's button; the new network analyses the movie. Columns from 440 on are scored: of the results
as they were, as they were corrected, and as the new network gives them. `--no-retrain` stops before the training.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

STARTED = time.monotonic()
N_MASKS, N_CROPS = 10, 6
HELD_OUT_FROM_PX = 440
SUGGESTED = 16
MAX_DISTANCE_UM, MIN_FRAMES = 8.0, 10  # as `somanet tracks score`
WORST = 0.02
RIGHT_IOU = 0.8


def iou(one: np.ndarray, other: np.ndarray) -> float:
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 0.0


def best(reference_YX: np.ndarray, mask: np.ndarray) -> tuple[int, float]:
    """The reference soma that a mask overlaps most, and their IoU."""
    under = reference_YX[mask]
    if not under.any():
        return 0, 0.0
    label = int(np.bincount(under[under > 0]).argmax())
    return label, iou(mask, reference_YX == label)


def strokes(wanted: np.ndarray) -> list[list[tuple[float, float]]]:
    """Ways of a brush of one pixel that cover exactly the pixels of a mask, each row from the end that is nearer."""
    ways: list[list[tuple[float, float]]] = []
    ends: list[tuple[int, int, int]] = []  # row, first and last column of each way's last run
    for y in np.flatnonzero(wanted.any(axis=1)).tolist():
        columns = np.flatnonzero(wanted[y])
        for run in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1):
            first, last = int(run[0]), int(run[-1])
            near = [
                i for i, (row, a, b) in enumerate(ends)
                if row == y - 1 and min(abs(ways[i][-1][1] - first), abs(ways[i][-1][1] - last)) <= 1 and a <= last + 1
                and first <= b + 1
            ]  # fmt: skip
            if not near:
                ways.append([])
                ends.append((y, first, last))
                near = [len(ways) - 1]
            way = ways[near[0]]
            ahead = not way or abs(way[-1][1] - first) <= abs(way[-1][1] - last)
            way += [(float(y), float(x)) for x in ((first, last) if ahead else (last, first))]
            ends[near[0]] = (y, first, last)
    return ways


class Corrector:
    """A person who knows the reference."""

    def __init__(self, person: Any, reference: np.ndarray) -> None:
        self.person, self.reference = person, reference
        self.first_mask_s = self.first_mask_processor_s = float("nan")
        self.masks: list[str] = []
        self.links: list[str] = []

    def is_right(self, t: int, track: int) -> bool:
        mask = self.person.labels(t) == track
        label, overlap = best(self.reference[t], mask)
        if t and (self.person.labels(t - 1) == track).any():
            before, _ = best(self.reference[t - 1], self.person.labels(t - 1) == track)
            if before and label and before != label:
                return False
        return overlap >= RIGHT_IOU

    def mend_outline(self, t: int, track: int) -> bool:
        """Paint what is missing and erase what is too much."""
        mask = self.person.labels(t) == track
        label, _ = best(self.reference[t], mask)
        if not label:
            return False
        wanted = self.reference[t] == label
        before = iou(mask, wanted)
        now = self.brush(t, track, wanted)
        if now is None:
            return False
        self.note(self.masks, f"frame {t}, track {track}: outline, IoU {before:.2f} → {now:.2f}")
        return True

    def brush(self, t: int, track: int, wanted: np.ndarray) -> float | None:
        """Paint and erase until an outline is right; the IoU then, or None if a click does not select the track."""
        mask = self.person.labels(t) == track
        others = (self.person.labels(t) > 0) & ~mask
        self.person.show(t)
        self.look_at(wanted)
        y, x = self.inside(mask)
        self.person.press("Escape")
        self.person.click(y, x)
        if self.person.editor.selected != [track]:
            return None
        self.person.press("P")
        self.stroke(wanted & ~mask & ~others)
        self.person.press("E")
        self.stroke(mask & ~wanted)
        self.person.press("Escape")
        return iou(self.person.labels(t) == track, wanted)

    def add_missing(self, t: int, label: int) -> bool:
        """A click where a reference soma has no detection, and the brush where the click alone does not outline it."""
        wanted = self.reference[t] == label
        self.person.show(t)
        self.look_at(wanted)
        y, x = self.inside(wanted)
        if self.person.labels(t)[y, x]:
            return False
        n = len(self.person.editor.session.edits)
        self.person.press("N")
        self.person.click(y, x)
        self.person.wait_for(lambda: not self.person.panel._work.busy)
        if len(self.person.editor.session.edits) == n:
            return False
        track = self.person.editor.selected[0]
        told, clicked = self.person.panel.told, iou(self.person.labels(t) == track, wanted)
        now = self.brush(t, track, wanted) if clicked < RIGHT_IOU else None
        brushed = "" if now is None else f" → {now:.2f} by the brush"
        self.note(self.masks, f"frame {t}, track {track}: new from a click ({told}), IoU {clicked:.2f}{brushed}")
        return True

    def stroke(self, wanted: np.ndarray) -> None:
        """Drag a fine brush to and fro over the pixels, without lifting it where they hang together."""
        self.person.editor.layers.labels.brush_size = 1
        for places in strokes(wanted):
            self.person.drag(*places, places[-1])

    def look_at(self, mask: np.ndarray) -> None:
        """Near enough that a pixel of the movie is many of the screen."""
        viewer, scale = self.person.panel.viewer, self.person.editor.layers.image.scale
        y, x = (float(np.mean(axis)) for axis in np.nonzero(mask))
        viewer.camera.center = (0.0, y * scale[-2], x * scale[-1])
        viewer.camera.zoom = 8 / scale[-1]
        self.person.wait()

    def inside(self, mask: np.ndarray) -> tuple[int, int]:
        from scipy import ndimage

        distance = ndimage.distance_transform_edt(mask)
        y, x = np.unravel_index(int(distance.argmax()), mask.shape)
        return int(y), int(x)

    def note(self, where: list[str], words: str) -> None:
        if not self.masks and where is self.masks:
            self.first_mask_s, self.first_mask_processor_s = time.monotonic() - STARTED, time.process_time()
        where.append(words)
        print(words, flush=True)

    def mend_crop(self, t: int, top: int, left: int, size: int) -> int:
        """Mend every soma of the reference in a crop that is not right yet, then add the crop; gives the number."""
        here = np.s_[top : top + size, left : left + size]
        mended = 0
        for label in np.unique(self.reference[t][here])[1:].tolist():
            wanted = self.reference[t] == label
            under = self.person.labels(t)[wanted]
            track = int(np.bincount(under).argmax())
            if not under.any():
                mended += self.add_missing(t, label)
            elif track and iou(self.person.labels(t) == track, wanted) < RIGHT_IOU:
                mended += self.mend_outline(t, track)
        self.person.show(t)
        self.person.press("Escape")
        viewer, scale = self.person.panel.viewer, self.person.editor.layers.image.scale
        viewer.camera.center = (0.0, (top + size // 2) * scale[-2], (left + size // 2) * scale[-1])
        self.person.wait()
        self.person.panel._add_button.click()
        print(self.person.panel.told, flush=True)
        return mended

    def mend_links(self) -> None:
        """Where a reference soma goes on under another track: join, or swap if both tracks go on."""
        for label in np.unique(self.reference)[1:].tolist():
            last: tuple[int, int] | None = None
            for t in range(len(self.reference)):
                wanted = self.reference[t] == label
                if not wanted.any():
                    continue
                under = self.person.labels(t)[wanted]
                track = int(np.bincount(under).argmax())
                if not track or iou(self.person.labels(t) == track, wanted) < 0.5:
                    continue
                if last is not None and last[1] != track and t - last[0] <= 5:
                    self.link(last, (t, track))
                    track = int(np.bincount(self.person.labels(t)[wanted]).argmax())
                last = (t, track)

    def link(self, one: tuple[int, int], other: tuple[int, int]) -> None:
        frames = self.person.editor.session.frames_of
        both = set(frames(one[1])) & set(frames(other[1]))
        n = len(self.person.editor.session.edits)
        self.person.press("Escape")
        for (t, track), held in ((one, ""), (other, "Shift")):
            self.person.show(t)
            mask = self.person.labels(t) == track
            self.look_at(mask)
            self.person.click(*self.inside(mask), held=held)
        self.person.press("S" if both and max(frames(one[1])) >= other[0] else "J")
        if len(self.person.editor.session.edits) > n:
            self.note(self.links, f"frame {other[0]}: {self.person.panel.told}")


def suggested_crops(results: Path, movie: Path, folder: Path) -> list[tuple[int, int, int, int]]:
    """Frame, row, column and side of the worst crops by `somanet label suggest` that lie left of the held-out part."""
    from somanet.core.processes import python_command

    if not (folder / "crops.csv").exists():
        options = ("--movie", movie, "--count", SUGGESTED, "--output", folder)
        subprocess.run(python_command("-m", "somanet", "label", "suggest", *map(str, (results, *options))), check=True)
    import pandas as pd

    table = pd.read_csv(folder / "crops.csv")
    left = table[table["x_px"] + table["width_px"] <= HELD_OUT_FROM_PX].sort_values("score", ascending=False)
    rows = left[["frame", "y_px", "x_px", "width_px"]].head(N_CROPS).itertuples(index=False)
    return [(int(t), int(y), int(x), int(size)) for t, y, x, size in rows]


def scores_of(results: Path, reference_tracks: Path, reference: np.ndarray) -> dict[str, float]:
    """What `somanet tracks score --x-from 440` gives of the points, and the mean IoU of the masks there."""
    from somanet.core.calibration import Calibration
    from somanet.evaluation.scores import score_dataset
    from somanet.evaluation.tracks import match_points, track_scores
    from somanet.evaluation.windows import Window, confine
    from somanet.io.movies import open_movie
    from somanet.tracking.formats import read_tracks

    scale = Calibration(1.28, 12.0)
    window = Window(HELD_OUT_FROM_PX, float("inf"))
    true, found = (read_tracks(path, scale) for path in (reference_tracks, results / "tracks.csv"))
    matches = match_points(true, found, max_distance_um=MAX_DISTANCE_UM, min_reference_frames=MIN_FRAMES)
    scores = track_scores(confine(matches, window.points(true), window.points(found)))
    with open_movie(results / "labels.tif") as labels:
        frames = (
            (str(t), reference[t][:, HELD_OUT_FROM_PX:], labels[t][:, HELD_OUT_FROM_PX:]) for t in range(len(reference))
        )
        iou_ = score_dataset(frames, intervals=False).per_image["iou"].mean()
    wanted = ("recall", "precision", "IDF1", "HOTA", "identity_switches", "followed")
    return {"IoU": round(float(iou_), 4), **{name: round(float(scores[name]), 4) for name in wanted}}


def say_yes(seen: list[str]) -> None:
    """Answer the next question of the panel with Yes, once it stands there."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication, QMessageBox

    def look() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            seen.append(box.text())
            box.button(QMessageBox.StandardButton.Yes).click()
        else:
            QTimer.singleShot(200, look)

    QTimer.singleShot(200, look)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("build/main_job"))
    parser.add_argument("--suggested", type=Path, help="crops that `somanet label suggest` wrote; by default it is run")
    parser.add_argument("--no-retrain", action="store_true")
    given = parser.parse_args()
    shutil.rmtree(given.output, ignore_errors=True)
    shutil.copytree(given.results, given.output / "results")
    data = given.data / "neuritetracker"
    movie = data / "cell_body.tif"
    from somanet.io.movies import open_movie

    with open_movie(data / "soma_labels.tif") as opened:
        reference = np.stack(list(opened))
    report: dict[str, Any] = {"before": scores_of(given.results, data / "tracks.csv", reference)}
    import napari

    from somanet.napari.window.panel import SomaNetPanel
    from tests.napari.window.events import Person

    def keep() -> None:
        (given.output / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")

    begun, processor = time.monotonic(), time.process_time()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    panel = SomaNetPanel(viewer)
    viewer.window.add_dock_widget(panel, name="SomaNet")
    panel.open(given.output / "results", movie=movie)
    person = Person(panel)
    person.wait(0.2)
    report |= {
        "opened_s": round(time.monotonic() - begun, 1),
        "opened_processor_s": round(time.process_time() - processor, 1),
        "frames_read_at_opening": person.panel.shown.opened.frames.n_read,
    }
    corrector = Corrector(person, reference)
    person.wait_for(lambda: bool(person.editor.contacts), seconds=1200)
    places = list(person.editor.suspicious.places)
    n_worst = round(WORST * len(person.editor.session.points))
    wrong = [not corrector.is_right(place.frame, place.track) for place in places[:n_worst]]
    everywhere = [
        not corrector.is_right(int(frame), int(track))
        for frame, track in person.editor.session.points[["frame", "track_id"]].itertuples(index=False)
    ]
    report |= {
        "n_detections": len(everywhere),
        "wrong_share": round(float(np.mean(everywhere)), 3),
        "n_worst": n_worst,
        "wrong_share_of_worst": round(float(np.mean(wrong)), 3),
    }
    for place in places[:n_worst]:
        if len(corrector.masks) >= N_MASKS:
            break
        person.press(".")
        if not corrector.is_right(place.frame, place.track):
            corrector.mend_outline(place.frame, place.track)
    for t in range(0, len(reference), 7):
        for label in np.unique(reference[t])[1:].tolist():
            if len(corrector.masks) < N_MASKS and not (person.labels(t)[reference[t] == label] > 0).any():
                corrector.add_missing(t, label)
    report |= {
        "first_mask_s": round(corrector.first_mask_s - (begun - STARTED), 1),
        "first_mask_processor_s": round(corrector.first_mask_processor_s - processor, 1),
        "masks": list(corrector.masks),
    }
    keep()
    crops = suggested_crops(given.results, movie, given.suggested or given.output / "suggested")
    in_crops = [corrector.mend_crop(*crop) for crop in crops]
    report["crops"] = [list(crop) for crop in crops]
    report["masks_mended_in_crops"] = in_crops
    corrector.mend_links()
    report["links"] = corrector.links
    viewer.screenshot(str(given.output / "corrected.png"), canvas_only=False, flash=False)
    panel._measure_button.click()
    person.wait_for(lambda: not panel._work.busy, seconds=3000)
    report["measured"] = panel.told
    report["corrected"] = scores_of(given.output / "results", data / "tracks.csv", reference)
    keep()
    if not given.no_retrain:
        seen: list[str] = []
        processor = time.process_time()
        say_yes(seen)
        panel._retrain_button.click()
        person.wait_for(lambda: not panel._work.busy and "is used from here on" in panel.told, seconds=6000)
        report |= {
            "retrain_processor_s": round(time.process_time() - processor),
            "asked": seen,
            "retrained": panel.told,
        }
        keep()
        viewer.screenshot(str(given.output / "retrained.png"), canvas_only=False, flash=False)
        again = given.output / "again"
        panel.open(movie, choices=replace(panel.tasks.choices, output=again))
        panel._analysis.pixel.setValue(1.28)
        panel._analysis.interval.setValue(12)
        panel._analysis.start.click()
        person.wait_for(lambda: not panel._work.busy, seconds=6000)
        report["analysed_again"] = panel.told
        report["retrained_scores"] = scores_of(again, data / "tracks.csv", reference)
    keep()
    print(json.dumps(report, indent=2))
    panel.close_movie()
    viewer.close()


if __name__ == "__main__":
    sys.exit(main())
