"""The somas of a movie's frames, measured while the masks are written: how many, how large, how sure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import pandas as pd

from somanet.io.movies import Movie
from somanet.schema import SOMAS
from somanet.tracking.detections import Labels

if TYPE_CHECKING:
    from somanet.segmentation.segmenter import Segmented, Segmenter


class FoundSomas:
    """The somas of every frame; of three frames the masks are kept, to be compared with a second look.

    Args:
        n_frames: of the movie.
        blank_frames: show nothing, and are not among the three.
    """

    def __init__(self, n_frames: int, blank_frames: Collection[int]) -> None:
        from somanet.segmentation.modality import sampled

        shown = [t for t in range(n_frames) if t not in blank_frames]
        self._kept: dict[int, Labels | None] = {shown[n]: None for n in sampled(len(shown))}
        self._frames: list[pd.DataFrame] = []

    def watch(self, frames: Iterable[Segmented]) -> Iterator[Labels]:
        """The masks as they come, measured on the way."""
        from somanet.segmentation.objects import measure_objects

        for t, found in enumerate(frames):
            self._frames.append(measure_objects(found).assign(frame=t))
            if t in self._kept:
                self._kept[t] = found.labels_YX
            yield found.labels_YX

    def counts(self) -> list[int]:
        """Somas of every frame."""
        return [len(found) for found in self._frames]

    def table(self) -> pd.DataFrame:
        """All of them, :data:`somanet.schema.SOMAS`."""
        return pd.concat([SOMAS.frame([]), *self._frames], ignore_index=True)

    def median_px(self) -> float:
        """Their median equivalent diameter; NaN if there are none."""
        from somanet.segmentation.diameters import median_or_nan

        return median_or_nan(self.table()["diameter_px"].to_numpy(float))

    def again_px(self, segmenter: Segmenter, movie: Movie) -> float:
        """Of somas that are found when three frames are seen smaller; NaN if there are none."""
        from somanet.segmentation.diameters import look_again

        return look_again(segmenter, [(movie[t], labels) for t, labels in self._kept.items() if labels is not None])
