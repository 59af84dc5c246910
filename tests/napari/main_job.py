"""The plug-in's main job on the real movie, by events: the worst places, ten masks, five links, measured anew.

    DISPLAY=:1 python -m tests.napari.main_job RESULTS --data ../shared/data --output build/main_job

RESULTS is a folder that `somanet analyze cell_body.tif` wrote; a copy of it is corrected. Whoever corrects knows
`soma_labels.tif`: a place is right if the soma there has an IoU of 0.8 or more with a reference soma, and the same one
as a frame before. Outlines are mended by strokes of the brush over the pixels that differ, missed somas by clicks,
links by selecting two somas and a key.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

STARTED = time.monotonic()
N_MASKS, N_LINKS = 10, 5
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
        self.first_mask_s = float("nan")
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
        others = (self.person.labels(t) > 0) & ~mask
        self.person.show(t)
        self.look_at(wanted)
        y, x = self.inside(mask)
        self.person.press("Escape")
        self.person.click(y, x)
        if self.person.editor.selected != [track]:
            return False
        before = iou(mask, wanted)
        self.person.press("P")
        self.stroke(wanted & ~mask & ~others)
        self.person.press("E")
        self.stroke(mask & ~wanted)
        self.person.press("Escape")
        now = iou(self.person.labels(t) == track, wanted)
        self.note(self.masks, f"frame {t}, track {track}: outline, IoU {before:.2f} → {now:.2f}")
        return True

    def add_missing(self, t: int, label: int) -> bool:
        """A click where a reference soma has no detection."""
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
        now = iou(self.person.labels(t) == track, wanted)
        self.note(self.masks, f"frame {t}, track {track}: new from a click ({self.person.panel.told}), IoU {now:.2f}")
        return True

    def stroke(self, wanted: np.ndarray) -> None:
        """Drag a fine brush to and fro over the pixels, without lifting it where they hang together."""
        self.person.editor.labels.brush_size = 1
        for places in strokes(wanted):
            self.person.drag(*places, places[-1])

    def look_at(self, mask: np.ndarray) -> None:
        """Near enough that a pixel of the movie is many of the screen."""
        viewer, scale = self.person.panel.viewer, self.person.editor.image.scale
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
            self.first_mask_s = time.monotonic() - STARTED
        where.append(words)
        print(words, flush=True)

    def mend_links(self) -> None:
        """Where a reference soma goes on under another track: join, or swap if both tracks go on."""
        for label in np.unique(self.reference)[1:].tolist():
            last: tuple[int, int] | None = None
            for t in range(len(self.reference)):
                wanted = self.reference[t] == label
                if not wanted.any() or len(self.links) >= N_LINKS:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=Path("build/main_job"))
    given = parser.parse_args()
    shutil.rmtree(given.output, ignore_errors=True)
    shutil.copytree(given.results, given.output / "results")
    movie = given.data / "neuritetracker" / "cell_body.tif"
    from somanet.io.movies import open_movie

    with open_movie(given.data / "neuritetracker" / "soma_labels.tif") as opened:
        reference = np.stack(list(opened))
    import napari

    from somanet.napari.window.panel import SomaNetPanel
    from tests.napari.window.events import Person

    begun = time.monotonic()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    panel = SomaNetPanel(viewer)
    viewer.window.add_dock_widget(panel, name="SomaNet")
    panel.open(given.output / "results", movie=movie)
    person = Person(panel)
    person.wait(0.2)
    opened_s = time.monotonic() - begun
    corrector = Corrector(person, reference)
    person.wait_for(lambda: bool(person.editor.contacts))
    places = list(person.editor.suspicious.places)
    n_worst = round(WORST * len(person.editor.session.points))
    wrong = [not corrector.is_right(place.frame, place.track) for place in places[:n_worst]]
    everywhere = [
        not corrector.is_right(int(frame), int(track))
        for frame, track in person.editor.session.points[["frame", "track_id"]].itertuples(index=False)
    ]
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
    corrector.mend_links()
    viewer.screenshot(str(given.output / "corrected.png"), canvas_only=False, flash=False)
    panel._measure_button.click()
    person.wait_for(lambda: not panel._work.busy, seconds=1200)
    report = {
        "opened_s": round(opened_s, 1),
        "first_mask_s": round(corrector.first_mask_s, 1),
        "n_detections": len(everywhere),
        "wrong_share": round(float(np.mean(everywhere)), 3),
        "n_worst": n_worst,
        "wrong_share_of_worst": round(float(np.mean(wrong)), 3),
        "frames_read_at_opening": person.editor.opened.frames.n_read,
        "masks": corrector.masks,
        "links": corrector.links,
        "measured": panel.told,
    }
    (given.output / "report.json").write_text(json.dumps(report, indent=2))
    print(json.dumps(report, indent=2))
    panel.close_movie()
    viewer.close()


if __name__ == "__main__":
    sys.exit(main())
