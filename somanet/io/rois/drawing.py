"""Selections → label images, with a record of what was left out, cut or covered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from somanet.core.counting import counted
from somanet.core.problems import FileProblem
from somanet.core.schema import LARGEST_ID
from somanet.io.rois.selections import Selection

Labels = NDArray[np.int32]


@dataclass
class Defects:
    """What of selections could not be drawn as they are, by the names of those it happened to."""

    names: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    overlap_px: int = 0

    def notes(self) -> list[str]:
        """One line for each kind of defect, with the number of selections and the first one's name."""
        found = []
        for what, names in self.names.items():
            count = counted(len(names), "selection")
            found.append(f"{count} {what}: {', '.join(map(repr, names[:3]))}{', …' if len(names) > 3 else ''}")
        if self.overlap_px:
            found.append(f"selections share {self.overlap_px} px, which the first by name keeps")
        return found


def numbered(selections: Sequence[Selection], *, in_movie: bool) -> list[tuple[int, Selection]]:
    """Selections with an area and their ids: those in names that SomaNet gave, and new ones for the others.

    Of two with one id in one frame the second gets a new one: pieces of one object are one composite selection.

    Args:
        selections: of an image, or of all frames.
        in_movie: ids are those of tracks, and the same in every frame.
    """
    drawn = [one for one in selections if one.has_area]
    fresh = max((one.own_id or 0 for one in drawn), default=0)
    taken: set[tuple[int | None, int]] = set()
    found = []
    for one in drawn:
        frame = one.position if in_movie else None
        number = one.own_id
        if number is None or (frame, number) in taken:
            fresh += 1
            number = fresh if fresh <= LARGEST_ID else 1
        taken.add((frame, number))
        found.append((number, one))
    return found


def draw(
    selections: Sequence[tuple[int, Selection]], shape_YX: tuple[int, int], source: str, defects: Defects
) -> Labels:
    """The label image of one image's selections; where they overlap, the first one keeps the shared pixels.

    Args:
        selections: with their ids, see :func:`numbered`.
        shape_YX: the image's height and width.
        source: the file of the selections, for messages.
        defects: grows by what is cut, covered or empty.

    Raises:
        FileProblem: a selection lies outside of the image as a whole, as those of a larger image do.
    """
    labels = np.zeros(shape_YX, np.int32)
    height, width = shape_YX
    for number, one in selections:
        top, left, bottom, right = one.box
        if bottom <= 0 or right <= 0 or top >= height or left >= width:
            raise FileProblem(
                f"{source}: expected selections on an image of {height} × {width} px, found {one.name!r} at rows "
                f"{top} to {bottom} and columns {left} to {right}, outside of it. Were they drawn on another image, or "
                "was one of them cropped or resized? Else delete it in Fiji.",
                "wrong shape",
            )
        if top < 0 or left < 0 or bottom > height or right > width:
            defects.names["beyond the image in part, cut at its edge"].append(one.name)
        if one.note:
            defects.names[one.note].append(one.name)
        place, mask = one.mask(shape_YX)
        here = labels[place]
        free = mask & (here == 0)
        n_px, n_free = int(np.count_nonzero(mask)), int(np.count_nonzero(free))
        if not n_px:
            defects.names["without the centre of a pixel inside, left out"].append(one.name)
        elif not n_free:
            defects.names["covered by others, left out"].append(one.name)
        defects.overlap_px += n_px - n_free
        here[free] = number
    return labels


def leave_out(selections: Sequence[Selection], source: str, defects: Defects) -> None:
    """Note the points, lines and texts among selections.

    Raises:
        FileProblem: there is nothing else.
    """
    without = [one for one in selections if not one.has_area]
    if selections and len(without) == len(selections):
        raise FileProblem(
            f"{source}: expected selections with an area, found {len(without)} without, such as the {without[0].shape} "
            f"{without[0].name!r}. Outline each soma (polygon, freehand, wand), and add it to the ROI Manager.",
            "wrong type",
        )
    for one in without:
        defects.names[f"without an area ({one.shape}), left out"].append(one.name)
