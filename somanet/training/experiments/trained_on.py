"""What a network was trained on, as a checkpoint's `config.json` records it and a model card shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from somanet.io.datasets.layouts import LabelledImage
from somanet.training.loop.task import items_digest

SECTION = "trained_on"
"""Of a checkpoint's configuration: a list of :func:`describe_set`, in the order of the trainings."""


def describe_set(name: str, items: Sequence[LabelledImage]) -> dict[str, Any]:
    """One data set of a training.

    Returns:
        `name`; `images`; `objects`; `ignored_px`, neither object nor background; `diameter_px`, the 10 and 90
        percentiles of the diameter of a circle of an object's area, None without objects; `sha256` of names, images and
        labels.
    """
    areas = np.concatenate([np.empty(0), *(np.bincount(item.labels.ravel())[1:] for item in items)])
    diameters = np.sqrt(4 / np.pi * areas[areas > 0])
    return {
        "name": name,
        "images": len(items),
        "objects": len(diameters),
        "ignored_px": int(sum(item.ignored.sum() for item in items if item.ignored is not None)),
        "diameter_px": [round(float(q), 1) for q in np.percentile(diameters, (10, 90))] if len(diameters) else None,
        "sha256": items_digest(items),
    }


def combined(*parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sets of several trainings one after the other, each once: one that is given twice is drawn twice as often."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part in parts:
        for one in part:
            found.setdefault((str(one.get("name")), str(one.get("sha256"))), dict(one))
    return list(found.values())
