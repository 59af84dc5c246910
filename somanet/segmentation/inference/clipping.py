"""Pixels at an image's ceiling: where somas and what lies between them are equally bright, nothing separates them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.settings import NonNegativeInt, Settings

LEAST_SHARE = 0.005
"""Share of an image below which pixels at its ceiling are specks."""
MOST_SHARE = 0.5
"""Share from which on the ceiling may be the background of bright field, where a network is for that, too."""


class Clipping(Settings):
    """Counts of pixels, of an image or of all frames of a movie."""

    ceiling: float = 0.0
    """The brightest value."""
    n_px: NonNegativeInt = 0
    """Pixels with data."""
    n_at_ceiling: NonNegativeInt = 0
    """Pixels that have the largest value of their image."""
    n_soma_px: NonNegativeInt = 0
    """Pixels of somas."""

    @property
    def share(self) -> float:
        """Share of pixels at the ceiling."""
        return self.n_at_ceiling / max(self.n_px, 1)

    @property
    def merges_somas(self) -> bool:
        """Whether so much is at the ceiling that somas are merged or lost: more than all that was found.

        Somas that are saturated themselves, but apart, are never more than that. The rule was measured by ``python -m
        benchmarks.clipping``.
        """
        return self.share >= LEAST_SHARE and self.n_at_ceiling > self.n_soma_px

    @classmethod
    def of_all(cls, parts: Iterable[Clipping]) -> Clipping:
        """That of several images together."""
        each = list(parts)
        return cls(
            ceiling=max((one.ceiling for one in each), default=0.0),
            n_px=sum(one.n_px for one in each),
            n_at_ceiling=sum(one.n_at_ceiling for one in each),
            n_soma_px=sum(one.n_soma_px for one in each),
        )


def clipping_of(
    image: NDArray[Any], labels_YX: NDArray[np.integer], *, missing: NDArray[np.bool_] | None = None
) -> Clipping:
    """Count the pixels at an image's own largest value, whatever its data type: cameras of 12 bit clip at 4095.

    An image of one value has none, unless it is the largest that there can be.

    Args:
        image: YX, or YXC, of which the strongest channel counts.
        labels_YX: 0 = background.
        missing: pixels without data.
    """
    intensity_YX = image if image.ndim == 2 else image[..., :3].max(axis=-1)
    ceiling = intensity_YX.max()
    at_ceiling = intensity_YX == ceiling
    if intensity_YX.min() == ceiling and not (image.dtype.kind in "iu" and ceiling == np.iinfo(image.dtype).max):
        at_ceiling = np.zeros_like(at_ceiling)
    return Clipping(
        ceiling=float(ceiling),
        n_px=at_ceiling.size if missing is None else int(np.count_nonzero(~missing)),
        n_at_ceiling=int(np.count_nonzero(at_ceiling if missing is None else at_ceiling & ~missing)),
        n_soma_px=int(np.count_nonzero(labels_YX)),
    )


def together(some: Clipping | None, more: Clipping | None) -> Clipping | None:
    """That of both, of one where the other was not counted."""
    if some is None or more is None:
        return more if some is None else some
    return Clipping.of_all((some, more))


def note_on_clipping(found: Clipping | None) -> str | None:
    """That somas are merged or lost, since too many pixels are at the ceiling; None if they are not."""
    if found is None or not found.merges_somas:
        return None
    times = found.n_at_ceiling / max(found.n_soma_px, 1)
    beside = f"{times:.{0 if times >= 10 else 1}f} times as many as the somas have"
    return (
        f"{100 * found.share:.2g} % of the pixels are at the ceiling of {found.ceiling:.6g}, "
        f"{beside if found.n_soma_px else 'and no soma was found'}: bright somas and what lies between them look alike "
        "there, so somas are merged or lost. Export the movie without stretching its contrast; if it was filmed so, "
        "film with less light or a shorter exposure."
    )
