"""Write data sets atomically and deterministically: the same images always give the same bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, check_replaced, write_json
from somanet.core.names import check_file_name
from somanet.core.swapping import scratch_folder
from somanet.io.datasets.layouts import Dataset, LabelledImage, open_dataset
from somanet.io.datasets.origins import ORIGINS_FILE, Origin, write_origins
from somanet.io.datasets.recognise import IGNORE
from somanet.io.images import write_image, write_labels

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first date a zip can hold
_DATA_SET = "a data set"
_PAIRS_CONTENT = {"images", "labels", IGNORE, ORIGINS_FILE}


def write_pairs(
    path: Path | str, items: Iterable[LabelledImage], *, origins: Mapping[str, Origin] | None = None
) -> Dataset:
    """Write ``images/<name>.png`` (uint8) or ``.tif`` (uint16, float32) and ``labels/<name>.tif``.

    Ignored pixels become ``ignore/<name>.png``, if there are any.

    Args:
        path: the folder; an older data set in the pairs layout is replaced, anything else is refused.
        items: the images, one in memory at a time.
        origins: where they were cut out, by name; becomes `crops.csv`.

    Returns:
        The data set as written.

    Raises:
        SomaNetError: no items, a name that is invalid or occurs twice, labels that do not fit their image.
    """
    path = Path(path)
    check_replaced(path, lambda child: child.name in _PAIRS_CONTENT, what=_DATA_SET)
    with atomic_path(path) as folder:
        (folder / "images").mkdir(parents=True)
        (folder / "labels").mkdir()
        for item in check_items(items, path):
            suffix = ".png" if item.image.dtype == np.uint8 else ".tif"
            write_image(folder / "images" / f"{item.name}{suffix}", item.image)
            write_labels(folder / "labels" / f"{item.name}.tif", item.labels)
            _write_ignored(folder / IGNORE / f"{item.name}.png", item)
        if origins:
            write_origins(folder, origins)
    return open_dataset(path)


PROPOSED, LABELLED = "labelling.json", "labelled.json"
"""Beside the images of a data set in the Kaggle layout: what proposed its labels; what corrected ones were made of."""


def write_kaggle(
    path: Path | str,
    items: Iterable[LabelledImage],
    *,
    labelling: Mapping[str, Any] | None = None,
    origins: Mapping[str, Origin] | None = None,
) -> Dataset:
    """Write ``<name>/images/<name>.png`` and ``<name>/masks/soma_01.png`` …: one 0/255 mask per object.

    Ignored pixels become ``<name>/ignore/<name>.png``, if there are any.

    Args:
        path: a folder, or a file ending in .zip. An older data set there is replaced, any other folder is refused.
        items: the images (uint8 or uint16), one in memory at a time.
        labelling: how the labels were made, written as :data:`LABELLED`; None writes none.
        origins: where they were cut out, by name; becomes `crops.csv`.

    Returns:
        The data set as written.

    Raises:
        SomaNetError: no items, a name that is invalid or occurs twice, labels that do not fit their image, floats.
    """
    path = Path(path)
    if path.suffix.lower() == ".zip":
        with (
            atomic_path(path) as archive,
            scratch_folder(path.parent / "kaggle") as folder,
        ):
            write_kaggle_files(folder, items, path, labelling, origins)
            zip_folder(folder, archive)
    else:
        check_replaced(
            path,
            lambda child: (child / "images").is_dir() or child.name in (LABELLED, ORIGINS_FILE),
            what=_DATA_SET,
        )
        with atomic_path(path) as folder_path:
            folder_path.mkdir()
            write_kaggle_files(folder_path, items, path, labelling, origins)
    return open_dataset(path)


def write_kaggle_files(
    folder: Path,
    items: Iterable[LabelledImage],
    path: Path,
    labelling: Mapping[str, Any] | None = None,
    origins: Mapping[str, Origin] | None = None,
) -> None:
    """Write the files of :func:`write_kaggle` into a folder that exists.

    Args:
        folder: for the files.
        items: the images.
        path: its name in messages.
        labelling, origins: as there.

    Raises:
        SomaNetError: as there.
    """
    if labelling is not None:
        write_json(folder / LABELLED, labelling)
    if origins:
        write_origins(folder, origins)
    for item in check_items(items, path):
        write_image(folder / item.name / "images" / f"{item.name}.png", item.image)
        (folder / item.name / "masks").mkdir()
        ids = np.unique(item.labels[item.labels > 0])
        # Names of equal length, so that the order of names is the order of ids.
        width = max(2, len(str(len(ids))))
        for number, label in enumerate(ids, start=1):
            mask = np.where(item.labels == label, np.uint8(255), np.uint8(0))
            write_image(folder / item.name / "masks" / f"soma_{number:0{width}d}.png", mask)
        _write_ignored(folder / item.name / IGNORE / f"{item.name}.png", item)


def _write_ignored(path: Path, item: LabelledImage) -> None:
    """Write an item's mask of ignored pixels, 0 and 255; no file if it has none."""
    if item.ignored is not None and item.ignored.any():
        path.parent.mkdir(exist_ok=True)
        write_image(path, np.where(item.ignored, np.uint8(255), np.uint8(0)))


def zip_folder(folder: Path, archive: Path) -> None:
    """Zip a folder in name order with fixed dates and permissions; uncompressed, as PNG is compressed already."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for file in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
            name = file.relative_to(folder).as_posix() + ("/" if file.is_dir() else "")
            info = zipfile.ZipInfo(name, _EARLIEST)
            info.create_system = 3  # Unix, on every system
            info.external_attr = (0o40755 << 16 | 0x10) if file.is_dir() else 0o100644 << 16
            target.writestr(info, b"" if file.is_dir() else file.read_bytes())


def check_items(items: Iterable[LabelledImage], path: Path) -> Iterator[LabelledImage]:
    """Yield the items one by one; refuse invalid or duplicate names, and labels that do not fit."""
    seen: set[str] = set()
    for item in items:
        name = item.name
        check_file_name(name, f"Cannot write {path}")
        # Two names that differ in case are one file on macOS and Windows.
        if name.lower() in seen:
            raise SomaNetError(f"Cannot write {path}: the name '{name}' occurs twice. Names must be unique.")
        seen.add(name.lower())
        if item.labels.shape != item.image.shape[:2]:
            raise SomaNetError(
                f"Cannot write {path}: the labels of '{name}' are {item.labels.shape}, the image is {item.image.shape}."
            )
        yield item
    if not seen:
        raise SomaNetError(f"Cannot write {path}: expected at least one image, found none.")
