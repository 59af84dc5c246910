"""Labelled images as a data set for YOLO detectors: images, a text file of objects for each, and ``data.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy.ndimage import find_objects
from skimage.measure import find_contours
from skimage.segmentation import relabel_sequential

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, check_replaced
from somanet.core.names import check_file_name
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import check_items
from somanet.io.images import write_image

CLASS_NAME = "soma"
_CONTENT = {"images", "labels", "data.yaml"}


def write_yolo(
    path: Path | str,
    parts: Mapping[str, Iterable[LabelledImage]],
    *,
    outlines: bool = False,
    repeats: Mapping[str, int] | None = None,
) -> Path:
    """Write ``images/<part>/<name>.png``, ``labels/<part>/<name>.txt``, ``<part>.txt`` and ``data.yaml``.

    A label file has one line ``0 x y width height`` per object, or its outline ``0 x y x y …``, as fractions of the
    image size; there is one class. ``<part>.txt`` lists the images of a part, which YOLO programs read instead of the
    folder.

    Args:
        path: the folder; an older data set of this kind is replaced, anything else is refused.
        parts: train, val, test, …: the images of each, uint8 YX or YXC, one in memory at a time.
        outlines: write a polygon around each object instead of its box, for instance segmentation.
        repeats: how often an image is listed, and so used per epoch; once if missing.

    Returns:
        The path of ``data.yaml``.

    Raises:
        SomaNetError: a part without images or with a name that is not a file's, invalid or duplicate names, labels
            that do not fit, images that are not 8-bit.
    """
    path = Path(path)
    check_replaced(path, lambda child: child.name in _CONTENT or child.suffix == ".txt", what="a data set for YOLO")
    for part in parts:
        check_file_name(part, f"Cannot write {path}")
    repeats = repeats or {}
    with atomic_path(path) as folder:
        for part, items in parts.items():
            (folder / "images" / part).mkdir(parents=True)
            (folder / "labels" / part).mkdir(parents=True)
            listed: list[str] = []
            for item in check_items(items, path):
                write_image(folder / "images" / part / f"{item.name}.png", _rgb(item, path))
                lines = outline_lines(item.labels) if outlines else box_lines(item.labels)
                text = "".join(f"{line}\n" for line in lines)
                (folder / "labels" / part / f"{item.name}.txt").write_text(text, encoding="ascii", newline="\n")
                listed += [f"./images/{part}/{item.name}.png\n"] * repeats.get(item.name, 1)
            (folder / f"{part}.txt").write_text("".join(listed), encoding="utf-8", newline="\n")
        about = [*(f"{part}: {part}.txt" for part in parts), "nc: 1", f"names: [{CLASS_NAME}]"]
        (folder / "data.yaml").write_text("\n".join(about) + "\n", encoding="utf-8", newline="\n")
    return path / "data.yaml"


def box_lines(labels_YX: np.ndarray) -> Iterator[str]:
    """``class x_centre y_centre width height`` of every object in order of id, as fractions of width and height."""
    height, width = labels_YX.shape
    for found in find_objects(relabel_sequential(labels_YX)[0]):
        y, x = found
        shares = (
            (x.start + x.stop) / 2 / width,
            (y.start + y.stop) / 2 / height,
            (x.stop - x.start) / width,
            (y.stop - y.start) / height,
        )
        yield " ".join(["0", *(f"{share:.8f}" for share in shares)])


def outline_lines(labels_YX: np.ndarray) -> Iterator[str]:
    """The outline ``class x y x y …`` of every object in order of id, along its pixels' edges, as fractions.

    Of an object in several parts, only the part with the longest outline is written; holes are filled.
    """
    height, width = labels_YX.shape
    sequential = relabel_sequential(labels_YX)[0]
    for number, found in enumerate(find_objects(sequential), start=1):
        y, x = found
        filled = np.pad(sequential[y, x] == number, 1).astype(np.float64)
        # Halfway between pixels: the contour of a pixel in column 3 goes from 3 to 4; the padding takes off another 1.
        outline = max(find_contours(filled, 0.5), key=len) - 0.5
        points = (f"{(x.start + px) / width:.8f} {(y.start + py) / height:.8f}" for py, px in outline.tolist())
        yield " ".join(["0", *points])


def cut_tiles(item: LabelledImage, *, size_px: int, min_visible: float = 0.25) -> Iterator[LabelledImage]:
    """Cut an image into square tiles of one size, so that objects keep their size: detectors shrink larger images.

    The tiles overlap as little as possible while covering the image. An image that is smaller along an axis is not
    padded.

    Args:
        item: the image.
        size_px: side of a tile.
        min_visible: an object with a smaller share of its area in a tile has no label there.

    Yields:
        Tiles named ``<name>_y<row>_x<column>``; the image itself if it fits into one tile.
    """
    height, width = item.labels.shape
    if height <= size_px and width <= size_px:
        yield item
        return
    area = np.bincount(item.labels.ravel())
    for y in _starts(height, size_px):
        for x in _starts(width, size_px):
            labels = item.labels[y : y + size_px, x : x + size_px]
            visible = np.bincount(labels.ravel(), minlength=len(area)) >= min_visible * area
            kept = np.where(visible[labels], labels, 0)
            yield LabelledImage(f"{item.name}_y{y}_x{x}", item.image[y : y + size_px, x : x + size_px], kept)


def _starts(length: int, size: int) -> list[int]:
    """First pixels of as few tiles as cover a length, spread evenly."""
    if length <= size:
        return [0]
    return [int(start) for start in np.linspace(0, length - size, -(-length // size)).round()]


def _rgb(item: LabelledImage, path: Path) -> np.ndarray:
    if item.image.dtype != np.uint8:
        raise SomaNetError(
            f"Cannot write {path}: '{item.name}' is {item.image.dtype.name}, and YOLO programs read 8-bit images. "
            "Choose the relevant intensity range and convert it."
        )
    image = item.image if item.image.ndim == 3 else item.image[..., None]
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
