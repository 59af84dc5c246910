"""Whether the values of a label image are objects: masks, inverted labels and interpolated labels look much alike.

A mask read as labels is one object, whatever it shows; labels resized with interpolation have a rim of ids that nobody
gave. Neither is an error of a file, so that without this check scores and trainings would be wrong without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected
from skimage.measure import regionprops

from somanet.core.problems import FileProblem
from somanet.io.decoding import as_labels

_LEAST_SHARE, _LEAST_PX = 0.1, 5
"""A smaller piece, compared with its id's largest or in pixels, is a slip of the pen."""
_GAP_PX = 2
"""Pieces this far apart count as one."""
_CERTAIN_PIECES = 3
"""One cell is at times in two pieces, where a process is too thin to draw."""
_MOST_COVERED = 0.5
"""Of an image by one object."""
_FEWEST_RIMS, _RIM_SHARE, _CERTAIN_RIM_SHARE = 3, 0.1, 0.5
"""Of all pieces: real labels have two rims at most, and interpolated ones rims only, but for the objects themselves."""
_SOLE_VALUES = (255, 65535)
"""Of masks as programs write them; nobody numbers a single object so."""
_SQUARE = np.ones((3, 3), np.uint8)

_MOST_PIECES, _FEWEST_GREY = 0.25, 100
"""Per pixel, and in all: more are grey values of an image, where hardly two pixels are alike."""
_HOLE_SHARE, _RING_SHARE = 0.5, 0.5
"""Of an outline, the pixels that it encloses compared with its own; and of outlines among all objects."""
_FLAT_SHARE = 0.9
"""Of the pairs of neighbours above 0 in a label image, those that are alike; they are rare in photographs."""

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Checked:
    """Labels whose ids can be objects.

    Attributes:
        labels: YX int32, 0 = background.
        doubts: what looks wrong without being certain, in words for a note.
        ignored: YX, pixels that are neither object nor background; None if there are none.
    """

    labels: Labels
    doubts: tuple[str, ...] = ()
    ignored: NDArray[np.bool_] | None = None


def check_labels(labels_YX: Labels, source: str, *, binary: bool | None = None) -> Checked:
    """Refuse values that are certainly no object ids, and name what is doubtful.

    Args:
        labels_YX: values as stored.
        source: the file, for messages.
        binary: of an image with a single value besides 0. True: it is a mask, each of whose separate pieces (of pixels
            that touch by an edge or a corner) becomes an object. False: its pieces are one object. None: unknown.

    Raises:
        FileProblem: of the kind `in pieces`, `inverted` or `interpolated`, or `wrong type` for an image.
    """
    ids, areas = _sizes(labels_YX)
    if not len(ids):
        return Checked(labels_YX)
    pieces = _components(labels_YX)
    if (n_pieces := int(pieces.max())) > max(_FEWEST_GREY, _MOST_PIECES * labels_YX.size):
        raise FileProblem(
            f"{source}: expected one id per object, found {n_pieces} pieces of {len(ids)} values in {labels_YX.size} "
            "pixels, as grey values of an image are. Is it a copy of the image? Save the labels in its place.",
            "wrong type",
        )
    doubts = [
        *_outlines(labels_YX, pieces),
        *_background(labels_YX, int(ids[areas.argmax()]), int(areas.max()), len(ids), source),
        *_interpolated(labels_YX, pieces, source),
    ]
    if len(ids) == 1 and binary is not None:
        return Checked(pieces if binary else labels_YX, tuple(doubts))
    return Checked(labels_YX, (*doubts, *_in_pieces(labels_YX, pieces, ids, source)))


@dataclass(frozen=True)
class CheckedFrames:
    """The frames of a label movie, value = track id, each checked as it is read, as often as they are read.

    Attributes:
        frames: YX, values as stored.
        source: the file, for messages.
        doubts: of the frames read so far, by frame.
    """

    frames: Iterable[NDArray[Any]]
    source: str
    doubts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Labels]:
        """One frame at a time.

        Raises:
            FileProblem: as :func:`check_labels`, or values that are no whole numbers.
        """
        for t, frame_YX in enumerate(self.frames):
            place = f"{self.source}, frame {t}"
            try:
                checked = check_labels(as_labels(frame_YX, place), place)
            except FileProblem as problem:
                if problem.kind != "in pieces":
                    raise
                raise FileProblem(
                    f"{place}: expected the number of its track for each object, found a value in several separate "
                    "pieces. Is it a movie of masks? Label and track their objects first.",
                    problem.kind,
                ) from problem
            self.doubts[f"frame {t}"] = checked.doubts
            yield checked.labels


def describe_doubts(doubts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """One line about the doubtful ones of several label images, by name; none if there are none."""
    found = {name: texts for name, texts in doubts.items() if texts}
    if not found:
        return ()
    name, texts = next(iter(found.items()))
    return (f"{len(found)} of {len(doubts)} label images look wrong, such as {name}: {'; '.join(texts)}",)


def _sizes(labels: Labels) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    ids, areas = np.unique(labels, return_counts=True)
    return ids[ids > 0], areas[ids > 0]


def _components(labels: Labels) -> Labels:
    """Pieces numbered from 1: pixels of one value that touch by an edge or a corner."""
    return np.asarray(connected(labels, background=0, connectivity=2), np.int32)


def _background(labels: Labels, largest: int, area: int, n_ids: int, source: str) -> list[str]:
    """An object covers most of the image only if it is the background."""
    share = area / labels.size
    if share <= _MOST_COVERED:
        full = n_ids > 1 and bool(labels.all())
        return ["no pixel is background (0): the objects fill the whole image"] if full else []
    covers = f"the value {largest} covers {share:.0%} of the image"
    inside = labels == largest
    on_every_side = all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    if area == labels.size or (on_every_side and (n_ids > 1 or _islands(~inside) > 1)):
        raise FileProblem(
            f"{source}: expected 0 as the background, but {covers} and reaches every edge of it. Are the labels "
            "inverted, or numbered from 1 on? Set the background to 0 (a mask: Fiji, Edit > Invert).",
            "inverted",
        )
    return [f"{covers}; is it the background?"]


def _islands(outside: NDArray[np.bool_]) -> int:
    """Number of pieces that touch no edge of the image."""
    pieces = connected(outside, connectivity=2)
    n_px = np.bincount(pieces.ravel())
    border = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    n_px[border] = 0
    return int(np.count_nonzero(n_px[1:] >= _LEAST_PX))


def _interpolated(labels: Labels, pieces: Labels, source: str) -> list[str]:
    """Between an object of id 9 and the background, interpolation leaves rims of 3 and 6."""
    values = labels.astype(np.float64)  # OpenCV has no morphology of int32
    highest, lowest = cv2.dilate(values, _SQUARE), cv2.erode(values, _SQUARE)
    here = pieces > 0
    n_px = np.bincount(pieces[here])
    inner = np.bincount(pieces[here], weights=((highest == values) & (lowest == values))[here])
    between = np.bincount(pieces[here], weights=((lowest < values) & (values < highest))[here])
    rims = int(np.count_nonzero((inner == 0) & (between >= n_px / 2) & (n_px > 0)))
    share = rims / (len(n_px) - 1)
    if rims < _FEWEST_RIMS or share < _RIM_SHARE:
        return []
    found = f"{rims} of {len(n_px) - 1} pieces are only rims of others, with values between those on both sides"
    if share >= _CERTAIN_RIM_SHARE:
        raise FileProblem(
            f"{source}: expected one id per object, but {found}. Were the labels resized or smoothed with "
            "interpolation, which makes up ids? Resize the original labels without (Fiji: Image > Scale, "
            "Interpolation: None).",
            "interpolated",
        )
    return [f"{found}; were they resized with interpolation?"]


def _outlines(labels: Labels, pieces: Labels) -> list[str]:
    """An outline encloses more than it covers: holes that touch it alone."""
    holes = np.asarray(connected(labels == 0, background=0, connectivity=1), np.int32)
    edge = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    n_holes, n_pieces = int(holes.max()), int(pieces.max())
    if n_pieces < 1 or n_holes == np.count_nonzero(edge):  # all background reaches the edge
        return []
    highest = cv2.dilate(pieces.astype(np.float64), _SQUARE).astype(np.int32)
    lowest = cv2.erode(np.where(pieces > 0, pieces, n_pieces + 1).astype(np.float64), _SQUARE).astype(np.int32)
    around, least = np.zeros(n_holes + 1, np.int32), np.full(n_holes + 1, n_pieces + 1, np.int32)
    np.maximum.at(around, holes.ravel(), highest.ravel())
    np.minimum.at(least, holes.ravel(), lowest.ravel())
    enclosed = around == least
    enclosed[edge] = enclosed[0] = False
    inside = np.bincount(around[enclosed], np.bincount(holes.ravel())[enclosed], minlength=n_pieces + 1)
    rings = int(np.count_nonzero(inside[1:] >= _HOLE_SHARE * np.bincount(pieces.ravel())[1:]))
    if rings < _RING_SHARE * n_pieces:
        return []
    return [f"{rings} of {n_pieces} objects are outlines without an inside; save them filled"]


def looks_like_labels(image: NDArray[Any]) -> bool:
    """Whether an image has a background of 0, and else patches that are each of one value, as label images have.

    Single photons and clipped noise on a background of 0 also leave neighbours alike, but mostly in specks.
    """
    if image.ndim != 2 or image.dtype.kind not in ("b", "u", "i") or image.min() != 0 or image.max() == 0:
        return False
    pairs, alike = 0, 0
    for one, other in ((image[1:], image[:-1]), (image[:, 1:], image[:, :-1])):
        both = (one > 0) & (other > 0)
        pairs += int(np.count_nonzero(both))
        alike += int(np.count_nonzero(both & (one == other)))
    if not pairs or alike < _FLAT_SHARE * pairs:
        return False
    areas = np.bincount(np.asarray(connected(image, background=0, connectivity=2)).ravel())[1:]
    return bool(np.median(areas) >= _LEAST_PX)


def _in_pieces(labels: Labels, pieces: Labels, ids: NDArray[np.int32], source: str) -> list[str]:
    """An object is one piece, unless another hides its middle."""
    counts = _separate_pieces(labels, pieces, ids)
    if not counts:
        return []
    worst = max(counts, key=lambda one: counts[one])
    found = f"the id {worst} is in {counts[worst]} separate pieces"
    if len(ids) == 1:
        if counts[worst] >= _CERTAIN_PIECES or worst in _SOLE_VALUES:
            raise FileProblem(
                f"{source}: expected one id per object, but {worst} is the only one, and in {counts[worst]} separate "
                "pieces. Is it a mask? If each piece is an object, add --binary; if they are one object, --no-binary.",
                "in pieces",
            )
        return [f"{found}, and the only one; if each is an object, add --binary"]
    if len(counts) == len(ids) and min(counts.values()) >= _CERTAIN_PIECES:
        raise FileProblem(
            f"{source}: expected one id per object, but each of the {len(ids)} values is in {min(counts.values())} "
            "separate pieces or more. Are they classes, such as soma and process? Save a mask of the somas alone, and "
            "add --binary.",
            "in pieces",
        )
    more = f" ({len(counts)} of {len(ids)} ids are in several)" if len(counts) > 1 else ""
    return [f"{found}{more}; do several objects share it?"]


def _separate_pieces(labels: Labels, pieces: Labels, ids: NDArray[np.int32]) -> dict[int, int]:
    """Number of pieces of the ids that are in several.

    Pieces with a hair's breadth or another object between them count once, and so do those of one among many objects
    that the image's edge cuts: outside of it they may meet.
    """
    n_px = np.bincount(pieces.ravel())
    n_px[0] = 0
    id_of = np.zeros(len(n_px), np.int32)
    id_of[pieces.ravel()] = labels.ravel()
    places = np.searchsorted(ids, id_of[1:])
    largest = np.zeros(len(ids), np.int64)
    np.maximum.at(largest, places, n_px[1:])
    counted = np.zeros(len(n_px), bool)
    counted[1:] = (n_px[1:] >= _LEAST_SHARE * largest[places]) & (n_px[1:] >= _LEAST_PX)
    several = ids[np.bincount(places, weights=counted[1:], minlength=len(ids)) > 1]
    if not len(several):
        return {}
    edge = np.ones(labels.shape, bool)
    edge[1:-1, 1:-1] = False
    boxes = {one.label: one.slice for one in regionprops(np.where(np.isin(labels, several), labels, 0))}
    found = {}
    for one in several.tolist():  # few: of real labels one in a thousand
        box = boxes[one]
        of_id = labels[box] == one
        near = cv2.dilate(of_id.view(np.uint8), _SQUARE).astype(bool)
        joined = np.isin(labels[box], np.unique(labels[box][near & (labels[box] > 0)]))
        bridged = cv2.dilate(joined.view(np.uint8), _SQUARE, iterations=(_GAP_PX + 1) // 2)
        groups = connected(bridged, connectivity=2)
        large = of_id & counted[pieces[box]]
        cut = len(np.unique(groups[large & edge[box]])) if len(ids) > 1 else 0
        number = len(np.unique(groups[large])) - max(0, cut - 1)
        if number > 1:
            found[one] = number
    return found
