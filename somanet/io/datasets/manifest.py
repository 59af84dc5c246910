"""The manifest of a data set: every file decoded, every defect named, unusable images rejected."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem
from somanet.core.schema import MANIFEST
from somanet.io.datasets.layouts import Dataset, LabelledImage, labelled_image, open_dataset
from somanet.io.datasets.masks import Masks
from somanet.io.datasets.regions import ImageRegions, pixels_sha256, with_regions
from somanet.io.datasets.writers import write_pairs
from somanet.io.decoding import decode_image, pixel_size_um
from somanet.io.label_checks import looks_like_labels

OVERLAP_TOLERANCE = 0.05
_LABELS_TAKEN_FOR_IMAGE = "it looks like a label image; name it after its image, such as cell_labels.tif for cell.tif"


class _Rejected(Exception):
    def __init__(self, reason: str, note: str) -> None:
        super().__init__(reason, note)
        self.reason, self.note = reason, note


def check_dataset(
    path: Path | str,
    *,
    binary: bool | None = None,
    only_class: str | None = None,
    overlap_tolerance: float = OVERLAP_TOLERANCE,
    require_objects: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Decode every image and mask of a data set and report which can be used.

    Args:
        path: a data set (see :func:`~somanet.io.datasets.layouts.open_dataset`).
        binary: what a label image with a single value shows (see :func:`somanet.io.label_checks.check_labels`).
        only_class: of outlines of several classes, the one whose objects are the labels.
        overlap_tolerance: two masks may share this fraction of the smaller one; beyond it the image is rejected.
        require_objects: reject images without objects or labels, which otherwise get a note.
        progress: show a bar, if stderr is a terminal.

    Returns:
        One row per image in name order, columns of ``schema.MANIFEST``. ``reason`` is one of: truncated, unreadable,
        not an image, not finite, wrong shape, wrong type, too large, in pieces, inverted, interpolated, several
        classes (the same after "mask "), empty image, duplicate, overlapping masks, no objects, broken layout.

    Raises:
        SomaNetError: the path is not a data set.
    """
    dataset = open_dataset(path, binary=binary, only_class=only_class)
    found = inspect(dataset, dataset.names, overlap_tolerance, require_objects, progress)
    return _table([row for row, _ in found], dataset)


def pack_dataset(
    source: Path | str,
    destination: Path | str,
    *,
    names: Collection[str] | None = None,
    binary: bool | None = None,
    only_class: str | None = None,
    regions: Mapping[str, ImageRegions] | None = None,
    overlap_tolerance: float = OVERLAP_TOLERANCE,
    require_objects: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Check a data set and rewrite its accepted, labelled images in the pairs layout, whole or not at all.

    Args:
        source: a data set.
        destination: the new folder.
        names: only these images; all by default.
        binary, only_class: as in :func:`check_dataset`.
        regions: pixels to ignore, from :func:`somanet.io.datasets.regions.read_regions`.
        overlap_tolerance: as in :func:`check_dataset`.
        require_objects: as in :func:`check_dataset`.
        progress: show a bar, if stderr is a terminal.

    Returns:
        The manifest of the source (of ``names``, if given).

    Raises:
        SomaNetError: unknown names, nothing to pack, regions of other images alone, or source and destination that
            contain each other.
    """
    dataset = open_dataset(source, binary=binary, only_class=only_class)
    ours, theirs = Path(destination).resolve(), Path(source).resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise SomaNetError(f"Cannot pack {source} into {destination}: one lies in the other. Choose a separate folder.")
    wanted = set(dataset.names if names is None else names)
    unknown = sorted(wanted - set(dataset.names) - set(dataset.broken))
    if unknown:
        raise SomaNetError(
            f"{source}: {len(unknown)} of the requested names are not in the data set, such as '{unknown[0]}'. "
            "Does the split belong to another data set?"
        )
    chosen = [name for name in dataset.names if name in wanted]
    rows: list[dict[str, object]] = []
    with_regions_of: list[str] = []

    def accepted() -> Iterator[LabelledImage]:
        for row, item in inspect(dataset, chosen, overlap_tolerance, require_objects, progress):
            rows.append(row)
            if item is not None:
                known = regions is not None and pixels_sha256(item.image) in regions
                with_regions_of.extend([item.name] if known else [])
                yield next(with_regions([item], regions or {}))
        if regions and not with_regions_of:
            raise SomaNetError(
                f"{source}: expected the images whose regions are given, found {len(rows)} others: no pixels agree. "
                "Were they rescaled, converted or compressed since?"
            )
        if not any(row["status"] == "accepted" and row["n_objects"] is not None for row in rows):
            raise SomaNetError(f"{source}: none of {len(rows)} images can be packed. `check_dataset` says why.")

    write_pairs(destination, accepted())
    table = _table(rows, dataset)
    return table if names is None else table[table["name"].isin(wanted)].reset_index(drop=True)


def describe_manifest(manifest: pd.DataFrame) -> str:
    """A summary of the manifest: accepted images and objects, or movies; what was rejected with reasons; notes."""
    accepted = manifest[manifest["status"] == "accepted"]
    rejected = manifest[manifest["status"] == "rejected"]
    lines = [f"{len(accepted)} of {len(manifest)} accepted"]
    if "n_objects" in manifest:
        lines[0] += f", with {int(accepted['n_objects'].sum())} objects"
    for reason, rows in rejected.groupby("reason"):
        lines.append(f"rejected, {reason}: {len(rows)} ({rows['name'].iloc[0]}{', …' if len(rows) > 1 else ''})")
    noted = accepted[accepted["note"] != ""]
    if "n_frames" in manifest:
        lines += _movie_lines(accepted)
    elif len(noted):
        lines.append(f"accepted with a note: {len(noted)} (first: {noted['name'].iloc[0]}: {noted['note'].iloc[0]})")
        mistaken = noted[noted["note"].str.contains(_LABELS_TAKEN_FOR_IMAGE, regex=False)]
        if len(mistaken) and mistaken.index[0] != noted.index[0]:
            lines.append(f"  {mistaken['name'].iloc[0]}, as {len(mistaken)} of them: {_LABELS_TAKEN_FOR_IMAGE}")
    return "\n".join(lines)


def _movie_lines(accepted: pd.DataFrame) -> list[str]:
    """A line per accepted movie: frames, size, channels, planes and scale; after 20 movies, how many more there are."""
    lines = []
    for row in accepted.head(_LISTED).to_dict("records"):
        scale = [
            f"{row[name]:.4g} {unit}" if row[name] == row[name] else f"no {what}"
            for name, unit, what in (
                ("pixel_size_um", "µm per pixel", "pixel size"),
                ("frame_interval_min", "min per frame", "frame interval"),
            )
        ]
        parts = [f"{counted(row['n_frames'], 'frame')} of {row['height_px']} × {row['width_px']} px {row['dtype']}"]
        parts += [f"one of {row['n_channels']} channels"] if row["n_channels"] > 1 else []
        parts += [f"{row['n_planes']} planes projected"] if row["n_planes"] > 1 else []
        lines.append(f"  {row['name']}: {', '.join([*parts, *scale])}")
        lines += [f"    {row['note']}"] if row["note"] else []
    if len(accepted) > _LISTED:
        lines.append(f"  … and {len(accepted) - _LISTED} more")
    return lines


_LISTED = 20


def inspect(
    dataset: Dataset,
    names: Collection[str],
    overlap_tolerance: float,
    require_objects: bool,
    progress: bool,
) -> Iterator[tuple[dict[str, object], LabelledImage | None]]:
    """Yield one manifest row per image, with the image if it is accepted and labelled; one at a time."""
    first_of: dict[str, str] = {}
    for name in tqdm(names, desc="check", unit="image", disable=not (progress and sys.stderr.isatty())):
        row: dict[str, object] = {"name": name, "path": dataset.image_file(name), "n_objects": None}
        item: LabelledImage | None = None
        try:
            image, pixels = _check_image(dataset, name, row)
            if pixels in first_of:
                raise _Rejected("duplicate", f"the same pixels as {first_of[pixels]}")
            item, note = _check_labels(dataset, name, image, row, overlap_tolerance, require_objects)
            first_of[pixels] = name
            row |= {"status": "accepted", "reason": "", "note": note}
        except _Rejected as rejected:
            row |= {"status": "rejected", "reason": rejected.reason, "note": rejected.note}
        yield row, item


def _check_image(dataset: Dataset, name: str, row: dict[str, object]) -> tuple[np.ndarray, str]:
    """Decode an image, fill in its columns, and return it with a hash of its pixels."""
    source = f"{dataset.path}/{row['path']}"
    try:
        data = dataset.image_bytes(name)
        row["sha256"] = hashlib.sha256(data).hexdigest()
        image = decode_image(data, source)
        row |= {"height_px": image.shape[0], "width_px": image.shape[1], "dtype": image.dtype.name}
        row |= {"channels": 1 if image.ndim == 2 else image.shape[2]}
        row["pixel_size_um"] = pixel_size_um(data, source)
    except FileProblem as problem:
        raise _Rejected(problem.kind, str(problem)) from problem
    colours = image if image.ndim == 2 else image[..., :3]
    if colours.min() == colours.max():
        raise _Rejected("empty image", f"every pixel is {colours.min()}")
    return image, pixels_sha256(image)


def _check_labels(
    dataset: Dataset,
    name: str,
    image: np.ndarray,
    row: dict[str, object],
    overlap_tolerance: float,
    require_objects: bool,
) -> tuple[LabelledImage | None, str]:
    """Compose the labels, fill in their columns, and return the labelled image and a note."""
    if not dataset.has_labels(name):
        if require_objects:
            raise _Rejected("no objects", "no labels")
        notes = ["no labels", dataset.hint, _LABELS_TAKEN_FOR_IMAGE if looks_like_labels(image) else ""]
        return None, "; ".join(note for note in notes if note)
    try:
        masks = dataset.load_masks(name, image.shape)
    except FileProblem as problem:
        raise _Rejected(f"mask {problem.kind}", str(problem)) from problem
    row |= {"n_objects": masks.n_objects, "overlap_px": masks.overlap_px}
    item = labelled_image(name, image, masks)
    note = _note(masks, item.doubts)
    if masks.worst_overlap > overlap_tolerance:
        raise _Rejected("overlapping masks", note)
    if not row["n_objects"] and require_objects:
        raise _Rejected("no objects", note)
    return item, note


def _note(masks: Masks, doubts: tuple[str, ...]) -> str:
    parts = []
    if masks.overlap_px:
        parts.append(f"{masks.overlap_px} px in two masks, at worst {masks.worst_overlap:.1%} of the smaller")
    for count, what in (
        (masks.hidden, "wholly under earlier masks"),
        (masks.empty, "without foreground"),
        (masks.grey, "with grey values"),
    ):
        if count:
            parts.append(f"{counted(count, 'mask')} {what}")
    if not masks.n_objects:
        parts.append("no objects")
    if masks.ignored is not None:
        parts.append(f"{np.count_nonzero(masks.ignored)} px ignored, neither object nor background")
    parts += doubts
    return "; ".join(parts)


def _table(rows: list[dict[str, object]], dataset: Dataset) -> pd.DataFrame:
    """The rows, with those of ids whose files do not form an image, in name order."""
    broken: list[dict[str, object]] = [
        {"name": name, "status": "rejected", "reason": "broken layout", "note": why}
        for name, why in dataset.broken.items()
    ]
    texts = ("path", "sha256", "dtype", "reason", "note")
    table = sorted([*rows, *broken], key=lambda row: str(row["name"]))
    return MANIFEST.frame([dict.fromkeys(texts, "") | row for row in table])
