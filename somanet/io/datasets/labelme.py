"""Labelme's JSON: the outlines of one image."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import PureWindowsPath
from typing import Any

import numpy as np

from somanet.core.documents import parse_json
from somanet.core.limits import JSON_BYTES
from somanet.core.problems import FileProblem, wrong_size
from somanet.io.datasets.outlines import Mask, ellipse, polygon_mask
from somanet.io.datasets.sources import Source
from somanet.io.decoding import decode_image

_EXPECTED = "outlines in Labelme's JSON"
_DRAWN = "polygon, rectangle, circle or mask"


def labelme_masks(
    source: Source,
    file: str,
    name: str,
    shape_YX: tuple[int, int],
    others: Collection[str],
    only: str | None = None,
) -> Iterator[tuple[str, Mask]]:
    """One mask per object, for :func:`somanet.io.datasets.masks.compose_masks`; shapes of one group are one object.

    Args:
        source: the data set.
        file: the JSON.
        name: its image's name, without suffix.
        shape_YX: the image's height and width.
        others: the names of all images of the data set.
        only: the class whose shapes are wanted, as from :func:`labelme_classes`; all if None.

    Raises:
        FileProblem: not Labelme's JSON, of another image or one of another size, or a shape without an area, such as a
            point.
    """
    label = source.label(file)
    content, shapes = _read(source, file)
    drawn_on = PureWindowsPath(str(content.get("imagePath") or "")).stem  # with slashes of either kind
    if _plain(drawn_on) != _plain(name) and _plain(drawn_on) in map(_plain, others):
        raise FileProblem(
            f"{label}: expected outlines of the image {name!r}, but its imagePath is that of {drawn_on!r}, another "
            "image here. Were files renamed or mixed up? Give each JSON the name of the image that it was drawn on, "
            "or correct imagePath.",
            "wrong type",
        )
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if height is not None and width is not None and (height, width) != shape_YX:
        raise wrong_size(label, "outlines", shape_YX, (height, width))
    groups: dict[object, list[tuple[str, dict[str, Any]]]] = {}
    for number, shape in enumerate(shapes, start=1):
        if only is not None and _class(shape) != only:
            continue
        group = shape.get("group_id")
        key = (number, "alone") if group is None else (str(group), str(shape.get("label")))
        groups.setdefault(key, []).append((f"{label}, shape {number}", shape))
    for parts in groups.values():
        masks = [_mask(shape, shape_YX, place) for place, shape in parts]
        yield parts[0][0], np.maximum.reduce(masks)


def labelme_classes(source: Source, file: str) -> list[str]:
    """The class of each shape in lower case, without a number at its end: `soma_1` and `Soma_2` are two somas.

    Raises:
        FileProblem: not Labelme's JSON.
    """
    return [_class(shape) for shape in _read(source, file)[1]]


def _class(shape: dict[str, Any]) -> str:
    return str(shape.get("label")).rstrip("0123456789 _-#.").casefold()


def _read(source: Source, file: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    label = source.label(file)
    content = parse_json(source.read(file, _EXPECTED, JSON_BYTES), label, _EXPECTED)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise FileProblem(
            f"{label}: expected {_EXPECTED}, found no 'shapes'. Is it another program's? Save masks as TIFF."
        )
    return content, shapes


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _mask(shape: dict[str, Any], shape_YX: tuple[int, int], place: str) -> Mask:
    kind = shape.get("shape_type", "polygon")
    points = shape.get("points")
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 and all(isinstance(value, int | float) for value in point)
        for point in points
    ):
        raise FileProblem(f"{place}: expected points as pairs of x and y, found {str(points)[:60]}. Draw it again.")
    if kind == "polygon":
        return polygon_mask([[value for point in points for value in point]], shape_YX, place)
    if kind in ("rectangle", "circle", "mask") and len(points) == 2:
        (x0, y0), (x1, y1) = points
        if kind == "rectangle":
            return polygon_mask([[x0, y0, x1, y0, x1, y1, x0, y1]], shape_YX, place)
        if kind == "circle":  # its centre, and a point of its rim
            return polygon_mask([ellipse(y0, x0, float(np.hypot(x1 - x0, y1 - y0)))], shape_YX, place)
        return _pasted(shape.get("mask"), round(y0), round(x0), shape_YX, place)
    raise FileProblem(
        f"{place}: expected an area ({_DRAWN}), found {str(kind)[:20]!r}. Draw its outline, or remove it.", "wrong type"
    )


def _pasted(data: Any, top: int, left: int, shape_YX: tuple[int, int], place: str) -> Mask:
    """A mask stored as a picture of its box."""
    try:
        picture = base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise FileProblem(f"{place}: expected a mask as a PNG in base64, found none. Draw it again.") from error
    part = decode_image(picture, place)
    mask = np.zeros(shape_YX, np.uint8)
    height, width = part.shape[:2]
    if part.ndim != 2 or top < 0 or left < 0 or top + height > shape_YX[0] or left + width > shape_YX[1]:
        raise FileProblem(
            f"{place}: expected a mask within {shape_YX[0]} × {shape_YX[1]} px, found {height} × {width} px "
            f"at y = {top}, x = {left}. Does it belong to another image, or was one of them resized?",
            "wrong shape",
        )
    mask[top : top + height, left : left + width] = part > 0
    return mask
