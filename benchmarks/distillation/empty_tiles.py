"""How much of a movie could be skipped as empty.

python -m benchmarks.distillation.empty_tiles --data ../shared/data

A tile may be skipped if nothing that a network could find is in it or so near that its outline depends on it. What is
there is taken from the reference labels, and from the bundled network at a low threshold, which finds dim cells too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.yolo.sets import MOVIE, MovieFrames
from somanet.analysis.network import BUNDLED
from somanet.core.machine import available_processors
from somanet.segmentation.engines import with_engine
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint

TILE_PX = 128
MARGINS_PX = (0, 16, 32)
DIM = 0.1
"""Soma probability from which a pixel may belong to a dim cell."""


def empty_share(something_YX: NDArray[np.bool_], *, tile_px: int, margin_px: int) -> float:
    """Share of a frame's area in whole and cut tiles that have nothing inside them or within a margin around them."""
    height, width = something_YX.shape
    empty = 0
    for y in range(0, height, tile_px):
        for x in range(0, width, tile_px):
            around = something_YX[
                max(y - margin_px, 0) : y + tile_px + margin_px, max(x - margin_px, 0) : x + tile_px + margin_px
            ]
            if not around.any():
                empty += (min(y + tile_px, height) - y) * (min(x + tile_px, width) - x)
    return empty / something_YX.size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distillation.empty_tiles",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with neuritetracker/")
    given = parser.parse_args()
    checkpoint = with_engine(load_checkpoint(BUNDLED), threads=available_processors()).checkpoint
    soma = checkpoint.spec.outputs.index("soma")
    segmenter = Segmenter((checkpoint,))
    frames = MovieFrames(given.data / MOVIE / "cell_body.tif", given.data / MOVIE / "soma_labels.tif")
    shares = []
    for frame in frames:
        something = (frame.labels > 0) | (segmenter.probabilities(frame.image)[soma] >= DIM)
        shares.append([empty_share(something, tile_px=TILE_PX, margin_px=margin) for margin in MARGINS_PX])
    for margin, values in zip(MARGINS_PX, np.array(shares).T, strict=True):
        print(f"tiles of {TILE_PX} px with a margin of {margin} px: {values.mean():.1%} of the area is empty")


if __name__ == "__main__":
    main()
