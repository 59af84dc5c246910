"""The baseline without learning: one global threshold, an opening, connected components.

python benchmarks/threshold.py DATASET --threshold 70 --radius 4 --output build/threshold
somanet evaluate --predictions build/threshold --truth DATASET --output build/threshold.json
"""

import argparse
from pathlib import Path

from somanet.io.datasets.layouts import open_dataset
from somanet.io.images import write_labels
from somanet.training.paper.settings import ThresholdSettings
from somanet.training.paper.threshold import threshold_labels


def main() -> None:
    """Write one label image per image of a data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--threshold", type=float, default=70, help="on the strongest channel")
    parser.add_argument("--radius", type=int, default=4, help="of the opening's disk in pixels; 0 = none")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    settings = ThresholdSettings(threshold=arguments.threshold, opening_radius_px=arguments.radius)
    dataset = open_dataset(arguments.dataset)
    for name in dataset.names:
        write_labels(arguments.output / f"{name}.tif", threshold_labels(dataset.load_image(name), settings))


if __name__ == "__main__":
    main()
