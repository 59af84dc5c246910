"""Run a network of libreyolo on images, in the Python of libreyolo's own environment.

python -m benchmarks.yolo.inference --weights last.pt --pictures FOLDER --output boxes.csv --min-score 0.001
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.yolo.learning import quieten, write_json

STRIDE = 32
TILE_OVERLAP_PX = 64
Output = tuple[np.ndarray, np.ndarray, list[tuple[int, int, np.ndarray]] | None]
"""Boxes (n, 4), confidences (n,), and for each its mask with the row and column of its origin."""


def predict(arguments: argparse.Namespace) -> None:
    """Boxes of every image in a folder as CSV, the most confident first, their masks, and their cost.

    Masks are in ``OUTPUT/<name>.png``, OUTPUT without its suffix: a pixel has the number, from 1, of the most
    confident box whose mask covers it, and 0 if there is none.
    """
    from libreyolo import LibreYOLO

    model = LibreYOLO(str(arguments.weights), device="cpu")
    masked = model.task == "segment"
    options = {
        "conf": arguments.min_score,
        "iou": arguments.overlap,
        "max_det": arguments.most,
        "color_format": "rgb",
    }
    rows: list[tuple[Any, ...]] = []
    wall, processor, pixels = 0.0, 0.0, 0
    for path in sorted(arguments.pictures.glob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise SystemExit(f"error: {path} cannot be read.")
        height, width = image.shape[:2]
        began = time.perf_counter(), time.process_time()
        boxes, scores, masks = (in_tiles if masked else at_once)(model, image, options)
        boxes = np.clip(boxes, 0, [width, height, width, height])
        order = [n for n in np.argsort(-scores, kind="stable") if (boxes[n, 2:] > boxes[n, :2]).all()]
        labels = np.zeros((height, width), np.uint16)
        for place, n in enumerate(order, start=1):
            if masks is not None:
                y, x, mask = masks[n]
                part = labels[y : y + mask.shape[0], x : x + mask.shape[1]]
                part[(part == 0) & mask[: part.shape[0], : part.shape[1]]] = place
        wall += time.perf_counter() - began[0]
        processor += time.process_time() - began[1]
        pixels += height * width
        rows += [(path.stem, *(f"{value:.6g}" for value in (*boxes[n], scores[n]))) for n in order]
        if masked:
            folder = arguments.output.with_suffix("")
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / path.name), labels)
    with arguments.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "x0_px", "y0_px", "x1_px", "y1_px", "score"))
        writer.writerows(rows)
    write_json(
        arguments.output.with_suffix(".json"),
        {
            "made_by": arguments.made_by,
            "wall_s": wall,
            "processor_s": processor,
            "pixels": pixels,
            "threads": torch.get_num_threads(),
        },
    )


def at_once(model: Any, image: np.ndarray, options: dict[str, Any]) -> Output:
    """The prediction for a whole image, padded to whole strides so that objects are as large as in training."""
    height, width = image.shape[:2]
    filled = np.full((-(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE, 3), 114, np.uint8)
    filled[:height, :width] = image
    found = model.predict(filled, imgsz=filled.shape[:2], **options)
    return np.asarray(found.boxes.xyxy, float).reshape(-1, 4), np.asarray(found.boxes.conf, float).reshape(-1), None


def in_tiles(model: Any, image: np.ndarray, options: dict[str, Any]) -> Output:
    """The prediction of a network with a fixed input size: in overlapping tiles, each used for what is nearest to it.

    libreyolo's own tiles have no masks.
    """
    side = int(model.input_size)
    height, width = image.shape[:2]
    boxes, scores, masks = [np.empty((0, 4))], [np.empty(0)], []
    for y, y_from, y_to in tiles(height, side):
        for x, x_from, x_to in tiles(width, side):
            tile = np.full((side, side, 3), 114, np.uint8)
            part = image[y : y + side, x : x + side]
            tile[: part.shape[0], : part.shape[1]] = part
            found = model.predict(tile, imgsz=side, **options)
            sides = np.asarray(found.boxes.xyxy, float).reshape(-1, 4) + np.array([x, y, x, y])
            centre_x, centre_y = (sides[:, :2] + sides[:, 2:]).T / 2
            mine = (centre_x >= x_from) & (centre_x < x_to) & (centre_y >= y_from) & (centre_y < y_to)
            boxes.append(sides[mine])
            scores.append(np.asarray(found.boxes.conf, float).reshape(-1)[mine])
            masks += [(y, x, np.asarray(found.masks.data[n], bool)) for n in np.flatnonzero(mine)]
    return np.concatenate(boxes), np.concatenate(scores), masks


def tiles(length: int, side: int) -> list[tuple[int, float, float]]:
    """Where tiles begin along an axis, and the range that is nearest to each: from, to."""
    if length <= side:
        return [(0, -np.inf, np.inf)]
    n = -(-(length - TILE_OVERLAP_PX) // (side - TILE_OVERLAP_PX))
    starts = [int(start) for start in np.linspace(0, length - side, n).round()]
    between = [(second + first + side) / 2 for first, second in itertools.pairwise(starts)]
    return list(zip(starts, [-np.inf, *between], [*between, np.inf], strict=True))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--made-by", default="", help="stored with the boxes")
    parser.add_argument("--min-score", type=float, required=True)
    parser.add_argument(
        "--overlap", type=float, default=0.45, help="IoU above which boxes are merged; libreyolo's default"
    )
    parser.add_argument("--most", type=int, default=1000, help="maximum number of boxes per image")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    quieten(arguments.threads)
    predict(arguments)


if __name__ == "__main__":
    main()
