"""Ignored pixels of images as a small file of outlines, apart from the images: data that a project can commit.

An image is known by the hash of its pixels, so that the outlines hold for every lossless copy, under any name or
layout, and for no other image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from somanet.core.files import read_json, write_json
from somanet.core.problems import FileProblem
from somanet.io.datasets.layouts import LabelledImage

FORMAT = 1
_FIELDS = ("reason", "outline_yx")


@dataclass(frozen=True)
class Region:
    """Pixels that are neither object nor background.

    Attributes:
        reason: why, in a word or a line.
        outline_yx: the outermost pixels (y, x) in order; they and all within are ignored.
    """

    reason: str
    outline_yx: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ImageRegions:
    """The regions of one image, by the hash of its pixels; the name is for people."""

    name: str
    pixels_sha256: str
    regions: tuple[Region, ...]


def pixels_sha256(image: np.ndarray) -> str:
    """The hash of an image's shape, type and pixels, whatever file they were in."""
    return hashlib.sha256(f"{image.shape} {image.dtype} ".encode() + image.tobytes()).hexdigest()


def regions_of(mask_YX: NDArray[np.bool_], reason: str) -> list[Region]:
    """The pieces of a mask as regions; their holes are filled."""
    outlines, _ = cv2.findContours(mask_YX.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [Region(reason, tuple((int(y), int(x)) for x, y in outline[:, 0])) for outline in outlines]


def draw_regions(regions: Iterable[Region], shape_YX: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of regions, YX."""
    mask = np.zeros(shape_YX, np.uint8)
    for region in regions:
        points = np.array(region.outline_yx, np.int32)[:, ::-1]
        cv2.drawContours(mask, [np.ascontiguousarray(points)[:, None]], -1, 1, cv2.FILLED)
    return mask > 0


def write_regions(
    path: Path, images: Iterable[ImageRegions], about: Mapping[str, Any], *, updates: bool = False
) -> None:
    """Write regions as JSON, in the order of the images' names.

    Args:
        path: the file.
        images: with their regions.
        about: how they were found, for people.
        updates: as for :func:`somanet.core.files.atomic_path`.
    """
    write_json(
        path,
        {
            "format": FORMAT,
            **about,
            "images": [
                {
                    "name": one.name,
                    "pixels_sha256": one.pixels_sha256,
                    "regions": [
                        {"reason": region.reason, "outline_yx": " ".join(f"{y},{x}" for y, x in region.outline_yx)}
                        for region in one.regions
                    ],
                }
                for one in sorted(images, key=lambda one: one.name)
            ],
        },
        updates=updates,
    )


def read_regions(path: Path) -> dict[str, ImageRegions]:
    """Regions of :func:`write_regions` by the hash of their image's pixels.

    Raises:
        SomaNetError: the file is missing, no such file of regions, or of a later format.
    """
    found = read_json(path, expected="regions of ignored pixels", keys=("format", "images"))
    if found["format"] != FORMAT or not isinstance(found["images"], list):
        raise FileProblem(
            f"{path}: expected regions of ignored pixels of format {FORMAT}, found {str(found['format'])[:20]!r}. "
            "Was it written by a later version of SomaNet?",
            "wrong type",
        )
    images = [_image(one, path) for one in found["images"]]
    return {one.pixels_sha256: one for one in images}


def with_regions(items: Iterable[LabelledImage], regions: Mapping[str, ImageRegions]) -> Iterator[LabelledImage]:
    """Images with their regions added to the pixels that are ignored already; others as they are."""
    for item in items:
        known = regions.get(pixels_sha256(item.image))
        if known is None or not known.regions:
            yield item
            continue
        ignored = draw_regions(known.regions, (item.labels.shape[0], item.labels.shape[1]))
        yield replace(item, ignored=ignored if item.ignored is None else ignored | item.ignored)


def _image(given: Any, path: Path) -> ImageRegions:
    try:
        regions = tuple(Region(str(one["reason"]), _points(one["outline_yx"])) for one in given["regions"])
        return ImageRegions(str(given["name"]), str(given["pixels_sha256"]), regions)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileProblem(
            f"{path}: expected images with name, pixels_sha256 and regions of {' and '.join(_FIELDS)} such as "
            f"'3,4 3,9 8,9', found something else ({type(error).__name__}: {str(error)[:60]}). Was it edited?",
            "wrong type",
        ) from error


def _points(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [pair.split(",") for pair in text.split()]
    points = tuple((int(y), int(x)) for y, x in pairs)
    if not points or min(min(point) for point in points) < 0 or max(max(point) for point in points) > 1 << 20:
        raise ValueError(f"no outline: {text[:30]!r}")
    return points
