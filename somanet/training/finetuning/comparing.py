"""The fine-tuned network and its start on the same crops, each used as `somanet predict` uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.training.finetuning.crops import Crop, Parts
from somanet.training.finetuning.progress import Progress
from somanet.training.finetuning.verdict import Verdict, judge

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.network.checkpoint import Checkpoint

NETWORK_COLUMN = "network"
TUNED, START = "fine-tuned", "start"


@dataclass(frozen=True)
class Shown:
    """A held-out crop before and after.

    Attributes:
        name, image, truth: the crop.
        before, after: labels of the starting and of the fine-tuned network, YX.
        iou_before, iou_after: of the whole foreground.
    """

    name: str
    image: NDArray[np.generic]
    truth: NDArray[np.integer]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    iou_before: float
    iou_after: float


@dataclass(frozen=True)
class Compared:
    """Two networks on held-out crops.

    Attributes:
        verdict: what follows.
        per_image: a row per crop and network (column `network`), as `per_image.csv`.
        shown: every crop, in the order of the test part.
    """

    verdict: Verdict
    per_image: pd.DataFrame
    shown: tuple[Shown, ...]


def compare_with_start(
    tuned: Checkpoint, start: Checkpoint, parts: Parts, *, start_name: str, tell: Callable[[Progress], None]
) -> Compared:
    """Segment the test part with both networks, score the labels, and judge.

    Each network is used as by `somanet predict`: images are rescaled by its estimate of the somas' size, one for the
    crops of a movie, and what it takes for haze is left out. A start that only lacked the right scale is therefore not
    beaten by learning it. Ignored pixels count for neither.

    Args:
        tuned, start: the two networks.
        parts: the crops; those of its test part are compared, an image that occurs twice once.
        start_name: for the sentence.
        tell: called after every crop and network.
    """
    from somanet.evaluation.scores import score_dataset

    crops = list({crop.digest: crop for crop in parts.test}.values())
    names = _names(crops)
    pairs = list(zip(names, crops, strict=True))
    ignored = {name: crop.item.ignored for name, crop in pairs if crop.item.ignored is not None}
    tables, labels = {}, {}
    for which, network, before in ((START, start, 0), (TUNED, tuned, len(crops))):
        labels[which] = _labels(network, crops, partial(_tell, tell, before, 2 * len(crops)))
        scored = zip(names, (crop.item.labels for crop in crops), labels[which], strict=True)
        tables[which] = score_dataset(scored, ignored=ignored, intervals=False).per_image
    units = parts.units
    unit_of = None
    if units.kind != "crop":
        unit_of = {name: units.of[crop.digest] for name, crop in pairs}
    verdict = judge(tables[TUNED], tables[START], start_name=start_name, unit=units.kind, unit_of=unit_of)
    ious = {which: dict(zip(table["name"], table["iou"], strict=True)) for which, table in tables.items()}
    shown = tuple(
        Shown(name, crop.item.image, crop.item.labels, before, after, ious[START][name], ious[TUNED][name])
        for (name, crop), before, after in zip(pairs, labels[START], labels[TUNED], strict=True)
    )
    rows = pd.concat([table.assign(**{NETWORK_COLUMN: which}) for which, table in tables.items()], ignore_index=True)
    return Compared(verdict, rows, shown)


def _tell(tell: Callable[[Progress], None], before: int, total: int, done: int) -> None:
    done += before
    tell(Progress("comparing", done, total, f"comparing with the start: {done} of {total} images"))


def _names(crops: Iterable[Crop]) -> list[str]:
    """Of the crops, with their set where two sets have the same name."""
    crops = list(crops)
    single = [crop.item.name for crop in crops]
    if len(set(single)) == len(single):
        return single
    return [f"{crop.source.name}/{crop.item.name}#{crop.digest[:6]}" for crop in crops]


def _labels(network: Checkpoint, crops: list[Crop], then: Callable[[int], None]) -> list[NDArray[np.int32]]:
    """A network's labels of the crops, YX each."""
    from somanet.segmentation.inference.haze import rule_for
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.inference.soma_size import decide

    plain = Segmenter((network,), haze=rule_for(network.intended_use))
    movies: dict[str, list[int]] = {}
    for number, crop in enumerate(crops):
        movies.setdefault(f"image {number}" if crop.origin is None else crop.origin.movie, []).append(number)
    found: dict[int, NDArray[np.int32]] = {}
    for numbers in movies.values():
        segmenter: Segmenter = decide(plain, [crops[number].item.image for number in numbers])[0]
        for number in numbers:
            found[number] = segmenter.labels(crops[number].item.image)
            then(len(found))
    return [found[number] for number in range(len(crops))]
