"""Data sets as labelling programs write them: Cellpose, one folder per image, colours."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.manifest import check_dataset, describe_manifest, pack_dataset
from somanet.io.images import read_image, read_labels, write_image, write_labels
from somanet.segmentation.inference.ground_truth import read_ground_truth, read_predictions
from tests.io.datasets.drawn import LABELS, image, write_images


@pytest.mark.parametrize(
    ("picture", "labels"),
    [
        ("a.tif", "a_cp_masks.tif"),
        ("a.png", "a_cp_masks.png"),
        ("a_img.png", "a_masks.png"),
        ("a.tif", "a_mask.png"),
        ("a.png", "a_label.tif"),
        ("a.tif", "a_labels.tif"),
        ("a.tif", "a_Object Identities.tif"),
        ("a.tif", "a_Simple Segmentation.tif"),
        ("a.tif", "a_stardist_labels.tif"),
        ("a.tif", "a-lbl.tif"),
        ("a.tif", "a_segmentation.png"),
        ("a.tif", "a_gt.tif"),
        ("a.tif", "a_SEG.tif"),
        ("a_img.png", "a_Masks.png"),
        ("images/a.tif", "labels/a_gt.png"),
        ("images/a.tif", "masks/a_cp_masks.png"),
        ("images/a.tif", "labels/a_mask.tif"),
        ("a/image.png", "a/mask.png"),
        ("set/a/image.tif", "set/a/labels.tif"),
        ("a/img.tif", "a/masks.tif"),
    ],
)
def test_label_images_are_found_by_name(tmp_path: Path, picture: str, labels: str) -> None:
    write_images(tmp_path, picture)
    (tmp_path / labels).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(LABELS.astype(np.uint16)).save(tmp_path / labels)
    dataset = open_dataset(tmp_path)
    assert (dataset.names, dataset.broken) == (("a",), {})
    np.testing.assert_array_equal(dataset.load("a").labels, LABELS)
    np.testing.assert_array_equal(dataset.load("a").image, image())


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("picture", "labels"),
    [("images/é.tif", "labels/é.tif"), ("images/é.tif", "masks/é_cp_masks.png"), ("é.tif", "é_masks.tif")],
)
def test_accents_may_be_stored_in_two_ways(
    tmp_path: Path, picture: str, labels: str, form: Literal["NFC", "NFD"]
) -> None:
    """As one character, and by macOS as a letter and its accent: the image one way, its labels the other."""
    other: Literal["NFC", "NFD"] = "NFD" if form == "NFC" else "NFC"
    picture, labels = unicodedata.normalize(form, picture), unicodedata.normalize(other, labels)
    for file in (picture, labels):
        (tmp_path / "set" / file).parent.mkdir(parents=True, exist_ok=True)
    write_images(tmp_path / "set", picture)
    Image.fromarray(LABELS.astype(np.uint16)).save(tmp_path / "set" / labels)
    dataset = open_dataset(tmp_path / "set")
    assert (dataset.names, dataset.broken) == ((unicodedata.normalize(form, "é"),), {})
    predicted = tmp_path / "predicted"
    predicted.mkdir()
    write_labels(predicted / unicodedata.normalize(other, "é.tif"), LABELS)
    truth = read_ground_truth(tmp_path / "set")
    np.testing.assert_array_equal(read_predictions(predicted, truth)[dataset.names[0]].labels, LABELS)


def test_pictures_of_cellpose_are_neither_images_nor_labels(tmp_path: Path) -> None:
    drawn = ("a_outlines_cp_masks.png", "a_cp_output.png", "a_flows_cp_masks.tif", "b_flows.tif", "b_outlines.png")
    write_images(tmp_path, "a.png", "b.png", *drawn, "a_dP.tif", "b_dP_cp_masks.tif", "b_cp_ncolor_masks.png")
    for name in ("a", "b"):
        write_labels(tmp_path / f"{name}_cp_masks.tif", LABELS)
    dataset = open_dataset(tmp_path)
    assert (dataset.names, dataset.broken) == (("a", "b"), {})


def test_an_image_called_mask_without_its_image_stays_an_image(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "treated_mask.png")
    assert open_dataset(tmp_path).names == ("a", "treated_mask")


def test_a_missing_partner_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    for name in ("a", "c"):
        write_labels(tmp_path / f"{name}_cp_masks.tif", LABELS)
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("a",)
    assert dataset.broken["b"] == "the image b.png has no label image, unlike others"
    assert dataset.broken["c"] == "the label image c_cp_masks.tif has no image"
    assert dataset.image_names == ("a", "b")
    np.testing.assert_array_equal(dataset.load_image("b"), image(1))
    with pytest.raises(SomaNetError, match="no usable image 'b': the image b"):
        dataset.load("b")


def test_a_folder_of_one_image_alone_lacks_its_mask(tmp_path: Path) -> None:
    write_images(tmp_path, "a/image.png", "b/image.png")
    write_labels(tmp_path / "a" / "mask.tif", LABELS)
    assert open_dataset(tmp_path).image_names == ("a", "b")
    assert open_dataset(tmp_path).broken == {"b": "expected an image and a mask in b, found one of the two"}


def test_label_images_alone_are_ground_truth_and_predictions_but_no_images(tmp_path: Path) -> None:
    write_labels(tmp_path / "truth" / "a_cp_masks.tif", LABELS)
    write_labels(tmp_path / "out" / "a_masks.tif", LABELS * 2)
    with pytest.raises(SomaNetError, match=r"found label images alone, such as a_cp_masks\.tif"):
        open_dataset(tmp_path / "truth")
    truth = read_ground_truth(tmp_path / "truth")
    found = read_predictions(tmp_path / "out", truth)
    np.testing.assert_array_equal(truth["a"].labels, LABELS)
    np.testing.assert_array_equal(found["a"].labels, LABELS * 2)


@pytest.mark.parametrize("ending", ["_gt", "_seg"])
def test_a_short_ending_alone_says_nothing(ending: str, tmp_path: Path) -> None:
    write_images(tmp_path, f"mouse{ending}.png", f"fish{ending}.png")
    assert open_dataset(tmp_path).names == (f"fish{ending}", f"mouse{ending}")


def test_label_images_of_unknown_names_are_no_silent_images(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    for number, name in enumerate("ab", start=1):
        write_labels(tmp_path / f"{name}_odd.tif", LABELS * number)
    table = check_dataset(tmp_path).set_index("name")
    assert table["n_objects"].isna().all()
    assert ["looks like a label image" in note for note in table.loc[["a", "a_odd", "b", "b_odd"], "note"]] == [
        *(False, True, False, True)
    ]
    assert "a_odd, as 2 of them: it looks like a label image" in describe_manifest(table.reset_index())


def test_labels_in_another_format_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, "images/a.png", "images/b.png")
    write_labels(tmp_path / "labels" / "b.tif", LABELS)
    np.save(tmp_path / "labels" / "a.npy", LABELS)
    assert open_dataset(tmp_path).broken == {"a": "the labels labels/a.npy are no image: save them as TIFF"}


def test_folders_of_the_cell_tracking_challenge_are_read(tmp_path: Path) -> None:
    """Drawn labels are of some images only, and go before those by programs; some sequences have none."""
    write_images(tmp_path, "set/01/t000.tif", "set/01/t001.tif", "set/02/t000.tif", "set/03/t000.tif")
    write_labels(tmp_path / "set/01_GT/SEG/man_seg001.tif", LABELS)
    write_labels(tmp_path / "set/01_GT/SEG/man_seg007.tif", LABELS)
    write_labels(tmp_path / "set/01_GT/TRA/man_track000.tif", LABELS)
    write_labels(tmp_path / "set/01_ST/SEG/man_seg000.tif", LABELS)
    write_labels(tmp_path / "set/02_ST/SEG/man_seg000.tif", LABELS * 3)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.names) == ("challenge", ("01_t001", "02_t000"))
    assert dataset.image_names == ("01_t000", "01_t001", "02_t000", "03_t000")
    assert dataset.broken == {"01_t007": "the label image set/01_GT/SEG/man_seg007.tif has no image"}
    np.testing.assert_array_equal(dataset.load("01_t001").image, image(1))
    np.testing.assert_array_equal(dataset.load("02_t000").labels, LABELS * 3)


class Bomb:
    """A pickle that deletes a file when it is opened."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.unlink, (self.target,)


def test_the_pickle_of_cellpose_is_never_opened(tmp_path: Path) -> None:
    write_images(tmp_path / "set", "a.png")
    canary = tmp_path / "canary"
    canary.touch()
    np.save(tmp_path / "set" / "a_seg.npy", np.array([Bomb(canary)], object), allow_pickle=True)
    [note] = check_dataset(tmp_path / "set")["note"]
    assert note.startswith("no labels; Cellpose's a_seg.npy is not read")
    with pytest.raises(SomaNetError, match=r"no labels.*save the masks in Cellpose"):
        open_dataset(tmp_path / "set").load("a")
    with pytest.raises(SomaNetError, match=r"expected labels, found images alone.*save the masks in Cellpose"):
        read_ground_truth(tmp_path / "set")
    with pytest.raises(SomaNetError, match=r"found Cellpose's own file.*Save masks as PNG/tif"):
        read_image(tmp_path / "set" / "a_seg.npy")
    assert canary.exists()


# colours ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_saved_as_colours_is_read(tmp_path: Path, mode: str) -> None:
    Image.fromarray((LABELS * 40).astype(np.uint8)).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), LABELS * 40)


def test_numbers_of_a_palette_are_ids(tmp_path: Path) -> None:
    picture = Image.fromarray(LABELS.astype(np.uint8))
    picture.putpalette([0, 0, 0, 200, 30, 30, 20, 220, 40])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), LABELS)


def test_a_palette_of_grey_shows_its_greys(tmp_path: Path) -> None:
    """As programs save black and white: the number 0 may be white."""
    picture = Image.fromarray((LABELS == 0).astype(np.uint8))
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), (LABELS > 0) * 255)


def test_a_picture_in_colours_is_no_label_image(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.stack([LABELS, LABELS * 2, LABELS * 3], axis=2).astype(np.uint8))
    with pytest.raises(SomaNetError, match="coloured overlay"):
        read_labels(tmp_path / "a.png")


def test_packing_writes_the_objects_of_masks_once_they_are_confirmed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_images(tmp_path / "set", f"{name}.png")
        write_labels(tmp_path / "set" / f"{name}_mask.tif", (LABELS > 0) * 255)
    write_image(tmp_path / "set" / "b.png", image(9))
    assert check_dataset(tmp_path / "set")["reason"].tolist() == ["mask in pieces"] * 2
    with pytest.raises(SomaNetError, match="--binary"):
        open_dataset(tmp_path / "set").load("a")
    assert pack_dataset(tmp_path / "set", tmp_path / "packed", binary=True)["n_objects"].tolist() == [2, 2]
    assert {int(item.labels.max()) for item in open_dataset(tmp_path / "packed")} == {2}


def test_one_mask_of_all_objects_in_the_kaggle_layout_is_a_mask_too(tmp_path: Path) -> None:
    write_images(tmp_path, "a/images/a.png")
    (tmp_path / "a" / "masks").mkdir()
    write_image(tmp_path / "a" / "masks" / "all.png", np.where(LABELS > 0, 255, 0).astype(np.uint8))
    [doubt] = open_dataset(tmp_path).load("a").doubts
    assert "2 separate pieces" in doubt
    assert open_dataset(tmp_path, binary=True).load("a").labels.max() == 2
