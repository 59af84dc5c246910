"""The network's confidence in each detection of a track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.tracking.detections import Labels, objects_of


def confidence_of_tracks(
    tracks: pd.DataFrame, linked: Sequence[Labels], masks: Sequence[Labels], somas: pd.DataFrame
) -> NDArray[np.float64]:
    """The network's confidence in each point of a table of tracks.

    A detection that tracking split from an object, or merged from several, has no network confidence: NaN.

    Args:
        tracks: table with ``frame`` and ``label``, the value in ``linked``.
        linked: the label frames that were linked.
        masks: the network's own label frames.
        somas: ``frame``, ``label`` (the value in ``masks``) and ``confidence`` of the network's objects.

    Returns:
        One number per row of ``tracks``.
    """
    confidence = np.full(len(tracks), np.nan)
    known = {int(str(t)): rows for t, rows in somas.groupby("frame")}
    for t, rows in tracks.groupby("frame").indices.items():
        frame = int(str(t))
        if frame not in known:
            continue
        linked_YX, mask_YX = np.asarray(linked[frame]), np.asarray(masks[frame])
        untouched = np.array_equal(linked_YX, mask_YX)
        same = {} if untouched else _same_objects(linked_YX, mask_YX)
        judged = dict(zip(known[frame]["label"].tolist(), known[frame]["confidence"].tolist(), strict=True))
        labels = tracks["label"].to_numpy()[rows].tolist()
        confidence[rows] = [judged.get(label if untouched else same.get(label, 0), np.nan) for label in labels]
    return confidence


def _same_objects(linked_YX: Labels, mask_YX: Labels) -> dict[int, int]:
    """Labels of the first image whose pixels are exactly those of an object in the second, and that object's label."""
    linked_ids, linked, linked_px = objects_of(linked_YX)
    mask_ids, mask, mask_px = objects_of(mask_YX)
    inside = (linked_YX > 0) & (mask_YX > 0)
    pairs, shared_px = np.unique(linked[inside] * len(mask_ids) + mask[inside], return_counts=True)
    a, b = np.divmod(pairs, len(mask_ids))
    same = (shared_px == linked_px[a]) & (shared_px == mask_px[b])
    return dict(zip(linked_ids[a[same]].tolist(), mask_ids[b[same]].tolist(), strict=True))
