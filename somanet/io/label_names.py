"""How labelling programs name a label image: after its image, with an ending."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

SURE = ("_labels", "_cp_masks")
"""Nobody names an image so; Cellpose writes `cell_cp_masks.tif` for `cell.tif`."""
LIKELY = (
    *("_masks", "_mask", "-mask", "_label", "-labels", "_lbl", "-lbl", "_segmentation"),
    *("_stardist_labels", "_Object Identities", "_Simple Segmentation"),
)
"""Of a label image where an image of the rest of the name lies beside it, or no other.

MorphoLibJ writes `-lbl`, ilastik `_Object Identities`.
"""
BESIDE = ("_seg", "_gt")
"""Of a label image only where an image of the rest of the name lies beside it: they may mean much else."""
PICTURES = (
    *("_outlines_cp_masks", "_flows_cp_masks", "_cp_outlines", "_cp_output", "_cp_flows", "_flows"),
    *("_outlines", "_dP", "_dP_cp_masks", "_cp_ncolor_masks"),
)
"""Of pictures and flows that Cellpose and Omnipose write: neither images nor labels."""
IMAGE_ENDINGS = ("_img", "_image")
"""Of images beside `_masks`."""
PICKLE_ENDING = "_seg.npy"
"""Of Cellpose's own files, which are pickles: to open one is to run the program in it."""


def bare_name(stem: str, endings: Iterable[str] = (*SURE, *LIKELY, *BESIDE)) -> str:
    """The name of the image that a label image belongs to: `cell` for `cell_cp_masks`; capitals do not matter."""
    longest = max((ending for ending in endings if _ends(stem, ending)), key=len, default="")
    return stem[: len(stem) - len(longest)]


def image_name(stem: str) -> str:
    """The name of an image without an ending that says that it is one: `cell` for `cell_img`."""
    return bare_name(stem, IMAGE_ENDINGS)


def sort_out(files: Iterable[PurePosixPath]) -> tuple[list[PurePosixPath], dict[PurePosixPath, str]]:
    """Tell images from label images in one folder.

    Returns:
        The images, and the label images with the name of the image that each belongs to.
    """
    files = list(files)
    stems = {_composed(one) for file in files for one in (file.stem, image_name(file.stem))}
    files = [file for file in files if not any(_belongs(file.stem, ending, stems) for ending in PICTURES)]
    alone = all(bare_name(file.stem, (*SURE, *LIKELY)) != file.stem for file in files)
    beside = {ending for ending in (*LIKELY, *BESIDE) if any(_belongs(file.stem, ending, stems) for file in files)}
    used = (*SURE, *(beside | set(LIKELY) if alone else beside))
    labels = {file: name for file in files if (name := bare_name(file.stem, used)) != file.stem and name}
    return [file for file in files if file not in labels], labels


def _ends(stem: str, ending: str) -> bool:
    return stem.casefold().endswith(ending.casefold())


def _belongs(stem: str, ending: str, stems: set[str]) -> bool:
    return _ends(stem, ending) and _composed(stem[: -len(ending)]) in stems


def _composed(stem: str) -> str:
    """Accents as one character with their letter, as only some systems store them."""
    return unicodedata.normalize("NFC", stem)
