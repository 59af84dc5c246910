"""Labelled image data sets on disk: one mask per object, label images, or outlines; in a folder or a zip."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem, wrong_size
from somanet.io.datasets.labelme import labelme_classes, labelme_masks
from somanet.io.datasets.masks import Masks, compose_masks
from somanet.io.datasets.recognise import Entry, Layout, recognise
from somanet.io.datasets.sources import Source, open_source
from somanet.io.decoding import decode_image, decode_labels
from somanet.io.label_checks import check_labels, describe_doubts
from somanet.io.label_orientation import orientation_doubt

_LARGEST_COUNTED_ID = 1 << 22


@dataclass(frozen=True)
class LabelledImage:
    """One image with one label per object.

    Attributes:
        name: the image's id, unique within its data set.
        image: YX or YXC (C = 3 or 4), uint8, uint16 or float32.
        labels: YX int32, 0 = background, 1..n = objects.
        ignored: YX, pixels that are neither object nor background, such as a cell that nobody labelled: no training
            learns from them and no score counts them. None: every pixel counts.
        doubts: what looks wrong with the labels (see :func:`somanet.io.label_checks.check_labels` and
            :func:`somanet.io.label_orientation.orientation_doubt`).
    """

    name: str
    image: np.ndarray
    labels: np.ndarray
    doubts: tuple[str, ...] = ()
    ignored: np.ndarray | None = None


def labelled_image(name: str, image: np.ndarray, masks: Masks) -> LabelledImage:
    """An image with its labels, and what looks wrong with them, also against the image."""
    doubt = orientation_doubt(image, masks.labels)
    return LabelledImage(name, image, masks.labels, (*masks.doubts, doubt) if doubt else masks.doubts, masks.ignored)


def notes_on_labels(items: Sequence[LabelledImage]) -> tuple[str, ...]:
    """What looks wrong with the labels of these images, as a line for the user; none if nothing does."""
    return describe_doubts({item.name: item.doubts for item in items})


class Dataset:
    """Images and labels by name, read on demand: memory does not grow with the data set.

    Attributes:
        path: the folder or zip.
        layout: "kaggle", "pairs", "folders", "coco" or "labelme".
        names: the images' ids, sorted.
        image_names: those, and the ids of images that lack labels, unlike others; for prediction.
        hint: why labels may be missing, and how to save them; empty if nothing is known.
        broken: ids whose files do not form one image, and why; not among ``names``.
    """

    def __init__(self, source: Source, *, binary: bool | None = None, only_class: str | None = None) -> None:
        listing = recognise(source)
        self.path: Path = source.path
        self.layout: Layout = listing.layout
        self.names: tuple[str, ...] = tuple(listing.entries)
        self.image_names: tuple[str, ...] = tuple(sorted(listing.entries | listing.unlabelled))
        self.broken: dict[str, str] = listing.broken
        self._source = source
        self._entries: dict[str, Entry] = listing.entries
        self._unlabelled: dict[str, Entry] = listing.unlabelled
        self.hint = listing.hint
        self._binary = binary
        self._only = None if only_class is None else self._known_class(only_class)

    def load(self, name: str) -> LabelledImage:
        """One image with its labels. Where masks overlap, the first in name order keeps the shared pixels.

        Raises:
            SomaNetError: no such name, no labels, a file that cannot be used, or labels that cannot be objects.
        """
        image = self.load_image(name)
        masks = self.load_masks(name, image.shape)
        return labelled_image(name, image, masks)

    def load_image(self, name: str) -> np.ndarray:
        """One image alone, YX or YXC; labels are not needed.

        Raises:
            SomaNetError: no such name, or a file that cannot be used.
        """
        return decode_image(self.image_bytes(name), self._source.label(self.image_file(name)))

    def has_labels(self, name: str | None = None) -> bool:
        """Whether an image has labels (also if they contain no object); without a name, whether all have."""
        names = self.names if name is None else (name,)
        return all(self._entry(n).labelled for n in names)

    def image_file(self, name: str) -> str:
        """The image's file, relative to the data set."""
        return (self._unlabelled.get(name) or self._entry(name)).image

    def image_bytes(self, name: str) -> bytes:
        """The image file's bytes as stored."""
        return self._source.read(self.image_file(name))

    def load_masks(self, name: str, shape: tuple[int, ...]) -> Masks:
        """The labels of one image, with a record of overlaps and other defects.

        Args:
            name: the image's id.
            shape: the image's shape, whose height and width the labels must have.

        Raises:
            SomaNetError: no labels, a file that cannot be used, a different shape, or labels that cannot be objects.
        """
        masks, place = self._stored_masks(self._entry(name), name, (shape[0], shape[1]))
        checked = check_labels(masks.labels, place, binary=self._binary)
        ignored = self._ignored(self._entry(name), masks.ignored, (shape[0], shape[1]))
        return replace(masks, labels=checked.labels, doubts=(*masks.doubts, *checked.doubts), ignored=ignored)

    def _ignored(self, entry: Entry, known: np.ndarray | None, shape_YX: tuple[int, int]) -> np.ndarray | None:
        """Pixels known to be ignored, and those of an image's masks of such pixels; None if there are none."""
        ignored = np.zeros(shape_YX, bool) if known is None else known.copy()
        for file in entry.ignored:
            source = self._source.label(file)
            mask = decode_labels(self._source.read(file), source)
            if mask.shape != shape_YX:
                raise wrong_size(source, "a mask of ignored pixels", shape_YX, (mask.shape[0], mask.shape[1]))
            ignored |= mask > 0
        return ignored if ignored.any() else None

    def _stored_masks(self, entry: Entry, name: str, shape_YX: tuple[int, int]) -> tuple[Masks, str]:
        """The labels as stored, and where."""
        if entry.masks is not None:
            sources = [(self._source.label(file), file) for file in entry.masks]
            masks = ((source, decode_image(self._source.read(file), source)) for source, file in sources)
            return compose_masks(masks, shape_YX), sources[0][0] if len(sources) == 1 else f"{self.path}, {name}"
        if entry.labelme is not None:
            place = self._source.label(entry.labelme)
            self._check_classes(place)
            outlines = labelme_masks(self._source, entry.labelme, name, shape_YX, self.image_names, self._only)
            return compose_masks(outlines, shape_YX), place
        if entry.coco is not None:
            place = f"{self._source.label(entry.coco.file)}, {name}"
            self._check_classes(self._source.label(entry.coco.file))
            doubts: list[str] = []
            groups: list[np.ndarray] = []
            objects = entry.coco.masks(place, shape_YX, doubts, self._only, ignored=groups)
            masks_of_image = compose_masks(objects, shape_YX)
            in_groups = np.logical_or.reduce([mask > 0 for mask in groups]) & (masks_of_image.labels == 0)
            ignored = in_groups if in_groups.any() else None
            return replace(masks_of_image, doubts=tuple(doubts), ignored=ignored), place
        if entry.label is None:
            hint = f"{self.hint}." if self.hint else "Use it for prediction, or label it first."
            raise SomaNetError(f"{self.path}: image '{name}' has no labels. {hint}")
        source = self._source.label(entry.label)
        labels = decode_labels(self._source.read(entry.label), source)
        if labels.shape != shape_YX:
            raise wrong_size(source, "labels", shape_YX, (labels.shape[0], labels.shape[1]))
        return Masks(_counted(labels)), source

    @cached_property
    def _classes(self) -> Counter[str]:
        """How many objects are outlined, by the class they are given, in all images."""
        found: Counter[str] = Counter()
        for entry in self._entries.values():
            if entry.coco is not None:
                found.update(name for name in entry.coco.classes if name)
            elif entry.labelme is not None:
                with suppress(FileProblem):  # said of its own image
                    found.update(labelme_classes(self._source, entry.labelme))
        return found

    def _known_class(self, wanted: str) -> str:
        """The class as it is counted, of those that the outlines have."""
        if self.layout not in ("coco", "labelme"):
            raise SomaNetError(
                f"{self.path}: --class chooses among outlines of several classes (COCO, Labelme), found a data set "
                "without classes. Leave it out."
            )
        name = wanted.strip().casefold()
        if name not in self._classes:
            raise SomaNetError(f"{self.path}: expected outlines of the class {wanted!r}, found {self._counts()}.")
        return name

    def _counts(self) -> str:
        return ", ".join(f"{count} {name[:40]!r}" for name, count in self._classes.most_common(5))

    def _check_classes(self, place: str) -> None:
        if len(self._classes) > 1 and self._only is None:
            most = self._classes.most_common(1)[0][0]
            raise FileProblem(
                f"{place}: expected outlines of somas alone, found {len(self._classes)} classes in the data set: "
                f"{self._counts()}. Choose one, such as --class {shlex.quote(most[:40])}; if all are somas, give them "
                "one class.",
                "several classes",
            )

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


def open_dataset(path: Path | str, *, binary: bool | None = None, only_class: str | None = None) -> Dataset:
    """Open a data set; the layout is recognised by content. Nothing is decoded yet.

    Args:
        path: a folder or zip, possibly with one wrapping folder, of

            - Kaggle: ``<id>/images/<id>.png`` and ``<id>/masks/*.png``, one mask per object;
            - pairs: ``images/<name>.png|tif`` and ``labels/<name>.tif`` (or ``masks/``), or ``<name>.tif`` beside
              ``<name>_labels.tif``, ``<name>_cp_masks.tif`` (Cellpose), ``<name>_masks.tif`` or ``<name>_mask.tif``;
            - folders: ``<name>/image.png`` and ``<name>/mask.png``;
            - COCO: images, and one JSON of the objects of all of them;
            - Labelme: ``<name>.png`` and ``<name>.json``.

            A data set without masks or labels is for prediction. Pixels that are neither object nor background:
            ``ignore/<name>.png`` beside ``images/``, or ``<id>/ignore/*.png`` in the Kaggle layout, above 0.
        binary: what a label image with a single value shows (see :func:`somanet.io.label_checks.check_labels`).
        only_class: of outlines of several classes, the one whose objects are the labels; capitals do not matter.

    Raises:
        SomaNetError: no such path, no images, several data sets in one, a zip that is damaged or unsafe, or a class
            that it does not have.
    """
    return Dataset(open_source(path), binary=binary, only_class=only_class)
