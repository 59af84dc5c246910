"""Proposals: masks of the somas in a whole image, by a threshold as the paper's authors had it, or by a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected
from skimage.morphology import disk, opening

from somanet.core.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.segmentation.inference.input_files import Input
    from somanet.segmentation.inference.segmenter import Segmenter

Labels = NDArray[np.int32]
Image = NDArray[Any]


class Proposal(NamedTuple):
    """The proposed somas of an image.

    Attributes:
        labels_YX: 0 = background.
        background_too: the threshold is so low that a piece covers most of the image; it is no soma, and left out.
    """

    labels_YX: Labels
    background_too: bool = False


Propose = Callable[[Image], Proposal]
"""From an image YX or YXC."""

LOWEST, HIGHEST = 35, 135
"""The paper's thresholds: minimum 35 to 135 "by noise", maximum 255."""
_LARGEST = 255
_MOST_COVERED = 0.5
"""Of an image by one soma: what covers more is the background."""


@dataclass(frozen=True)
class Threshold:
    """The protocol of the paper: an 8-bit image, a threshold, and an opening; each piece is one soma.

    What the authors then painted out by hand, or split, is left to the person.

    Attributes:
        minimum: least value of a soma, 0 to 255; the largest is 255.
        opening_px: radius of the disk with which processes are opened away; 0 for none.
        least_px: smaller pieces are left out.
    """

    minimum: int
    opening_px: int = 3
    least_px: int = 30

    def __post_init__(self) -> None:
        if not LOWEST <= self.minimum <= HIGHEST:
            raise SomaNetError(
                f"--threshold is {self.minimum}; expected {LOWEST} to {HIGHEST}, the range of the paper, on an image "
                "scaled to 0 to 255."
            )

    def propose(self, image: Image) -> Proposal:
        """The somas of an image."""
        mask_YX = eight_bit(image) >= self.minimum
        if self.opening_px:
            mask_YX = opening(mask_YX, disk(self.opening_px))
        pieces = np.asarray(connected(mask_YX, connectivity=2), np.int32)
        n_px = np.bincount(pieces.ravel())
        large = n_px > _MOST_COVERED * pieces.size
        kept = (n_px >= self.least_px) & ~large
        kept[0] = False
        ids = np.where(kept, np.cumsum(kept), 0)  # numbered anew, without gaps
        return Proposal(ids[pieces].astype(np.int32), bool(large[1:].any()))

    def on(self, item: Input) -> Propose:
        """What proposes masks on an image or the frames of a movie."""
        return self.propose

    def record(self) -> dict[str, Any]:
        """For the record of a labelling."""
        return {
            "by": "threshold",
            "minimum": self.minimum,
            "maximum": _LARGEST,
            "opening_px": self.opening_px,
            "least_px": self.least_px,
        }


def eight_bit(image: Image) -> NDArray[np.uint8]:
    """An image on 0 to 255, YX: uint8 as it is, other numbers from their least to their largest, as in ImageJ.

    ImageJ's Image > Type > 8-bit maps the displayed range, at first that of the image's values. Of colours, the
    largest channel counts (ImageJ's brightness): a green image is as bright as its green.
    """
    grey_YX = image if image.ndim == 2 else image[..., :3].max(axis=2)
    if grey_YX.dtype == np.uint8:
        return np.asarray(grey_YX, np.uint8)
    values = grey_YX.astype(np.float64)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    step = 1.0 if grey_YX.dtype.kind in "ui" else 0.0  # integers: the last value has a bin of its own
    scale = 256.0 / (high - low + step) if high - low + step > 0 else 0.0
    return np.clip(np.floor(np.nan_to_num(values - low) * scale + 0.5), 0, _LARGEST).astype(np.uint8)


@dataclass(frozen=True)
class Network:
    """Proposals of a network, as `predict` makes them: size, inversion and burnt-in bars are decided once per input."""

    segmenter: Segmenter

    def on(self, item: Input) -> Propose:
        """What proposes masks on an image or the frames of a movie."""
        segmenter = self.deciding(item)
        return lambda image: Proposal(segmenter.labels(image))

    def deciding(self, item: Input) -> Segmenter:
        """The segmenter for one image or movie."""
        from somanet.segmentation.inference.burnt_in import find_burnt_in, sampled
        from somanet.segmentation.inference.soma_size import decide

        if item.read is not None:
            return decide(self.segmenter, [item.read()])[0]
        with item.choice.open(item.path) as movie:
            burnt_in = find_burnt_in([movie[t] for t in sampled(movie.n_frames)])
            frames = item.images()
            clean = [frame if burnt_in is None else burnt_in.removed_from(frame) for frame in frames]
            return decide(self.segmenter, clean)[0].without(burnt_in)

    def record(self) -> dict[str, Any]:
        """For the record of a labelling."""
        from somanet.segmentation.inference.record import record_of

        return {"by": "network", **record_of(self.segmenter)}
