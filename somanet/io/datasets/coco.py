"""COCO's JSON: outlines of the objects of many images, as CVAT, Roboflow and Label Studio export them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from skimage.measure import label as connected

from somanet.core.documents import parse_json
from somanet.core.limits import JSON_BYTES, TABLE_ROWS
from somanet.core.problems import FileProblem, wrong_size
from somanet.io.datasets.outlines import Mask, polygon_mask, run_length_mask
from somanet.io.datasets.sources import Source

_EXPECTED = "outlines in COCO's JSON"


@dataclass(frozen=True)
class CocoImage:
    """The objects of one image.

    Attributes:
        file: the COCO file.
        shape_YX: the image's height and width as the file states it.
        segmentations: of each object, polygons or run lengths, as stored.
        crowds: which of them are marked `iscrowd`: a group of objects in COCO's own sets, any brushed mask in CVAT.
        classes: of each, in lower case; "" where it has none.
    """

    file: str
    shape_YX: tuple[int, int]
    segmentations: tuple[Any, ...]
    crowds: tuple[bool, ...]
    classes: tuple[str, ...]

    def masks(
        self,
        source: str,
        shape_YX: tuple[int, int],
        doubts: list[str],
        only: str | None = None,
        *,
        ignored: list[Mask] | None = None,
    ) -> Iterator[tuple[str, Mask]]:
        """One mask per object, for :func:`somanet.io.datasets.masks.compose_masks`.

        Args:
            source: the file and image, for messages.
            shape_YX: the image's height and width.
            doubts: gets a line if masks marked `iscrowd` are no objects, as they are in several pieces.
            only: the class, in lower case, whose objects are wanted; all if None.
            ignored: gets those masks, whose pixels are neither one object nor background.

        Raises:
            FileProblem: the outlines are of an image of another size, or cannot be drawn.
        """
        if self.shape_YX != shape_YX:
            raise wrong_size(source, "outlines", shape_YX, self.shape_YX)
        groups = 0
        objects = zip(self.segmentations, self.crowds, self.classes, strict=True)
        for number, (segmentation, crowd, kind) in enumerate(objects, start=1):
            if only is not None and kind != only:
                continue
            place = f"{source}, object {number}"
            if isinstance(segmentation, dict):
                mask = run_length_mask(segmentation, shape_YX, place)
                if crowd and connected(mask, connectivity=2, return_num=True)[1] > 1:
                    groups += 1
                    if ignored is not None:
                        ignored.append(mask)
                else:
                    yield place, mask
            elif isinstance(segmentation, list) and segmentation:
                yield place, polygon_mask(segmentation, shape_YX, place)
            else:
                raise FileProblem(
                    f"{place}: expected an outline, found a box or a keypoint alone. Export polygons or masks.",
                    "wrong type",
                )
        if groups:
            some = f"{groups} of {len(self.segmentations)} objects are"
            doubts.append(f"{some} marked iscrowd and not in one piece: groups of objects, whose pixels are ignored")


def read_coco(source: Source, file: str) -> dict[str, CocoImage] | None:
    """The images of a COCO file by file name, without folders; None if the JSON is something else.

    Raises:
        FileProblem: not JSON, or a COCO file with an image or object that lacks its parts.
    """
    label = source.label(file)
    content = parse_json(source.read(file, _EXPECTED, JSON_BYTES), label, _EXPECTED)
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        return None
    images, objects = content["images"], content["annotations"]
    if not isinstance(images, list) or not isinstance(objects, list):
        raise _malformed(label, "images and annotations are no lists")
    TABLE_ROWS.check(len(objects), label)
    classes = _classes(content.get("categories"))
    of_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for one in objects:
        if not isinstance(one, dict) or not _is_id(one.get("image_id")):
            raise _malformed(label, f"the annotation {str(one)[:60]} has no image_id")
        of_image[one["image_id"]].append(one)
    found: dict[str, CocoImage] = {}
    for one in images:
        height, width = (one.get("height"), one.get("width")) if isinstance(one, dict) else (None, None)
        if not isinstance(height, int) or not isinstance(width, int) or not _is_id(one.get("id")):
            raise _malformed(label, f"the image {str(one)[:60]} has no id, height and width")
        name = PurePosixPath(str(one.get("file_name", "")).replace("\\", "/")).name
        if not name or name in found:
            raise _malformed(label, f"two images are called {name!r}" if name else "an image has no file_name")
        parts = of_image.pop(one["id"], [])
        found[name] = CocoImage(
            file,
            (height, width),
            tuple(part.get("segmentation") for part in parts),
            tuple(part.get("iscrowd") == 1 for part in parts),
            tuple(_class(part.get("category_id"), classes) for part in parts),
        )
    if of_image:
        raise _malformed(label, f"annotations are of the image {next(iter(of_image))!r}, which is not listed")
    return found


def _class(number: Any, classes: Mapping[str, str]) -> str:
    return "" if number is None else classes.get(str(number), f"category {number}"[:40]).casefold()


def _classes(categories: Any) -> dict[str, str]:
    """The names of classes by id as text."""
    listed = categories if isinstance(categories, list) else []
    return {str(one.get("id")): str(one.get("name")) for one in listed if isinstance(one, dict)}


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str)


def _malformed(label: str, why: str) -> FileProblem:
    return FileProblem(f"{label}: expected {_EXPECTED}, but {why}. Export it again.", "wrong type")
