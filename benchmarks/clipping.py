"""Pixels at the ceiling: how many somas a network still finds, and whether the note on it comes when they are lost.

python -m benchmarks.clipping --data ../shared/data        # writes build/clipping.csv
python -m benchmarks.clipping                              # simulated movies only

Frames are exported with a stretched contrast, so that a share of their pixels is at the ceiling: from none to eight
times as many pixels as somas have. Sets: frames of the real movie (also in 12 and 16 bit), simulated movies, sparse and
dense, even and uneven in brightness, with and without processes, and nuclei. Somas count as lost if recall at IoU 0.5
falls by a tenth or more.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmarks.background import Image, hela, live_nuclei
from benchmarks.peers.images import load_images
from somanet.analysis.network import open_networks
from somanet.core.calibration import Calibration
from somanet.core.markdown import table
from somanet.io.movies import open_movie
from somanet.segmentation.inference.clipping import Clipping
from somanet.segmentation.inference.contrast import intensity_of
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.scales import best_iou
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.simulation import simulate_movie
from somanet.simulation.settings import NeuronSettings

PER_SOMA = (0.0, 0.3, 0.6, 0.85, 1.0, 1.3, 2.0, 4.0, 8.0)
"""Pixels at the ceiling, per true pixel of soma."""
MOST_SHARE = 0.45
LOST = 0.1
EVERY = 4
"""Every so many-eth validation image of nuclei."""
EVEN = {"soma_brightness_log_sd": 0.2, "illumination_falloff": 0.0}
ALONE = {**EVEN, "touching_fraction": 0.0, "debris_per_mm2": 0.0, "ghosts_per_mm2": 0.0, "process_length_um": 0.0}
WORLDS: dict[str, dict[str, float]] = {
    "simulated, default": {},
    "simulated, dense": {"somas_per_mm2": 250.0},
    "simulated, evenly bright": EVEN,
    "simulated, evenly bright, apart, without processes": ALONE,
}


class Row(NamedTuple):
    """A set at one level of clipping."""

    images: str
    bits: int
    per_soma: float
    share: float
    per_found: float
    recall: float
    precision: float
    lost: float
    noted: bool


def sets_of(data: Path | None) -> Iterator[tuple[str, list[Image]]]:
    """Images with their somas, by set."""
    for number, (name, settings) in enumerate(WORLDS.items()):
        yield name, [world(100 * number + seed, NeuronSettings(**settings)) for seed in range(3)]
    if data is None:
        return
    folder, wild = data / "neuritetracker", data / "wild" / "movies"
    with open_movie(folder / "cell_body.tif") as movie, open_movie(folder / "soma_labels.tif") as labels:
        yield "real movie", [Image(movie.frame(t), labels.frame(t)) for t in (5, 35, 55)]
    yield "HeLa nuclei, confluent", list(hela(wild / "laptrack_hela"))[:1]
    yield "live nuclei", list(live_nuclei(wild / "celldetective"))
    for item in [one for one in load_images("val", data) if not_fluorescence(one.image) is None][::EVERY]:
        yield f"DSB2018 {item.name[:8]}", [Image(item.image, item.labels)]


def world(seed: int, settings: NeuronSettings) -> Image:
    """A simulated frame."""
    movie = simulate_movie(
        seed=seed, n_frames=2, shape_YX=(300, 340), calibration=Calibration(1.28, 12.0), settings=settings
    )
    return Image(movie.frames_TYX[0], movie.labels_TYX[0])


def stretched(images: Iterable[NDArray[Any]], share: float, bits: int) -> list[NDArray[np.integer]]:
    """All images on one scale, on which this share of their pixels is at the ceiling of so many bits."""
    grey = [intensity_of(image) for image in images]
    values = np.concatenate([one.ravel() for one in grey])
    low, high = np.percentile(values, 0.1), np.percentile(values, 100 * (1 - share))
    top = 2**bits - 1
    scaled = [np.clip((one - low) / max(high - low, 1e-9) * top, 0, top).round() for one in grey]
    return [one.astype(np.uint8 if bits == 8 else np.uint16) for one in scaled]


def ids_without_gaps(labels_YX: NDArray[np.integer]) -> NDArray[np.int64]:
    """Labels 1…n."""
    return np.asarray(np.unique(labels_YX, return_inverse=True)[1].reshape(labels_YX.shape), np.int64)


def measured(name: str, items: list[Image], segmenter: Segmenter, bits: int) -> Iterator[Row]:
    """A row per level, of images that have any somas."""
    truth = [ids_without_gaps(np.where(item.cells_YX > 0, item.cells_YX, 0)) for item in items]
    somas = float(np.mean([np.mean(one > 0) for one in truth]))
    best = None
    for per_soma in PER_SOMA:
        if per_soma * somas > MOST_SHARE:
            break
        found = [segmenter.segment(one) for one in stretched((i.image for i in items), per_soma * somas, bits)]
        pairs = zip(truth, found, strict=True)
        matched = [best_iou(true, one.labels_YX, int(true.max())) > 0.5 for true, one in pairs]
        n_matched = sum(int(one.sum()) for one in matched)
        recall = n_matched / max(sum(len(one) for one in matched), 1)
        best = recall if best is None else best
        clipping = Clipping.of_all(one.clipping for one in found if one.clipping is not None)
        yield Row(
            name,
            bits,
            per_soma,
            clipping.share,
            clipping.n_at_ceiling / max(clipping.n_soma_px, 1),
            recall,
            n_matched / max(sum(len(one.confidence) for one in found), 1),
            best - recall,
            clipping.merges_somas,
        )


def line(row: Row) -> list[str]:
    """A row of the table."""
    scores = (f"{value:.2f}" for value in (row.per_found, row.recall, row.precision))
    return [row.images, str(row.bits), f"{100 * row.share:.2g} %", *scores, "yes" if row.noted else "no"]


def share(noted: pd.Series[bool]) -> str:
    """How many, with a 95 % interval."""
    if not len(noted):
        return "none"
    interval = stats.binomtest(int(noted.sum()), len(noted)).proportion_ci(method="wilson")
    return f"{int(noted.sum())} of {len(noted)} [{100 * interval.low:.0f}, {100 * interval.high:.0f}] %"


def main() -> None:
    """Print a row for each set and level, and how often the note comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, default=Path("build/clipping.csv"))
    given = parser.parse_args()
    segmenter = open_networks(None).segmenter.at(1.0)
    rows: list[Row] = []
    for name, items in sets_of(given.data):
        for bits in (8, 12, 16) if name == "real movie" else (8,):
            for row in measured(name, items, segmenter, bits):
                rows.append(row)
                print(*(f"{v:.3f}" if isinstance(v, float) else v for v in row), sep=" | ", flush=True)
    found = pd.DataFrame(rows)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    found.to_csv(given.output, index=False)
    head = ["images", "bits", "at the ceiling", "per soma pixel found", "recall", "precision", "note"]
    lines = [line(row) for row in rows]
    print(table(head, lines))
    nuclei = found.images.str.contains("nuclei|DSB2018")
    for what, part in (("somas", found[~nuclei]), ("nuclei", found[nuclei])):
        print(f"{what}, levels that lose a tenth or more, noted: {share(part[part.lost >= LOST].noted)}")
        print(f"{what}, levels that lose less than a twentieth, noted: {share(part[part.lost < LOST / 2].noted)}")


if __name__ == "__main__":
    main()
