"""Before linking, frame by frame: split masks that touching somas share, and merge the parts of one cell."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.tracking.assignment import cheapest_pairs
from somanet.tracking.candidates import ROUNDING
from somanet.tracking.detections import Labels, areas_of, check_labels
from somanet.tracking.displacements import FASTEST_UM_PER_H, check_max_step
from somanet.tracking.mask_geometry import Mask, Soma, masks_of, nearest_px, split_mask

MIN_APART_H = 0.6
"""Two masks count as two cells, not one cell in two parts, once they have been apart for this long."""
PIECE_SHARE = 0.5
"""A part of a cell, such as its nucleus, is smaller than this share of the movie's median soma."""
WHOLE_SHARE = 0.75
"""A mask of at least this share of the median soma is a cell, however short it has been apart."""
PIECE_GAP_UM = 6.0
"""Such a part is at most this far from the rest of its cell: a nucleus trails a soma by 5 to 10 µm, centre to rim."""
MERGED_SUM = 0.65
"""A mask contains several cells if it has at least this share of their total area …"""
MERGED_OWN = 1.25
"""… and is this much larger than the largest of them."""
STILL_MERGED = 0.8
"""Both bounds shrink by this factor while the cells stay merged, so that a fluctuating mask is split consistently."""
WHOLE_SUM = 1.35
"""Parts belong together if their areas add up to at most this multiple of the previous cell's area."""

Hints = dict[int, dict[int, list[Soma]]]


def separate_touching(
    labels: Sequence[Labels],
    calibration: Calibration,
    *,
    areas_px: NDArray[np.number] | None = None,
    max_step_um: float | None = None,
    blank_frames: Collection[int] = (),
    drift_yx_px: NDArray[np.float64] | None = None,
) -> Iterator[NDArray[np.int32]]:
    """Split masks that contain several cells, and merge masks that are parts of one.

    Touching somas share one mask for some frames. Its area is then close to the sum of the cells before, one of which
    has lost its own mask; it is split so that each pixel goes to the nearest cell, measured from the rim at its
    predicted position. The movie is first traversed backwards, so that cells that touch from the first frame and part
    later are separated too. When a nucleus leaves its soma before a jump, one mask becomes two: a small new mask, close
    to a cell that lost as much area, becomes part of that cell.

    Args:
        labels: a sequence of YX label images, such as an array or an open movie; 0 = background. It is read
            twice, and once more for the areas; two frames at a time in memory.
        calibration: the physical scale.
        areas_px: the areas of all objects, if they are known.
        max_step_um: longest displacement from one frame to the next; that of the fastest cell if None.
        blank_frames: blank frames; the cells after them are compared with those before.
        drift_yx_px: (T, 2) shift of the scene in each frame; cells are expected to move with it. None for none.

    Yields:
        YX int32 label images; ids have no meaning between frames. Feed them to ``detect_cells``.

    Raises:
        SomaNetError: labels that are not 2-D integers.
    """
    step_um = (
        FASTEST_UM_PER_H * calibration.frame_interval_h + 10 if max_step_um is None else check_max_step(max_step_um)
    )
    if areas_px is None:
        areas_px = np.concatenate([np.empty(0), *(areas_of(_frame(labels, t)) for t in range(len(labels)))])
    typical = float(np.median(areas_px)) if areas_px.size else 0.0
    drift = np.zeros((len(labels), 2)) if drift_yx_px is None else drift_yx_px
    times = calibration.in_intervals(np.arange(len(labels)))
    backwards = _Walk(calibration, step_um, typical)
    hints: Hints = {}
    seen = [t for t in range(len(labels)) if t not in blank_frames]
    for t in reversed(seen):
        backwards.advance(_frame(labels, t), scene_yx_px=drift[t], time=times[t])
        if backwards.splits:
            hints[t] = backwards.splits
    forwards = _Walk(calibration, step_um, typical)
    for t in range(len(labels)):
        frame = _frame(labels, t)
        yield frame if t in blank_frames else forwards.advance(frame, hints.get(t), scene_yx_px=drift[t], time=times[t])


def _frame(labels: Sequence[Labels], t: int) -> NDArray[np.int32]:
    labels_YX = np.asarray(labels[t])
    check_labels(labels_YX, t)
    return labels_YX.astype(np.int32)


class _Walk:
    """The cells of the last frame, and how they explain the masks of the next.

    Attributes:
        splits: the masks split in the last frame, and the resulting cells of each.
    """

    def __init__(self, calibration: Calibration, max_step_um: float, typical_area_px: float) -> None:
        self._max_step_px = max_step_um / calibration.pixel_size_um
        self._piece_gap_px = PIECE_GAP_UM / calibration.pixel_size_um
        self._min_age = max(2, math.ceil(MIN_APART_H / calibration.frame_interval_h))
        self._soma_radius2 = typical_area_px / math.pi
        self._piece_area_px = PIECE_SHARE * typical_area_px
        self._whole_area_px = WHOLE_SHARE * typical_area_px
        self._cells: list[Soma] = []
        self._scene_yx_px: NDArray[np.float64] | None = None
        self._time = math.nan
        self._reach_px = self._max_step_px
        self.splits: dict[int, list[Soma]] = {}

    def advance(
        self,
        labels_YX: NDArray[np.int32],
        hints: dict[int, list[Soma]] | None = None,
        *,
        scene_yx_px: NDArray[np.float64],
        time: float,
    ) -> NDArray[np.int32]:
        """The label image of the next frame, with masks split and merged.

        Args:
            labels_YX: the masks.
            hints: masks known to contain several cells, and these.
            scene_yx_px: (2,) shift of the scene in this frame.
            time: of this frame in usual frame intervals; cells reach as far as in a random walk of that time.
        """
        if self._scene_yx_px is not None:
            dy, dx = scene_yx_px - self._scene_yx_px
            self._cells = [
                replace(cell, centre_yx=(cell.centre_yx[0] + dy, cell.centre_yx[1] + dx)) for cell in self._cells
            ]
            self._reach_px = self._max_step_px * math.sqrt(abs(time - self._time))
        self._scene_yx_px, self._time = scene_yx_px, time
        masks = masks_of(labels_YX)
        cell_of_mask = self._assign(masks)
        claims = self._merged(masks, cell_of_mask, labels_YX)
        for label, apart in (hints or {}).items():
            if label in masks and len(claims.get(label, [])) < len(apart):
                claims[label] = apart
        self.splits = {}
        cells: list[Soma] = []
        out = labels_YX.copy()
        unused = int(labels_YX.max(initial=0)) + 1
        for label, parts in claims.items():
            found = split_mask(out, label, parts, first_new=unused)
            unused += len(parts) - 1
            cells += found
            self.splits[label] = found
        cells += self._whole(masks, cell_of_mask, claims, out)
        self._cells = cells
        return out

    def _assign(self, masks: dict[int, Mask]) -> dict[int, Soma]:
        """Mask → the one cell it continues: nearest centres, as many as possible."""
        from scipy.spatial import KDTree

        if not masks or not self._cells:
            return {}
        old = np.array([cell.centre_yx for cell in self._cells])
        new = np.array([mask.centre_yx for mask in masks.values()])
        found = KDTree(old).sparse_distance_matrix(KDTree(new), self._reach_px * (1 + ROUNDING), output_type="ndarray")
        order = np.lexsort((found["j"], found["i"]))
        i, j = found["i"][order], found["j"][order]
        # Squared, so that two short moves beat a long one and none; a cell alone costs more than any move within reach.
        distance2 = ((old[i] - new[j]) ** 2).sum(-1)
        reach2 = self._reach_px**2
        # A cell in two parts stays with the larger: a halved area counts like a move of one soma radius.
        before, after = (np.log2([one.area_px for one in some]) for some in (self._cells, masks.values()))
        cost = distance2 + self._soma_radius2 * np.minimum((before[i] - after[j]) ** 2, 4)
        near = np.flatnonzero(distance2 <= reach2)
        alone = np.full(len(old), 8 * (reach2 + self._soma_radius2))
        chosen = near[cheapest_pairs(i[near], j[near], cost[near], alone)]
        labels = list(masks)
        return {labels[b]: self._cells[a] for a, b in zip(i[chosen], j[chosen], strict=True)}

    def _merged(
        self, masks: dict[int, Mask], cell_of_mask: dict[int, Soma], labels_YX: NDArray[np.int32]
    ) -> dict[int, list[Soma]]:
        """Masks that contain cells which have lost their own mask."""
        owned = {id(cell) for cell in cell_of_mask.values()}
        claims: dict[int, list[Soma]] = {}
        lost = [cell for cell in self._cells if id(cell) not in owned and self._is_established(cell)]
        for cell in sorted(lost, key=lambda c: -c.area_px):
            reach = cell.radius_px
            label = nearest_px(labels_YX, cell.centre_yx, within_px=reach, among=cell_of_mask.keys())
            if label is None or not self._is_established(cell_of_mask[label]):
                continue
            together = [*claims.get(label, [cell_of_mask[label]]), cell]
            total, largest = sum(c.area_px for c in together), max(c.area_px for c in together)
            ease = STILL_MERGED if all(c.shared for c in together) else 1.0
            if masks[label].area_px >= ease * max(MERGED_SUM * total, MERGED_OWN * largest):
                claims[label] = together
        return claims

    def _is_established(self, cell: Soma) -> bool:
        return cell.age >= self._min_age or cell.area_px >= self._whole_area_px

    def _whole(
        self,
        masks: dict[int, Mask],
        cell_of_mask: dict[int, Soma],
        claims: dict[int, list[Soma]],
        out: NDArray[np.int32],
    ) -> list[Soma]:
        """Cells with masks of their own; small new masks beside a cell that lost as much area become part of it."""
        rest = {label: mask for label, mask in masks.items() if label not in claims}
        known = {label: cell_of_mask[label] for label in rest if label in cell_of_mask}
        areas = {label: rest[label].area_px for label in rest}
        merged = False
        new = sorted((label for label in rest if label not in known), key=lambda label: areas[label])
        for label in new:
            if areas[label] >= self._piece_area_px:
                continue
            home = nearest_px(out, rest[label].centre_yx, within_px=self._gap_from(rest[label]), among=known.keys())
            if home is not None and areas[home] + areas[label] <= WHOLE_SUM * known[home].area_px:
                out[out == label] = home
                areas[home] += areas.pop(label)
                rest.pop(label)
                merged = True
        joined = masks_of(out) if merged else masks
        return [joined[label].as_cell(known.get(label)) for label in rest]

    def _gap_from(self, mask: Mask) -> float:
        return self._piece_gap_px + math.sqrt(mask.area_px / math.pi)
