"""Made-up per-image tables and evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.evaluation.image_tables import SCORES
from somanet.evaluation.scores import Scores, score_dataset
from somanet.io.datasets.layouts import LabelledImage
from somanet.training.comparison.networks import ComparedNetwork

THRESHOLDS = (0.5, 0.7)


def image_table(
    iou: Sequence[float], *, tp: Sequence[int] | None = None, n_true: int | NDArray[np.integer] = 4
) -> pd.DataFrame:
    """Numbered images: their IoU, and how many of ``n_true`` somas are found at both thresholds, without false ones."""
    found = np.array(tp if tp is not None else [2] * len(iou))
    table = pd.DataFrame({"name": [f"image{i:02d}" for i in range(len(iou))], "iou": list(iou), "n_true": n_true})
    for threshold in THRESHOLDS:
        table[f"tp_{threshold:g}"], table[f"fp_{threshold:g}"], table[f"fn_{threshold:g}"] = found, 0, n_true - found
    precision = np.where(found > 0, 1.0, np.nan)
    share = found / np.where(np.asarray(n_true) > 0, n_true, np.nan)
    return table.assign(noise_objects=0, precision=precision, recall=share, f1=0.0, accuracy=share)


def metrics(value: float | None, *, spread: float | None = None, n_seeds: int = 1, n_images: int = 5) -> dict[str, Any]:
    """An evaluation in which every score has one value, with an interval of ± 0.1."""
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    one = dict.fromkeys((*SCORES, "size_bias", "noise_per_image"), value)
    interval = {name: [low, high] for name in one}
    return {
        **one,
        "n_images": n_images,
        "n_seeds": n_seeds,
        "interval95": interval,
        "spread_over_seeds": dict.fromkeys(one, spread),
        "interior": {**one, "interval95": interval},
    }


def network(name: str, iou: Sequence[float], **arguments: Any) -> ComparedNetwork:
    """A network with given per-image IoU."""
    value = float(np.mean(iou))
    return ComparedNetwork(name, "", metrics(value, n_images=len(iou)), image_table(iou, **arguments))


def flawed(ground_truth: LabelledImage, *, seed: int) -> np.ndarray:
    """A prediction of an image: each soma lost with a chance of 0.3, or shifted by some pixels; sometimes noise."""
    rng = np.random.default_rng(seed)
    labels = np.zeros_like(ground_truth.labels)
    for soma in range(1, int(ground_truth.labels.max()) + 1):
        if rng.random() > 0.3:
            labels[np.roll(ground_truth.labels == soma, int(rng.integers(-3, 4)), axis=1)] = soma
    if rng.random() < 0.5:
        labels[:3, :4] = 99
    return labels


def scored(images: Sequence[LabelledImage], *, seed: int) -> Scores:
    """An evaluation of flawed predictions."""
    pairs = [(image.name, image.labels, flawed(image, seed=100 * seed + i)) for i, image in enumerate(images)]
    return score_dataset(pairs, seed=0)


def write_run(
    root: Path,
    name: str,
    tables: Mapping[str, pd.DataFrame],
    *,
    experiment: str = "finetune",
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    values: Mapping[str, float] | None = None,
) -> str:
    """A finished run with its tables; returns its id."""
    from somanet.provenance.mlflow import track_run

    with track_run(name, experiment=experiment, root=root, params=params, tags=tags, system_metrics=False) as run:
        run.log_metrics(values or {})
        for data, table in tables.items():
            run.log_table(table, f"{data}_per_image.csv")
    return run.run_id
