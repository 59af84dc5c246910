"""The drift of the stage, from the images: what the background does, whatever the cells do.

Nothing here depends on tracks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.schema import DRIFT
from somanet.tracking.background import Background, Floats, Image, background_of
from somanet.tracking.detections import Labels, check_labels
from somanet.tracking.scene_path import LEAST_LIFE, Place, ScenePath, follow

CELL_MARGIN_UM = 5.0
"""Rim around masks that is left out: a soma's glow, and the edge that moves when it is segmented differently."""
LEAST_QUALITY, LEAST_QUALITY_UNMASKED = 0.5, 0.8
"""Median quality from which a background is believed, with and without the cells' outlines. Over a dark field, cells
that migrate together agree with themselves by up to 0.77, what sticks out of their outlines by 0.45; texture by 0.9."""
LEAST_MEASURED = 0.5
"""Share of the frames that have to be registered, or no drift is removed."""
ABOVE_ERROR = 2.0
"""The stage has moved if its rms motion is this many times the rms error; else the shift would only add its error."""
SAMPLED_FRAMES, FEWEST_SAMPLED = 12, 4
CLEAR = 0.3
"""Mean quality of registration without the fixed pattern from which the motion is believed."""
PATTERN_PX = 3.0
"""Rms difference of the motion with and without the fixed pattern from which the latter is believed: when the stage
moves by less than a structure's width, the median of the frames is the background itself, smeared."""
JUMP_PX, JUMP_UM, JUMP_ERRORS = 10.0, 15.0, 10.0
"""From one frame to the next, a shift of the whole picture by this many pixels, µm and errors is a jump of the stage,
whether the picture persists or not: cells do not all move that far at once."""
ROTATION_PX = 1.0
"""A rotation is warned about if it moves the corners by more than this, and by three standard errors."""

Verdict = Literal["moved", "jumped", "still", "nothing to register"]


@dataclass(frozen=True)
class StageDrift:
    """What the stage did in one movie.

    Attributes:
        table: :data:`somanet.core.schema.DRIFT`, one row per frame.
        verdict: "moved", which is removed; "jumped", where single jumps are known and nothing else, which are removed;
            "still", where the motion is within its error; "nothing to register".
        reason: the verdict in a sentence, with numbers.
        warnings: in words.
    """

    table: pd.DataFrame
    verdict: Verdict
    reason: str
    warnings: tuple[str, ...] = ()

    @property
    def removed_yx_px(self) -> Floats:
        """(T, 2) shift to subtract from the positions of each frame."""
        return removed_shift(self.table, unit="px")

    def summary(self) -> dict[str, object]:
        """The result in a few numbers, for records and reports."""
        table = self.table
        measured = table[table["measured"] == 1]
        shift = np.hypot(*table[["shift_y_um", "shift_x_um"]].to_numpy(float).T)
        known = len(measured) > 0
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "n_measured": len(measured),
            "max_um": float(shift.max()) if known else None,
            "final_um": float(shift[-1]) if known else None,
            "error_um": float(measured["error_um"].max()) if known else None,
            "quality": float(measured["quality"].median()) if known else None,
            "max_rotation_deg": float(table["rotation_deg"].abs().max()) if known else None,
            "warnings": list(self.warnings),
        }


def removed_shift(table: pd.DataFrame, *, unit: Literal["px", "um"]) -> Floats:
    """(T, 2) shift that a table of :data:`somanet.core.schema.DRIFT` says is to be subtracted, 0 where none is."""
    shift = table[[f"shift_y_{unit}", f"shift_x_{unit}"]].to_numpy(float)
    return np.where(table[["applied"]].to_numpy() == 1, shift, 0.0)


def measure_drift(
    frames: Sequence[NDArray[np.generic]],
    calibration: Calibration,
    *,
    masks: Sequence[Labels] | None = None,
    blank_frames: Collection[int] = (),
) -> StageDrift:
    """Measure the stage of a movie. Frames are read one at a time; memory does not grow with the movie.

    Args:
        frames: the movie.
        calibration: the physical scale.
        masks: YX label images of the cells, which are left out with a rim of :data:`CELL_MARGIN_UM`. Without them what
            is bright and wider than a speck is left out; dim cells are outvoted where there is a background.
        blank_frames: frames that show nothing.
    """
    margin_px = CELL_MARGIN_UM / calibration.pixel_size_um

    def background(t: int) -> Background | None:
        if t in blank_frames:
            return None
        cells = None
        if masks is not None:
            labels_YX = np.asarray(masks[t])
            check_labels(labels_YX, t)
            cells = labels_YX > 0
        return background_of(np.asarray(frames[t]), cells, margin_px=margin_px)

    height, width = np.shape(frames[0])
    shown = [t for t in range(len(frames)) if t not in blank_frames]
    # Without masks, cells that move over a still background would pass for a scene behind a fixed pattern.
    sampled = {} if masks is None else {t: background(t) for t in _spread(shown)}
    pattern = _fixed_pattern([found for found in sampled.values() if found is not None])

    def prepared() -> Iterator[Background | None]:
        for t in range(len(frames)):
            found = sampled.pop(t) if t in sampled else background(t)
            yield found if pattern is None or found is None else found.without(pattern)

    path = follow(prepared())
    return _judged(
        path, calibration, n_shown=len(shown), corner_px=math.hypot(height, width) / 2, cells_known=masks is not None
    )


def _spread(shown: Sequence[int]) -> list[int]:
    """Frames from the whole of a movie; none of a short one."""
    if len(shown) < FEWEST_SAMPLED:
        return []
    return [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, SAMPLED_FRAMES).round().astype(int))]


def _fixed_pattern(sampled: Sequence[Background]) -> Image | None:
    """What stays in place on the camera while the scene moves, if it hides the scene's motion; else None.

    Dust, a scale bar or fixed noise of the sensor pull the registration towards 0. The median of frames spread over the
    movie contains them, and a still background as well. Without it the background of a moving stage can still be
    followed, and moves further than before; that of a still one is gone.
    """
    if len(sampled) < FEWEST_SAMPLED:
        return None
    # Sorting is four times as fast as `np.median` along the first axis, and gives the same.
    ordered = np.sort(np.stack([one.image_YX for one in sampled]), axis=0)
    pattern = (ordered[(len(sampled) - 1) // 2] + ordered[len(sampled) // 2]) / np.float32(2)
    # Whole pixels decide: half the resolution has to do.
    enough = LEAST_MEASURED * len(sampled) + 1
    seen = follow([one.halved for one in sampled], anchored=False).places
    shift = np.array([place.shift_yx_px for place in seen if place.measured]).reshape(-1, 2)
    # A scene that is seen to move is not hidden; less its median it would leave a dark twin where it rests longest.
    if len(shift) < enough or np.ptp(shift, axis=0).max() > PATTERN_PX:
        return None
    # A pattern that hides the scene is at least as strong, so that it was seen with s / (2s + n) of all or more, if the
    # scene is clear beside noise alone, with s / (s + n).
    if np.mean([place.quality for place in seen[1:] if place.measured]) < CLEAR / (1 + CLEAR):
        return None
    without = follow([one.without(pattern).halved for one in sampled], anchored=False).places
    both = [(a, b) for a, b in zip(seen, without, strict=True) if b.measured and a.measured]
    if len(both) < enough:
        return None
    far_seen, far_without = (np.array([pair[i].shift_yx_px for pair in both]) for i in (0, 1))
    apart = math.sqrt(float(((far_seen - far_without) ** 2).sum(axis=1).mean()))
    farther = np.ptp(far_without, axis=0).max() - np.ptp(far_seen, axis=0).max()
    clear = np.mean([place.quality for _, place in both[1:]]) >= CLEAR
    return pattern if clear and apart > PATTERN_PX and farther > PATTERN_PX else None


def _jumps(path: Sequence[Place], shift_yx_px: Floats, pixel_size_um: float) -> Floats:
    """(T, 2) shift from the frame before, where it is a jump of the stage; else 0."""
    steps = np.diff(shift_yx_px, axis=0, prepend=shift_yx_px[:1])
    error = np.array([place.error_px for place in path])
    known = np.array([place.measured and not place.broken for place in path])
    known[1:] &= np.array([place.measured for place in path[:-1]], bool)
    far = np.hypot(*steps.T)
    jump = known & (far > max(JUMP_PX, JUMP_UM / pixel_size_um)) & (far > JUMP_ERRORS * error)
    return np.where(jump[:, None], steps, 0.0)


def _judged(
    found: ScenePath, calibration: Calibration, *, n_shown: int, corner_px: float, cells_known: bool
) -> StageDrift:
    """Whether the stage is known to have moved, and the table."""
    pixel, path = calibration.pixel_size_um, found.places
    shift = np.array([place.shift_yx_px for place in path]).reshape(-1, 2)
    measured = np.array([place.measured for place in path], bool)
    qualities = np.array([place.quality for place in path])
    n_registered = int(np.isfinite(qualities).sum())
    quality = float(np.nanmedian(qualities)) if n_registered else 0.0
    least = LEAST_QUALITY if cells_known else LEAST_QUALITY_UNMASKED
    warnings = []
    verdict: Verdict
    if n_shown < 2 or n_registered < LEAST_MEASURED * (n_shown - 1):
        verdict = "nothing to register"
        reason = (
            f"The stage could not be measured: the background of {n_registered} of {max(n_shown - 1, 0)} frames could "
            "be registered; it shows too little besides the cells, or its parts move apart."
        )
    elif not found.persists or quality < least:
        verdict = "nothing to register"
        reason = (
            f"The stage could not be measured: hardly any part of the picture stays the same for {LEAST_LIFE} frames, "
            "as if all that the background shows moved on its own."
            if not found.persists
            else f"The stage could not be measured: backgrounds agree by {quality:.2f} only ({least:g} is needed "
            f"{'beside' if cells_known else 'without'} the cells' outlines), so that cells that move together may pass "
            "for the stage."
        )
        jumps = _jumps(path, shift, pixel)
        if jumps.any():
            verdict, shift = "jumped", np.cumsum(jumps, axis=0)
            frames = np.flatnonzero(np.hypot(*jumps.T))
            sizes = ", ".join(f"{np.hypot(*jumps[t]) * pixel:.3g} µm at frame {t}" for t in frames[:5])
            reason += f" Its jumps are removed ({sizes}{', …' if len(frames) > 5 else ''})."
    else:
        motion = math.sqrt(float(((shift[measured] - shift[measured].mean(axis=0)) ** 2).mean()))
        error = math.sqrt(float(np.mean([place.error_px**2 for place in path if place.measured])))
        farthest = float(np.hypot(*shift.T).max())
        verdict = "moved" if motion > ABOVE_ERROR * error else "still"
        reason = (
            f"The stage drifted by up to {farthest * pixel:.2g} µm (± {error * pixel:.2g}), measured on the background."
            if verdict == "moved"
            else f"The stage stood still: the background stays in place within its error of {error * pixel:.2g} µm."
        )
        if missed := n_shown - 1 - n_registered:
            warnings.append(
                f"The background of {missed} of {n_shown} frames could not be registered: no motion is assumed there."
            )
        if broken := sum(place.broken for place in path):
            warnings.append(
                f"The background changed as a whole {broken} times; a motion of the stage at these times is unknown."
            )
        turned = max(path, key=lambda place: abs(place.rotation_deg))
        angle = abs(turned.rotation_deg)
        if math.radians(angle) * corner_px > ROTATION_PX and angle > 3 * turned.rotation_error_deg:
            warnings.append(
                f"The scene rotates by up to {angle:.2g}°, which moves the field's corners by "
                f"{math.radians(angle) * corner_px * pixel:.2g} µm; rotation is not removed."
            )
    table = DRIFT.frame(
        [
            {
                "frame": t,
                "shift_y_px": shift[t, 0],
                "shift_x_px": shift[t, 1],
                "shift_y_um": shift[t, 0] * pixel,
                "shift_x_um": shift[t, 1] * pixel,
                "error_um": place.error_px * pixel,
                "rotation_deg": place.rotation_deg,
                "rotation_error_deg": place.rotation_error_deg,
                "quality": place.quality,
                "measured": int(place.measured),
                "applied": int(verdict in ("moved", "jumped")),
            }
            for t, place in enumerate(path)
        ]
    )
    return StageDrift(table, verdict, reason, tuple(warnings))
