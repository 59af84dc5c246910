"""Recognise the layout of a data set from its file names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from somanet.core.errors import SomaNetError
from somanet.io.datasets.sources import Source
from somanet.io.images import IMAGE_SUFFIXES

Layout = Literal["kaggle", "pairs"]
LABELS_ENDING = "_labels"


@dataclass(frozen=True)
class Entry:
    """The files of one image: a label image, or one mask per object, or (both None) no labels."""

    image: str
    label: str | None = None
    masks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Listing:
    """A data set's entries by name, and names whose files do not form one image, with the reason."""

    layout: Layout
    entries: dict[str, Entry]
    broken: dict[str, str] = field(default_factory=dict)


def recognise(source: Source) -> Listing:
    """Find the layout by content.

    Raises:
        SomaNetError: no images, several data sets in one, or two images with the same name.
    """
    files = [PurePosixPath(name) for name in source.files]
    files = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise SomaNetError(
            f"{source.path}: expected images (.png or .tif), found {len(source.files)} other files. "
            "Is this the folder you meant?"
        )
    in_images = [file for file in files if file.parent.name == "images"]
    kaggle_roots = {file.parent.parent.parent for file in in_images if file.parent.parent.name == file.stem}
    if kaggle_roots:
        return _kaggle(source, files, _only(kaggle_roots, source))
    if in_images:
        root = _only({file.parent.parent for file in in_images}, source)
        labels = [file for file in files if file.parent in (root / "labels", root / "masks")]
        has_labels = bool(labels) or bool({str(root / "labels"), str(root / "masks")} & source.folders)
        return _pairs(source, in_images, {file.stem: file for file in _unique(labels, source)}, has_labels)
    _only({file.parent for file in files}, source)
    labels = [file for file in files if file.stem.endswith(LABELS_ENDING)]
    images = [file for file in files if not file.stem.endswith(LABELS_ENDING)]
    by_name = {file.stem.removesuffix(LABELS_ENDING): file for file in _unique(labels, source)}
    return _pairs(source, images, by_name, bool(labels))


def _only(roots: set[PurePosixPath], source: Source) -> PurePosixPath:
    if len(roots) > 1:
        listed = ", ".join(sorted(map(str, roots))[:5])
        raise SomaNetError(f"{source.path}: expected one data set, found several: {listed}. Open one of these folders.")
    return next(iter(roots))


def _unique(files: list[PurePosixPath], source: Source) -> list[PurePosixPath]:
    stems: dict[str, PurePosixPath] = {}
    for file in files:
        if file.stem in stems:
            raise SomaNetError(
                f"{source.path}: '{stems[file.stem]}' and '{file}' have the same name. Remove or rename one of them."
            )
        stems[file.stem] = file
    return files


def _kaggle(source: Source, files: Iterable[PurePosixPath], root: PurePosixPath) -> Listing:
    images: dict[str, list[str]] = defaultdict(list)
    masks: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.parent.parent.parent == root and len(file.parts) == len(root.parts) + 3:
            if file.parent.name == "images":
                images[file.parent.parent.name].append(str(file))
            elif file.parent.name == "masks":
                masks[file.parent.parent.name].append(str(file))
    entries, broken = {}, {}
    for name in sorted(images.keys() | masks.keys()):
        if len(images[name]) == 1:
            # An empty masks folder means that there are no objects; without a folder the image is unlabelled.
            labelled = str(root / name / "masks") in source.folders
            entries[name] = Entry(images[name][0], masks=tuple(sorted(masks[name])) if labelled else None)
        else:
            broken[name] = f"expected one file in {name}/images, found {len(images[name])}"
    return Listing("kaggle", entries, broken)


def _pairs(source: Source, images: list[PurePosixPath], labels: dict[str, PurePosixPath], has_labels: bool) -> Listing:
    entries: dict[str, Entry] = {}
    broken: dict[str, str] = {}
    for file in _unique(images, source):
        label = labels.pop(file.stem, None)
        if label is None and has_labels:
            broken[file.stem] = f"the image {file} has no label image, unlike others"
        else:
            entries[file.stem] = Entry(str(file), label=str(label) if label else None)
    broken |= {name: f"the label image {file} has no image" for name, file in labels.items()}
    return Listing("pairs", dict(sorted(entries.items())), dict(sorted(broken.items())))
