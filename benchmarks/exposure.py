"""How much brighter a crop is by itself than in its frame, for which `augment.brighter_elsewhere` compensates.

python benchmarks/exposure.py ../shared/data          # the crops of soma/train and the movie that they are from
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from somanet.io.datasets.layouts import open_dataset
from somanet.io.movies import open_movie
from somanet.segmentation.network.inputs import measure_exposure, to_unit


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with soma/ and neuritetracker/")
    given = parser.parse_args()
    crops = open_dataset(given.data / "soma" / "train")
    brighter: list[float] = []
    darker: list[float] = []
    with open_movie(given.data / "neuritetracker" / "cell_body.tif") as movie:
        for crop in crops:
            place = re.fullmatch(r"t(\d+)_y(\d+)_x(\d+)", crop.name)
            if place is None:
                raise SystemExit(f"{crop.name} does not give its position: expected a name such as t03_y006_x133.")
            t, y, x = map(int, place.groups())
            height, width = crop.labels.shape
            frame = to_unit(movie.frame(t))
            whole, alone = measure_exposure(frame), measure_exposure(frame[y : y + height, x : x + width])
            span = alone.high - alone.low
            brighter.append((whole.high - alone.low) / span)
            darker.append((alone.low - whole.low) / span)
    high = np.array(brighter)
    print(f"{len(high)} crops. Brightest of the frame above the crop's darkest, over the crop's own range:")
    print(f"  {(high > 1.25).sum()} above 1.25, from {high[high > 1.25].min():.2f} to {high.max():.2f}")
    print("The crop's darkest above the frame's, over the crop's range:")
    print(f"  median {np.median(darker):.2f}")


if __name__ == "__main__":
    main()
