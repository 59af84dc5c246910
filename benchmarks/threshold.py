"""The reference without learning: one global threshold, an opening, connected components.

python benchmarks/threshold.py DATASET --threshold 70 --radius 4 --output build/threshold
somanet evaluate --predictions build/threshold --truth DATASET --output build/threshold.json
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.morphology import disk, opening

from somanet.data.layouts import open_dataset
from somanet.io.images import write_labels


def main() -> None:
    """Write one label image per image of a data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--threshold", type=float, default=70, help="on the strongest channel")
    parser.add_argument("--radius", type=int, default=4, help="of the opening's disk in pixels; 0 = none")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.dataset)
    for name in dataset.names:
        image = dataset.load_image(name)
        intensity = image if image.ndim == 2 else image[..., :3].max(axis=-1)
        mask = intensity >= arguments.threshold
        if arguments.radius:
            mask = opening(mask, disk(arguments.radius))
        write_labels(arguments.output / f"{name}.tif", ndimage.label(mask)[0].astype(np.int32))


if __name__ == "__main__":
    main()
