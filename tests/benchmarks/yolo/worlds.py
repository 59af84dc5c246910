"""Shared by the tests of the YOLO comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.yolo import sets
from benchmarks.yolo.box_scores import boxes_of
from somanet.core.files import write_json
from somanet.core.schema import BOXES
from somanet.io.images import write_labels
from somanet.io.tables import write_table

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / "build" / "yolo" / "venv" / "bin" / "python"
N_FRAMES = 12


def names_of(part: str, data: Path) -> set[str]:
    rows = pd.read_csv(data / "dsb2018" / "split.csv")
    return set(rows.loc[rows["split"] == part, "image_id"])


def predictions(
    wanted: dict[str, sets.ScoredSet], folder: Path, change: Callable[[np.ndarray], np.ndarray], *, masks: bool = False
) -> None:
    """Predictions made from the ground truth, changed."""
    for name, images in wanted.items():
        if images.predictions == name:
            rows = [BOXES.frame([])]
            for item in images:
                sides = change(boxes_of(item.labels))
                table = pd.DataFrame(sides, columns=["x0_px", "y0_px", "x1_px", "y1_px"])
                rows.append(table.assign(image=item.name, score=np.linspace(0.9, 0.5, len(sides))))
                if masks:
                    write_labels(folder / name / f"{item.name}.tif", item.labels)
            write_table(folder / f"{name}.csv", pd.concat([row for row in rows if len(row)] or rows), BOXES)
            write_json(folder / f"{name}.json", {"made_by": "x", "wall_s": 1, "processor_s": 2.0, "pixels": 1000})
