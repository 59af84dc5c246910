"""Labelled image data sets on disk: the Kaggle layout (folder or zip) and image + label pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem
from somanet.io.datasets.masks import Masks, compose_masks
from somanet.io.datasets.recognise import Entry, Layout, recognise
from somanet.io.datasets.sources import Source, open_source
from somanet.io.decoding import decode_image, decode_labels

_LARGEST_COUNTED_ID = 1 << 22


@dataclass(frozen=True)
class LabelledImage:
    """One image with one label per object.

    Attributes:
        name: the image's id, unique within its data set.
        image: YX or YXC (C = 3 or 4), uint8, uint16 or float32.
        labels: YX int32, 0 = background, 1..n = objects.
    """

    name: str
    image: np.ndarray
    labels: np.ndarray


class Dataset:
    """Images and labels by name, read on demand: memory does not grow with the data set.

    Attributes:
        path: the folder or zip.
        layout: "kaggle" or "pairs".
        names: the images' ids, sorted.
        broken: ids whose files do not form one image, and why; not among ``names``.
    """

    def __init__(self, source: Source) -> None:
        listing = recognise(source)
        self.path: Path = source.path
        self.layout: Layout = listing.layout
        self.names: tuple[str, ...] = tuple(listing.entries)
        self.broken: dict[str, str] = listing.broken
        self._source = source
        self._entries: dict[str, Entry] = listing.entries

    def load(self, name: str) -> LabelledImage:
        """One image with its labels. Where masks overlap, the first in name order keeps the shared pixels.

        Raises:
            SomaNetError: no such name, no labels, or a file that cannot be used.
        """
        image = self.load_image(name)
        return LabelledImage(name, image, self.load_masks(name, image.shape).labels)

    def load_image(self, name: str) -> np.ndarray:
        """One image alone, YX or YXC; labels are not needed.

        Raises:
            SomaNetError: no such name, or a file that cannot be used.
        """
        return decode_image(self.image_bytes(name), self._source.label(self.image_file(name)))

    def has_labels(self, name: str | None = None) -> bool:
        """Whether an image has labels (also if they contain no object); without a name, whether all have."""
        names = self.names if name is None else (name,)
        return all(self._entry(n).label is not None or self._entry(n).masks is not None for n in names)

    def image_file(self, name: str) -> str:
        """The image's file, relative to the data set."""
        return self._entry(name).image

    def image_bytes(self, name: str) -> bytes:
        """The image file's bytes as stored."""
        return self._source.read(self.image_file(name))

    def load_masks(self, name: str, shape: tuple[int, ...]) -> Masks:
        """The labels of one image, with a record of overlaps and other defects.

        Args:
            name: the image's id.
            shape: the image's shape, whose height and width the labels must have.

        Raises:
            SomaNetError: no labels, a file that cannot be used, or a different shape.
        """
        entry = self._entry(name)
        shape_YX = (shape[0], shape[1])
        if entry.masks is not None:
            sources = ((self._source.label(file), file) for file in entry.masks)
            return compose_masks(
                ((source, decode_image(self._source.read(file), source)) for source, file in sources),
                shape_YX,
            )
        if entry.label is None:
            raise SomaNetError(f"{self.path}: image '{name}' has no labels. Use it for prediction, or label it first.")
        source = self._source.label(entry.label)
        labels = decode_labels(self._source.read(entry.label), source)
        if labels.shape != shape_YX:
            raise FileProblem(
                f"{source}: expected labels of {shape_YX[0]} × {shape_YX[1]} px like the image, found "
                f"{labels.shape[0]} × {labels.shape[1]}. Does it belong to another image, or was one of them resized?",
                "wrong shape",
            )
        return Masks(_counted(labels))

    def _entry(self, name: str) -> Entry:
        if name not in self._entries:
            why = self.broken.get(name, f"it has {len(self)} images, such as {', '.join(self.names[:2])}")
            raise SomaNetError(f"{self.path}: no usable image '{name}': {why}.")
        return self._entries[name]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[LabelledImage]:
        return (self.load(name) for name in self.names)


def _counted(labels: np.ndarray) -> np.ndarray:
    """Labels with ids above 4 million, renumbered from 1: counting pixels needs an array as long as the largest."""
    if labels.max(initial=0) <= _LARGEST_COUNTED_ID:
        return labels
    ids, index = np.unique(labels, return_inverse=True)
    first = 0 if ids[0] == 0 else 1
    return (index.reshape(labels.shape) + first).astype(np.int32)


def open_dataset(path: Path | str) -> Dataset:
    """Open a data set; the layout is recognised by content. Nothing is decoded yet.

    Args:
        path: a folder or zip, possibly with one wrapping folder, of

            - Kaggle: ``<id>/images/<id>.png`` and ``<id>/masks/*.png``, one mask per object;
            - pairs: ``images/<name>.png|tif`` and ``labels/<name>.tif`` (or ``masks/``), or ``<name>.tif`` beside
              ``<name>_labels.tif``.

            A data set without masks or labels is for prediction.

    Raises:
        SomaNetError: no such path, no images, several data sets in one, or a zip that is damaged or unsafe.
    """
    return Dataset(open_source(path))
