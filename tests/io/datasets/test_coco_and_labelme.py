"""Outlines as labelling programs write them: COCO and Labelme, and the classes that they name."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.manifest import check_dataset
from somanet.io.images import encode_png
from tests.io.datasets.drawn import LABELS, image, write_images

A = [[8, 8], [32, 8], [32, 32], [8, 32]]
B = [[64, 8], [80, 8], [80, 40], [64, 40]]


def coco(**changes: object) -> dict:
    flat = [[float(value) for point in outline for value in point] for outline in (A, B)]
    return {
        "images": [{"id": 7, "file_name": "sub/a.png", "height": 64, "width": 96}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0, "segmentation": [flat[0]]},
            {"id": 2, "image_id": 7, "category_id": 1, "segmentation": [flat[1]]},
            {"id": 3, "image_id": 7, "iscrowd": 1, "segmentation": {"size": [64, 96], "counts": [6144]}},
        ],
        "categories": [{"id": 1, "name": "soma"}],
    } | changes


def labelme(*shapes: dict, **changes: object) -> dict:
    return {"version": "5.4.1", "shapes": list(shapes), "imageHeight": 64, "imageWidth": 96} | changes


def shape(points: list, kind: str = "polygon", **more: object) -> dict:
    return {"label": "soma", "points": points, "group_id": None, "shape_type": kind, **more}


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("picture", "file"),
    [
        ("a.png", "_annotations.coco.json"),
        ("images/a.png", "annotations/instances_default.json"),
        ("images/a.png", "result.json"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_coco_is_read(tmp_path: Path, picture: str, file: str, packed: bool) -> None:
    write_images(tmp_path / "set", picture)
    write_json(tmp_path / "set" / file, coco())
    path = tmp_path / "set"
    if packed:
        path = Path(shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "set"))
    dataset = open_dataset(path)
    assert (dataset.layout, dataset.names) == ("coco", ("a",))
    np.testing.assert_array_equal(dataset.load("a").labels, LABELS)
    assert check_dataset(path)["n_objects"].tolist() == [2]


def test_an_image_without_objects_has_labels_and_one_that_is_not_listed_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png", "c.png")
    images = [{"id": n, "file_name": f"{n}.png", "height": 64, "width": 96} for n in ("a", "b", "d")]
    write_json(tmp_path / "x.json", coco(images=images, annotations=[]))
    dataset = open_dataset(tmp_path)
    assert dataset.load("b").labels.max() == 0
    assert (dataset.names, dataset.image_names) == (("a", "b"), ("a", "b", "c"))
    assert dataset.broken == {
        "c": "the image c.png is not in the COCO file x.json",
        "d": "d.png, named in x.json, is not in .",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            coco(images=[{"id": 7, "file_name": "a.png", "height": 32, "width": 48}]),
            "64 × 96 px like the image.*32 × 48",
        ),
        (coco(images=[{"id": 7, "file_name": "a.png"}]), "no id, height and width"),
        (coco(images=[]), "of the image 7, which is not listed"),
        (coco(annotations=[{"segmentation": []}]), "no image_id"),
        (coco(annotations={"a": 1}), "no lists"),
        (coco(annotations=[{"image_id": 7, "bbox": [1, 2, 3, 4]}]), "a box or a keypoint alone"),
        (coco(annotations=[{"image_id": [7]}]), "no image_id"),
        (coco(images=[3]), "no id, height and width"),
    ],
)
def test_a_coco_file_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, content: dict, words: str) -> None:
    write_images(tmp_path, "a.png")
    write_json(tmp_path / "x.json", content)
    with pytest.raises(SomaNetError, match=words) as caught:
        open_dataset(tmp_path).load("a")
    assert "\n" not in str(caught.value)


def test_other_json_is_left_alone(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    write_json(tmp_path / "settings.json", {"threshold": 3})
    assert open_dataset(tmp_path).layout == "pairs"
    (tmp_path / "settings.json").write_text('{"threshold": 3,')
    assert open_dataset(tmp_path).names == ("a",)
    with pytest.raises(SomaNetError, match=r"no labels.*settings\.json is not JSON"):
        open_dataset(tmp_path).load("a")


def test_labelme_is_read(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    write_images(tmp_path, "b.png")
    write_json(tmp_path / "a.json", labelme(shape(A), shape([[64, 8], [80, 40]], "rectangle")))
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.names, dataset.image_names) == ("labelme", ("a",), ("a", "b"))
    assert dataset.broken == {"b": "the image b.png has no JSON of outlines, unlike others"}
    np.testing.assert_array_equal(dataset.load("a").labels, LABELS)


def test_shapes_of_one_group_are_one_object_and_a_mask_lies_in_its_box(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    upper, lower = ([[x, y] for x, y in ((8, top), (32, top), (32, end), (8, end))] for top, end in ((8, 20), (20, 32)))
    png = base64.b64encode(encode_png(np.full((32, 16), 1, np.uint8), "x")).decode()
    content = labelme(shape(upper, group_id=1), shape([[64, 8], [79, 39]], "mask", mask=png), shape(lower, group_id=1))
    write_json(tmp_path / "a.json", content)
    np.testing.assert_array_equal(open_dataset(tmp_path).load("a").labels, LABELS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"boxes": []}, "found no 'shapes'"),
        ([], "found no 'shapes'"),
        (labelme(shape(A), imageHeight=32, imageWidth=48), "32 × 48"),
        (labelme(shape([[3, 4]], "point")), "expected an area .*'point'"),
        (labelme(shape([[3, "4"], [5, 6], [7, 8]])), "pairs of x and y"),
        (labelme(shape([[1, 2], [3, 4]], "mask", mask="no base64!")), "PNG in base64"),
        (labelme(shape([[1, 2], [3, 4]], "mask")), "PNG in base64"),
        (labelme(shape([[1, 2], [3, 4], [1e7, 8]])), "within 96 × 64 px"),
        (labelme(shape([[5, 5], [1e300, 1e300]], "circle")), "within 96 × 64 px"),
    ],
)
def test_a_labelme_file_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, content: object, words: str) -> None:
    write_images(tmp_path, "a.png")
    write_json(tmp_path / "a.json", content)
    with pytest.raises(SomaNetError, match=words) as caught:
        open_dataset(tmp_path).load("a")
    assert "\n" not in str(caught.value)


def runs(labels: np.ndarray, number: int | None = None) -> dict:
    """COCO's run lengths of one object, or of all."""
    columns = (labels > 0 if number is None else labels == number).T.ravel().astype(int)
    edges = [0, *(np.flatnonzero(np.diff(columns)) + 1).tolist(), columns.size]
    lengths = np.diff(edges).tolist()
    return {"size": list(labels.shape), "counts": lengths if columns[0] == 0 else [0, *lengths]}


def annotation(segmentation: object, **more: object) -> dict:
    return {"image_id": 7, "category_id": 1, "iscrowd": 0, "segmentation": segmentation, **more}


def test_a_brushed_mask_that_cvat_marks_as_a_crowd_is_an_object(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    objects = [annotation(runs(LABELS, 1), iscrowd=1), annotation(runs(LABELS, 2), iscrowd=1)]
    write_json(tmp_path / "x.json", coco(annotations=objects))
    item = open_dataset(tmp_path).load("a")
    np.testing.assert_array_equal(item.labels, LABELS)
    assert item.doubts == ()


def test_a_group_of_objects_is_ignored_and_counted(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    objects = [annotation(runs(LABELS, 1)), annotation(runs(LABELS), iscrowd=1)]
    write_json(tmp_path / "x.json", coco(annotations=objects))
    item = open_dataset(tmp_path).load("a")
    np.testing.assert_array_equal(item.labels, LABELS == 1)
    said = "1 of 2 objects are marked iscrowd and not in one piece: groups of objects, whose pixels are ignored"
    assert item.doubts == (said,)
    np.testing.assert_array_equal(item.ignored, LABELS == 2)  # of the group what is no object of its own
    [note] = check_dataset(tmp_path)["note"]
    assert item.doubts[0] in note


CLASSES = [{"id": 1, "name": "soma"}, {"id": 2, "name": "debris"}, {"id": 3, "name": "Soma"}, {"id": 4, "name": "x"}]


def test_classes_of_coco_are_not_merged(tmp_path: Path) -> None:
    """Those that are not used do not count, nor do capitals."""
    write_images(tmp_path, "a.png")
    file = tmp_path / "x.json"
    objects = [annotation(runs(LABELS, 1)), annotation(runs(LABELS, 2), category_id=3)]
    write_json(file, coco(annotations=objects, categories=CLASSES))
    np.testing.assert_array_equal(open_dataset(tmp_path).load("a").labels, LABELS)
    objects.append(annotation(runs(LABELS, 2), category_id=2))
    write_json(file, coco(annotations=objects, categories=CLASSES))
    with pytest.raises(SomaNetError, match=r"x\.json: .* found 2 classes in the data set: 2 'soma', 1 'debris'\. "):
        open_dataset(tmp_path).load("a")
    assert check_dataset(tmp_path)["reason"].tolist() == ["mask several classes"]
    assert check_dataset(tmp_path, only_class="SOMA")["n_objects"].tolist() == [2]
    np.testing.assert_array_equal(open_dataset(tmp_path).load_image("a"), image())
    write_json(file, coco(annotations=objects[:2], categories=CLASSES))  # as the message advises
    assert open_dataset(tmp_path).load("a").labels.max() == 2


def test_classes_of_labelme_are_not_merged_even_if_each_image_has_one(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    write_json(tmp_path / "a.json", labelme(shape(A, label="soma_1"), shape(B, label="Soma 2")))
    write_json(tmp_path / "b.json", labelme(shape(B, label="soma")))
    np.testing.assert_array_equal(open_dataset(tmp_path).load("a").labels, LABELS)
    write_json(tmp_path / "b.json", labelme(shape(B, label="artifact")))
    with pytest.raises(SomaNetError, match=r"a\.json: .* found 2 classes in the data set: 2 'soma', 1 'artifact'\. "):
        open_dataset(tmp_path).load("a")


def test_one_class_of_several_is_used_alone(tmp_path: Path) -> None:
    """Of two objects of Labelme's soma and one of debris in a; b has debris alone, and so no object."""
    write_images(tmp_path, "a.png", "b.png")
    write_json(tmp_path / "a.json", labelme(shape(A, label="soma_1"), shape(B, label="debris")))
    write_json(tmp_path / "b.json", labelme(shape(B, label="Debris 2")))
    somas = open_dataset(tmp_path, only_class="Soma")
    np.testing.assert_array_equal(somas.load("a").labels, LABELS == 1)
    assert somas.load("b").labels.max() == 0
    np.testing.assert_array_equal(open_dataset(tmp_path, only_class="debris").load("b").labels, LABELS == 2)
    with pytest.raises(SomaNetError, match=r"of the class 'cell', found 2 'debris', 1 'soma'"):
        open_dataset(tmp_path, only_class="cell")


def test_a_class_of_a_set_without_classes_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    with pytest.raises(SomaNetError, match="--class chooses among outlines"):
        open_dataset(tmp_path, only_class="soma")


def test_outlines_of_another_image_are_refused(tmp_path: Path) -> None:
    """Unless the image that they name is not here: both files were renamed."""
    write_images(tmp_path, "a.png", "b.png")
    write_json(tmp_path / "a.json", labelme(shape(A), imagePath="B.jpg"))
    write_json(tmp_path / "b.json", labelme(shape(A), imagePath="..\\images\\old.png"))
    with pytest.raises(SomaNetError, match=r"a\.json: expected outlines of the image 'a', but .* that of 'B'"):
        open_dataset(tmp_path).load("a")
    assert open_dataset(tmp_path).load("b").labels.max() == 1
    write_json(tmp_path / "a.json", labelme(shape(A), imagePath="../a.png"))  # as the message advises
    assert open_dataset(tmp_path).load("a").labels.max() == 1


def test_outlines_without_images_are_named(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", labelme(shape(A)))
    with pytest.raises(SomaNetError, match=r"found 1 JSON files, such as a\.json, without their images"):
        open_dataset(tmp_path)
