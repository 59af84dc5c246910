"""A checkpoint's scores on a data set: as a stage's files, and in the run that trained it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json
from somanet.core.plots import save_figure
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.tables import write_table
from somanet.provenance.mlflow import (
    SCORED_ON,
    VALIDATION_IMAGES,
    RunRecord,
    read_run,
    run_id_from,
    score_name,
    track_run,
    training_of,
    weights_of,
)
from somanet.segmentation.engines.devices import CPU
from somanet.training.experiments.recording import Recording

if TYPE_CHECKING:
    from somanet.evaluation.scores import Scores
    from somanet.segmentation.inference.segmenter import Segmenter

EVALUATION_SEED = 0  # of the bootstrap, so that equal predictions give equal intervals
_NAMED = ("iou", "precision", "accuracy")  # also recorded without edge-cut objects, and without ignored pixels


@dataclass(frozen=True)
class Evaluation:
    """Scores of one checkpoint on one data set, with every object and without those cut by the image's edge.

    ``mpx_per_s``: megapixels segmented per second on this machine, under its load at the time. ``ignoring``: both once
    more without ignored pixels, if there are any.
    """

    everything: Scores
    interior: Scores
    figure: Any
    mpx_per_s: float
    ignoring: tuple[Scores, Scores] | None = None


def evaluate_checkpoint(
    checkpoint: Path,
    items: Sequence[LabelledImage],
    *,
    thresholds: Sequence[float],
    panel_images: int,
    device: str = CPU,
) -> Evaluation:
    """Predict every image with a checkpoint and score the labels; the figure shows the first images.

    ``device``: where the network computes, see :func:`somanet.segmentation.engines.devices.find_device`.
    """
    from somanet.segmentation.engines import with_engine
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.network.checkpoint import load_checkpoint

    segmenter = Segmenter((with_engine(load_checkpoint(checkpoint), "torch", device=device).checkpoint,))
    return evaluate_segmenter(segmenter, items, thresholds=thresholds, panel_images=panel_images)


def evaluate_segmenter(
    segmenter: Segmenter, items: Sequence[LabelledImage], *, thresholds: Sequence[float], panel_images: int
) -> Evaluation:
    """Predict every image and score the labels; the figure shows the first images."""
    from tqdm import tqdm

    from somanet.core import plots

    segmenter.labels(items[0].image)  # the first call compiles kernels: not timed
    began = time.perf_counter()
    predicted = [segmenter.labels(item.image) for item in tqdm(items, desc="predicting", unit="image", disable=None)]
    mpx_per_s = sum(item.labels.size for item in items) / 1e6 / (time.perf_counter() - began)
    pairs = [(item.name, item.labels, labels) for item, labels in zip(items, predicted, strict=True)]
    examples = [
        (item.name, item.image, item.labels, labels)
        for item, labels in list(zip(items, predicted, strict=True))[:panel_images]
    ]
    everything, interior = score_both(pairs, thresholds=thresholds)
    ignored = {item.name: item.ignored for item in items if item.ignored is not None}
    ignoring = score_both(pairs, thresholds=thresholds, ignored=ignored) if ignored else None
    return Evaluation(everything, interior, plots.panels(examples), mpx_per_s, ignoring)


def score_both(
    pairs: Sequence[tuple[str, NDArray[np.integer], NDArray[np.integer]]],
    *,
    thresholds: Sequence[float] | None = None,
    ignored: Mapping[str, NDArray[np.bool_]] | None = None,
    seed: int = EVALUATION_SEED,
) -> tuple[Scores, Scores]:
    """Scores of (name, ground truth, prediction) label images, with all objects and without those cut by the edge.

    Objects match at the IoU ``thresholds``; none = those of :mod:`somanet.evaluation.masks`. ``ignored`` as in
    :func:`somanet.evaluation.scores.score_dataset`.
    """
    from somanet.evaluation.masks import THRESHOLDS
    from somanet.evaluation.scores import score_dataset

    levels = THRESHOLDS if thresholds is None else thresholds
    return (
        score_dataset(pairs, thresholds=levels, ignored=ignored, seed=seed),
        score_dataset(pairs, thresholds=levels, ignored=ignored, ignore_edge=True, seed=seed),
    )


def predict_all(checkpoint: Path, items: Sequence[LabelledImage]) -> list[NDArray[np.int32]]:
    """The label image that one checkpoint predicts for each item."""
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.network.checkpoint import load_checkpoint

    segmenter = Segmenter((load_checkpoint(checkpoint),))
    return [segmenter.labels(item.image) for item in items]


def write_evaluation(evaluations: Mapping[int, Evaluation], output: Path, *, title: str) -> dict[str, Any]:
    """Write `metrics.json`, `per_image.csv` and `panels.png` of one network's seeds on one data set.

    Returns:
        The content of `metrics.json`: means over seeds, spread and intervals, for all objects and (`interior`) without
        those cut by the edge, and where pixels are ignored, both once more without these (`ignoring`); `seeds` has each
        seed's main scores.
    """
    from somanet.evaluation.scores import MAIN_SCORES

    make_folder(output)
    ignoring = [both for e in evaluations.values() if (both := e.ignoring) is not None]
    metrics = {
        **_means_of_both([(e.everything, e.interior) for e in evaluations.values()]),
        **({"ignoring": _means_of_both(ignoring)} if ignoring else {}),
        "seeds": {
            str(seed): {name: evaluation.everything.values[name] for name in MAIN_SCORES}
            for seed, evaluation in evaluations.items()
        },
    }
    tables = [evaluation.everything.per_image.assign(seed=seed) for seed, evaluation in evaluations.items()]
    write_json(output / "metrics.json", metrics)
    write_table(output / "per_image.csv", pd.concat(tables, ignore_index=True))
    figure = next(iter(evaluations.values())).figure
    figure.suptitle(f"{title}, seed {next(iter(evaluations))}")
    save_figure(figure, output / "panels.png")
    return metrics


def _means_of_both(scores: Sequence[tuple[Scores, Scores]]) -> dict[str, Any]:
    """Means over seeds of scores with all objects, and those without the ones cut by the edge beside them."""
    from somanet.evaluation.scores import average_seeds

    everything, interior = (average_seeds(one, seed=EVALUATION_SEED).as_dict() for one in zip(*scores, strict=True))
    return {**everything, "interior": interior}


def record_evaluation(
    of: Path, evaluation: Evaluation, items: Sequence[LabelledImage], *, on: str, recording: Recording
) -> None:
    """Add scores, the per-image table and the panels to the run that trained the checkpoint.

    The scores on the training's own validation images decide and get their plain names, `iou`; those on other images
    the name of the data, `iou_nuclei`. If the store lacks the run (the checkpoint came from a cache or a remote), a new
    run of the experiment `evaluate` refers to it by the tag `trained_by`, or to the weights by `network_sha256`, and
    these scores decide.

    Args:
        of: a run id, a `mlflow_run.json` or the folder of one; or the checkpoint's folder: of the runs that trained
            its weights, that with the recording's tags.
        evaluation: the scores.
        items: the images that were scored.
        on: name of their data.
        recording: where and how to record.

    Raises:
        SomaNetError: the run was scored on other images under the same name, or the store does not respond.
    """
    tags, experiment, decides = dict(recording.tags), recording.experiment, True
    weights = weights_of(of)
    trained_by = training_of(weights, root=recording.root, tags=recording.tags) if weights else run_id_from(of)
    try:
        trained = read_run(trained_by, root=recording.root) if trained_by else None
    except SomaNetError:
        trained = None
    if trained is None:
        experiment = "evaluate"
        tags |= {"trained_by": trained_by} if trained_by else {"network_sha256": weights}
    else:
        decides = decides_about(trained, items, on=on)
    if decides:
        tags[SCORED_ON] = on
    suffix = None if decides else on
    with track_run(
        recording.name,
        experiment=experiment,
        root=recording.root,
        tags=tags,
        datasets=recording.datasets,
        run_id=trained.run_id if trained else None,
        system_metrics=False,
    ) as run:
        inside = evaluation.interior.values
        ignoring = {} if evaluation.ignoring is None else evaluation.ignoring[0].values
        scores = {
            **{score_name(name, suffix): value for name, value in evaluation.everything.values.items()},
            **{score_name(f"interior_{name}", suffix): inside[name] for name in _NAMED},
            **{score_name(f"ignoring_{name}", suffix): ignoring[name] for name in _NAMED if name in ignoring},
            "inference_mpx_per_s": evaluation.mpx_per_s,
        }
        run.log_metrics({name: value for name, value in scores.items() if value == value}, of_model=True)
        run.log_table(evaluation.everything.per_image, f"{on}_per_image.csv")
        run.log_figure(evaluation.figure, f"{on}_panels.png")


def decides_about(run: RunRecord, items: Sequence[LabelledImage], *, on: str) -> bool:
    """Whether images are a training's own validation images, so that scores on them decide about it.

    Raises:
        SomaNetError: they are not, but have the name of those.
    """
    from somanet.training.loop.task import items_digest

    if run.params.get(VALIDATION_IMAGES) == items_digest(items):
        return True
    if run.tags.get(SCORED_ON) == on and VALIDATION_IMAGES in run.params:
        raise SomaNetError(
            f"Run {run.run_id} ({run.name}) has scores on {on!r}, its validation images, and these are other images. "
            "Record them under another name."
        )
    return False
