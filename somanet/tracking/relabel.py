"""Label images whose values are the cells' identities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.tracking.detections import Labels, check_labels, objects_of


def relabel_movie(labels: Iterable[Labels], tracks: pd.DataFrame) -> Iterator[NDArray[np.int32]]:
    """Relabel the objects of each frame by their track; objects without a track become background.

    Frames are processed one at a time; memory does not grow with the movie.

    Args:
        labels: the YX label images that were linked.
        tracks: ``track_id``, ``frame`` and ``label``, as from :func:`somanet.tracking.linking.link_cells`.

    Yields:
        YX int32, value = track id, 0 = background; a frame of a gap lacks the cell.

    Raises:
        SomaNetError: columns are missing, a track has a label that its frame lacks, or frames beyond the last label
            image.
    """
    missing = [name for name in ("track_id", "frame", "label") if name not in tracks.columns]
    if missing:
        raise SomaNetError(f"The tracks lack {missing}; they have {list(tracks.columns)}. Link the label images first.")
    by_frame = {int(str(t)): rows for t, rows in tracks.groupby("frame")}
    t = -1
    for t, frame in enumerate(labels):
        labels_YX = np.asarray(frame)
        check_labels(labels_YX, t)
        rows = by_frame.pop(t, None)
        if rows is None:
            yield np.zeros(labels_YX.shape, np.int32)
            continue
        present, index, _ = objects_of(labels_YX)
        wanted = rows["label"].to_numpy()
        where = np.searchsorted(present, wanted)
        found = present[np.minimum(where, len(present) - 1)] == wanted
        if not found.all():
            raise SomaNetError(
                f"Frame {t}: the tracks refer to the labels {wanted[~found].tolist()}, which the image lacks. Were "
                "they made from other label images?"
            )
        names = np.zeros(len(present), np.int32)
        names[where] = rows["track_id"].to_numpy()
        yield names[index]
    if by_frame:
        raise SomaNetError(
            f"The tracks extend to frame {max(by_frame)}, the label images end after {t + 1} frames. Is the file cut?"
        )
