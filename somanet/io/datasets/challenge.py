"""Folders of the Cell Tracking Challenge: images in ``01``, labels in ``01_GT/SEG`` or, by programs, ``01_ST/SEG``."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

_TRUTHS = ("_GT", "_ST")
"""Drawn by people, and agreed on by programs; a sequence that has the former is not labelled by the latter."""
_IMAGE, _LABELS = re.compile(r"t(\d+)"), re.compile(r"man_seg_?(\d+)")


def challenge_files(
    files: Collection[PurePosixPath],
) -> dict[str, tuple[PurePosixPath | None, PurePosixPath | None]] | None:
    """The image and the label image of each name, such as ``01_t003``; either can be missing. None: another layout.

    Sequences beside them that have no labels count, too. Labels of single planes (``man_seg_000_012.tif``) are no label
    images of an image, and belong to none.
    """
    folders = {file.parent for file in files if file.parent.name == "SEG"}
    truths = {
        folder.parent.with_name(folder.parent.name.removesuffix(ending)): folder
        for ending in reversed(_TRUTHS)
        for folder in sorted(folders)
        if folder.parent.name.endswith(ending) and folder.parent.name != ending
    }
    places = {sequence.parent for sequence in truths}
    found: dict[str, tuple[PurePosixPath | None, PurePosixPath | None]] = {}
    n_images = 0
    for file in files:
        if file.parent.parent in places and (match := _IMAGE.fullmatch(file.stem)):
            name = f"{file.parent.name}_t{match[1]}"
            found[name] = (file, found.get(name, (None, None))[1])
            n_images += 1
    for sequence, folder in truths.items():
        for file in files:
            if file.parent == folder and (match := _LABELS.fullmatch(file.stem)):
                name = f"{sequence.name}_t{match[1]}"
                found[name] = (found.get(name, (None, None))[0], file)
    return dict(sorted(found.items())) if n_images else None
