"""Scores of networks on held-out images, and the reliability of their confidence there.

python -m benchmarks.held_out --data ../shared/data                                    # the bundled model
python -m benchmarks.held_out --data ../shared/data --nuclei NAME=FOLDER --somas NAME=FOLDER NAME=FOLDER

Networks of one NAME are trainings with different seeds: their scores are averaged. NAME=FOLDER+FOLDER is an ensemble:
its networks' probabilities are averaged. `--nuclei` are scored on the test
part of the Data Science Bowl's images; `--somas` on the crops of `soma/val` and on all frames of the same movie from
which no crop was taken, where x >= 440; once more without the cells that nobody labelled, which tools/unlabelled finds.
Writes OUTPUT/held_out.md and held_out.json.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.scoring import score_subsets
from benchmarks.yolo.sets import LATER_X_PX, MOVIE, MovieFrames
from somanet.analysis.network import network_folder
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, write_json, write_text
from somanet.core.machine import available_processors
from somanet.core.markdown import table
from somanet.evaluation.masks import interior, overlap, ratio
from somanet.evaluation.scores import SeedScores, average_seeds, score_dataset
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.regions import read_regions, with_regions
from somanet.io.datasets.splits import read_split
from somanet.segmentation.engines import with_engine
from somanet.segmentation.inference.modality import not_fluorescence
from somanet.segmentation.inference.segmenter import Segmented, Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint
from tools.unlabelled.__main__ import RECORD, LabelledMovie
from tools.unlabelled.finding import Rules

BINS = (0.0, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Bins of the confidence."""
COLUMNS = {
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "mean_ap": "mean 0.5–0.9",
    "size_bias": "size bias",
    "noise_per_image": "noise per image",
}
VIEWS = (
    ("", False, False),
    (", without those cut by the edge", True, False),
    (", without unlabelled cells", False, True),
    (", without both", True, True),
)
"""In words; whether objects at the edge are left out; whether cells that nobody labelled are."""
Predictions = list[tuple[LabelledImage, Segmented]]
Networks = Mapping[str, Sequence[tuple[Path, ...]]]
"""By name: for each seed, the checkpoints of its ensemble."""


def frames_never_cropped(data: Path) -> Iterator[LabelledImage]:
    """Frames of the movie of which `soma/` has no crop, whole, with the reference labels."""
    crops = [*open_dataset(data / "soma" / "train").names, *open_dataset(data / "soma" / "val").names]
    cropped = {int(found[1]) for name in crops if (found := re.match(r"t(\d+)_", name))}
    frames = MovieFrames(data / MOVIE / "cell_body.tif", data / MOVIE / "soma_labels.tif")
    return (frame for frame in frames if int(frame.name) not in cropped)


def with_unlabelled_cells(items: Iterable[LabelledImage], movie: LabelledMovie) -> Iterator[LabelledImage]:
    """Frames of the movie, named by number, that ignore the cells that nobody labelled."""
    return (replace(item, ignored=movie.ignored(int(item.name), Rules())) for item in items)


def ignored_pixels(items: Iterable[LabelledImage], x_from_px: int) -> dict[str, NDArray[np.bool_]]:
    """Name → ignored pixels YX of the image's right part, of the images that have some."""
    return {item.name: item.ignored[:, x_from_px:] for item in items if item.ignored is not None}


def cut(predictions: Predictions, x_from_px: int) -> list[tuple[str, NDArray[np.int32], NDArray[np.int32]]]:
    """(name, ground truth, prediction) of the images' right part."""
    return [(item.name, item.labels[:, x_from_px:], found.labels_YX[:, x_from_px:]) for item, found in predictions]


def right_and_confidence(predictions: Predictions, x_from_px: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """For every object predicted in the right part: whether it matches a soma at IoU 0.5, and its confidence."""
    right: list[NDArray[np.bool_]] = []
    confidence: list[NDArray[np.float64]] = []
    for (_, true, found), (_, segmented) in zip(cut(predictions, x_from_px), predictions, strict=True):
        kept_true, kept_found = interior(true, found)
        counted = np.unique(found[kept_found > 0])  # relabelled by `interior`, in the order of the ids
        matched = overlap(kept_true, kept_found).matches(0.5)[1]
        right.append(np.isin(np.arange(len(counted)), matched))
        confidence.append(segmented.confidence[counted - 1])
    return np.concatenate(right), np.concatenate(confidence)


def reliability(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> dict[str, Any]:
    """How often objects of a given confidence are correct, and how well confidence separates correct from wrong ones.

    `ranked`: the probability that a correct object is more confident than a wrong one (ROC AUC); NaN without both.
    """
    place = np.clip(np.digitize(confidence, BINS) - 1, 0, len(BINS) - 2)
    bins = [
        {
            "from": BINS[number],
            "to": BINS[number + 1],
            "objects": int((place == number).sum()),
            "right": ratio(float(right[place == number].sum()), float((place == number).sum())),
            "confidence": ratio(float(confidence[place == number].sum()), float((place == number).sum())),
        }
        for number in range(len(BINS) - 1)
    ]
    wins = np.sign(confidence[right][:, None] - confidence[~right][None, :])
    return {"bins": bins, "ranked": float((wins.mean() + 1) / 2) if wins.size else float("nan")}


def named(given: Sequence[str]) -> dict[str, list[tuple[Path, ...]]]:
    """Checkpoints by name from NAME=FOLDER or NAME=FOLDER+FOLDER, with a name repeated for each seed.

    Raises:
        SomaNetError: an argument is not NAME=FOLDER, or not a checkpoint.
    """
    found: dict[str, list[tuple[Path, ...]]] = {}
    for text in given:
        name, equals, folders = text.partition("=")
        if not (name and equals and folders):
            raise SomaNetError(f"{text!r} is not NAME=FOLDER, such as neurons=models/finetune/neurons/seed_0.")
        found.setdefault(name, []).append(tuple(map(network_folder, folders.split("+"))))
    return found or {"bundled": [(network_folder(None),)]}


def predictions_of(folders: Sequence[Path], items: Sequence[LabelledImage], *, tta: int) -> Predictions:
    """Predictions of a network, or an ensemble, for images."""
    threads = available_processors()
    networks = [with_engine(load_checkpoint(folder), threads=threads).checkpoint for folder in folders]
    segmenter = Segmenter(tuple(networks), tta=tta)
    return [(item, segmenter.segment(item.image)) for item in items]


def nuclei_rows(data: Path, networks: Networks, *, tta: int, part: str = "test") -> dict[str, Any]:
    """Network → subset → scores on a part of the images; means over seeds."""
    dataset = open_dataset(data / "dsb2018" / "stage1_train.zip")
    items = [dataset.load(name) for name in read_split(data / "dsb2018" / "split.csv")[part]]
    fluorescent = {item.name: not_fluorescence(item.image) is None for item in items}
    rows: dict[str, Any] = {}
    for name, seeds in networks.items():
        scored = []
        for folders in seeds:
            predictions = predictions_of(folders, items, tta=tta)
            pairs = [(item.name, item.labels, found.labels_YX) for item, found in predictions]
            scored.append(score_subsets(pairs, fluorescent))
            print(f"nuclei: {' + '.join(map(str, folders))}", flush=True)
        rows[name] = {subset: _mean([one[subset] for one in scored]) for subset in scored[0]}
    return rows


def _mean(scores: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {key: float(np.mean([one[key] for one in scores])) for key in scores[0] if key != "interval95"}


def soma_rows(data: Path, networks: Networks, *, tta: int) -> dict[str, Any]:
    """Set → network → scores, averaged over seeds; and network → reliability of the confidence in both sets.

    Cells that nobody labelled count as any other pixels but in rows of their own. Where they are not known there is no
    such row: the movie needs its second channel, `nucleus.tif`, and its tracks.
    """
    crops = open_dataset(data / "soma" / "val")
    later: Iterable[LabelledImage] = frames_never_cropped(data)
    if (data / MOVIE / "nucleus.tif").is_file():
        later = with_unlabelled_cells(later, LabelledMovie(data / MOVIE))
    val = with_regions((crops.load(name) for name in crops.names), read_regions(RECORD))
    sets = {"soma/val": (list(val), 0), "later frames, x ≥ 440": (list(later), LATER_X_PX)}
    scores: dict[str, dict[str, Any]] = {}
    confidence: dict[str, list[tuple[NDArray[np.bool_], NDArray[np.float64]]]] = {}
    for title, (items, x_from_px) in sets.items():
        for name, seeds in networks.items():
            predictions = [predictions_of(folders, items, tta=tta) for folders in seeds]
            ignored = ignored_pixels(items, x_from_px)
            for words, ignore_edge, without in VIEWS if ignored else VIEWS[:2]:
                each = [
                    score_dataset(cut(one, x_from_px), ignore_edge=ignore_edge, ignored=ignored if without else None)
                    for one in predictions
                ]
                scores.setdefault(f"{title}{words}", {})[name] = average_seeds(each)
            confidence.setdefault(name, []).extend(right_and_confidence(one, x_from_px) for one in predictions)
            print(f"{title}: {name}", flush=True)
    return {
        "scores": scores,
        "confidence": {
            name: reliability(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
            for name, found in confidence.items()
        },
        "somas": {
            title: [len(items), sum(len(np.unique(item.labels[:, x:])) - 1 for item in items)]
            for title, (items, x) in sets.items()
        },
    }


def nuclei_table(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """As Markdown."""
    heads = ("network", "images", "IoU", "accuracy 0.5", "mean 0.5–0.9", "per image: 0.5", "mean 0.5–0.9")
    keys = ("iou", "pooled_0.5", "pooled_mean", "images_0.5", "images_mean")
    cells = [
        [name, f"{subset} ({scores['n_images']:.0f})", *(f"{scores[key]:.3f}" for key in keys)]
        for name, subsets in rows.items()
        for subset, scores in subsets.items()
    ]
    return table(heads, cells)


def soma_table(scores: Mapping[str, Mapping[str, SeedScores]]) -> str:
    """As Markdown: mean over seeds ± standard deviation over seeds."""
    cells = [
        [
            title,
            name,
            str(found.n_seeds),
            *(
                f"{found.values[key]:.3f}" + (f" ± {found.spread[key]:.3f}" if found.n_seeds > 1 else "")
                for key in COLUMNS
            ),
        ]
        for title, networks in scores.items()
        for name, found in networks.items()
    ]
    return table(("images", "network", "seeds", *COLUMNS.values()), cells)


def confidence_table(confidence: Mapping[str, Mapping[str, Any]]) -> str:
    """As Markdown: the share of correct objects by confidence."""
    bins = [f"{low:g}–{high:g}" for low, high in pairwise(BINS)]
    cells = [
        [
            name,
            *(f"{one['right']:.2f} of {one['objects']}" if one["objects"] else "–" for one in found["bins"]),
            f"{found['ranked']:.2f}",
        ]
        for name, found in confidence.items()
    ]
    return table(("confidence", *bins, "ranked"), cells)


def main() -> None:
    """Score, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.held_out", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with dsb2018/, soma/ and neuritetracker/")
    parser.add_argument("--nuclei", nargs="*", default=[], metavar="NAME=FOLDER", help="networks for nuclei")
    parser.add_argument("--somas", nargs="*", default=[], metavar="NAME=FOLDER", help="networks for somas")
    parser.add_argument(
        "--part", choices=("test", "val"), default="test", help="part of the nuclei; val is for model selection"
    )
    parser.add_argument(
        "--tta", "--symmetries", dest="symmetries", type=int, default=1, help="test-time augmentation: 1, 4 or 8 views"
    )
    parser.add_argument("--output", type=Path, default=Path("build"))
    given = parser.parse_args()
    nuclei = nuclei_rows(given.data, named(given.nuclei), tta=given.symmetries, part=given.part)
    somas = soma_rows(given.data, named(given.somas), tta=given.symmetries)
    about = "; ".join(f"{title}: {images} images, {n} somas" for title, (images, n) in somas["somas"].items())
    text = "\n\n".join(
        (
            f"DSB2018, {given.part} part:",
            nuclei_table(nuclei),
            f"{about}:",
            soma_table(somas["scores"]),
            "Correct objects (IoU ≥ 0.5), by confidence:",
            confidence_table(somas["confidence"]),
        )
    )
    plain = {title: {name: one.as_dict() for name, one in row.items()} for title, row in somas["scores"].items()}
    write_json(
        make_folder(given.output) / "held_out.json",
        {
            "nuclei": nuclei,
            "somas": plain,
            "confidence": somas["confidence"],
            "symmetries": given.symmetries,
            "part": given.part,
        },
    )
    write_text(given.output / "held_out.md", f"{text}\n")
    print(f"{text}\n\nWritten: {given.output}/held_out.md, held_out.json")


if __name__ == "__main__":
    try:
        main()
    except SomaNetError as error:
        sys.exit(f"error: {error}")
