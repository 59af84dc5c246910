"""How many somas a movie's frames have, and how large they are, measured while the masks are written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from somanet.io.movies import Movie
from somanet.tracking.detections import Labels

if TYPE_CHECKING:
    from somanet.segmentation.checkpoint import Checkpoint


class FoundSizes:
    """Diameters of the somas of every frame; of three frames the masks are kept, to be compared with a second look.

    Args:
        n_frames: of the movie.
        blank_frames: show nothing, and are not among the three.
    """

    def __init__(self, n_frames: int, blank_frames: Collection[int]) -> None:
        from somanet.segmentation.modality import sampled

        shown = [t for t in range(n_frames) if t not in blank_frames]
        self._kept: dict[int, Labels | None] = {shown[n]: None for n in sampled(len(shown))}
        self._diameters: list[NDArray[np.float64]] = []

    def watch(self, masks: Iterable[Labels]) -> Iterator[Labels]:
        """The masks as they come, measured on the way."""
        from somanet.segmentation.diameters import diameters_px

        for t, labels_YX in enumerate(masks):
            self._diameters.append(diameters_px(labels_YX))
            if t in self._kept:
                self._kept[t] = labels_YX
            yield labels_YX

    def counts(self) -> list[int]:
        """Somas of every frame."""
        return [len(found) for found in self._diameters]

    def median_px(self) -> float | None:
        """Their median equivalent diameter; None if there are none."""
        from somanet.segmentation.diameters import median_or_nan

        return _or_none(median_or_nan(np.concatenate(self._diameters)))

    def again_px(self, checkpoint: Checkpoint, movie: Movie, *, rescale: float) -> float | None:
        """The diameter of somas that the network finds when it sees three frames smaller; None if it finds no others.

        A network that does not say which sizes it knows is not asked.
        """
        from somanet.segmentation.diameters import look_again
        from somanet.segmentation.rescaling import predict_labels_rescaled

        def label(frame: Any, factor: float) -> NDArray[np.int32]:
            return predict_labels_rescaled(checkpoint.model, frame, checkpoint.spec, factor=factor)

        if checkpoint.serves.diameter_px is None:
            return None
        seen = [(movie[t], labels) for t, labels in self._kept.items() if labels is not None]
        return _or_none(look_again(label, seen, factor=rescale))


def _or_none(px: float) -> float | None:
    return round(px, 2) if px == px else None
