"""SomaNet's predictions as boxes with a confidence, in the detector's format."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.yolo.box_scores import boxes_of
from somanet.core.files import write_json
from somanet.core.schema import BOXES
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.images import write_labels
from somanet.io.tables import write_table
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import Checkpoint

SIDES = ("x0_px", "y0_px", "x1_px", "y1_px")


def predict_somas(checkpoint: Checkpoint, images: Iterable[LabelledImage], output: Path, *, threads: int) -> None:
    """Write ``OUTPUT.csv`` (boxes), ``OUTPUT.json`` (their cost) and ``OUTPUT/<name>.tif`` (masks)."""
    import torch

    torch.set_num_threads(threads)
    segmenter = Segmenter((checkpoint,))
    tables = [BOXES.frame([])]
    cost: dict[str, Any] = {"made_by": checkpoint.sha256, "wall_s": 0.0, "processor_s": 0.0, "pixels": 0}
    for item in images:
        began = time.perf_counter(), time.process_time()
        labels, confidence = segmenter.segment(item.image)[:2]
        cost["wall_s"] += time.perf_counter() - began[0]
        cost["processor_s"] += time.process_time() - began[1]
        cost["pixels"] += labels.size
        write_labels(output / f"{item.name}.tif", labels)
        table = pd.DataFrame(boxes_of(labels), columns=list(SIDES))
        tables.append(table.assign(image=item.name, score=confidence))
    write_table(output.with_suffix(".csv"), pd.concat([part for part in tables if len(part)] or tables), BOXES)
    write_json(output.with_suffix(".json"), {**cost, "threads": threads})
