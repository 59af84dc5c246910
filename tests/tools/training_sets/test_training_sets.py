"""One catalogue says what may be trained on; labels by contrast against a drawn truth; the card from the checkpoint."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.regions import ImageRegions, pixels_sha256, regions_of
from somanet.io.datasets.writers import write_kaggle
from somanet.io.images import write_image
from somanet.training.experiments import combined, describe_set
from tools.training_sets import __main__ as building
from tools.training_sets.by_contrast import ContrastRules, label_by_contrast
from tools.training_sets.catalogue import card_table, catalogue_table, check_trained_on, read_catalogue


def embryo(shape_YX: tuple[int, int] = (180, 260)) -> tuple[np.ndarray, np.ndarray]:
    """Three bright ellipses and a faint one (label 4) in noisy patches of tissue."""
    rng = np.random.default_rng(0)
    truth = np.zeros(shape_YX, np.uint8)
    for number, (x, y) in enumerate([(50, 50), (130, 120), (210, 60), (60, 130)], start=1):
        cv2.ellipse(truth, (x, y), (18, 12), 20 * number, 0, 360, number, -1)
    patches = cv2.GaussianBlur(rng.normal(0, 1, shape_YX).astype(np.float32), (0, 0), 2)
    light = 20 + 40 * patches + 90 * (truth > 0) - 60 * (truth == 4)
    return np.clip(cv2.GaussianBlur(light, (0, 0), 1), 0, 255).astype(np.uint8), truth


# Labels by contrast


def test_bright_objects_are_outlined_and_faint_ones_ignored() -> None:
    image, truth = embryo()
    found = label_by_contrast("one", image, ContrastRules())
    assert found.ignored is not None
    assert len(np.unique(found.labels)) - 1 == 3
    for number in (1, 2, 3):
        [label] = np.unique(found.labels[(truth == number) & (found.labels > 0)])
        shared = ((found.labels == label) & (truth == number)).sum()
        assert shared / ((found.labels == label) | (truth == number)).sum() > 0.8
    assert found.ignored[truth == 4].mean() > 0.5
    assert not (found.labels[truth == 4] > 0).any()
    assert not found.ignored[found.labels > 0].any()
    assert (found.ignored & (truth == 0)).mean() < 0.05


def test_tissue_without_objects_has_no_labels() -> None:
    rng = np.random.default_rng(1)
    image = np.clip(30 + 15 * rng.standard_normal((120, 170)), 0, 255).astype(np.uint8)
    assert not label_by_contrast("one", image, ContrastRules()).labels.any()


# The catalogue


def test_sets_for_training_have_licences_that_may_be_shipped() -> None:
    known = read_catalogue()
    assert {name for name, one in known.items() if one.use == "train"} == {*building.SETS, "simulated", "varied"}
    assert {"celldetective", "microglia_2p", "laptrack_hela"} == {
        n for n, one in known.items() if one.use == "held_out"
    }
    assert all(name in catalogue_table(known) for name in known)


def test_a_licence_that_binds_is_refused_for_training(tmp_path: Path) -> None:
    file = tmp_path / "sets.yaml"
    file.write_text("cells: {what: cells, use: train, licence: GPL-3.0, source: somewhere}")
    with pytest.raises(SomaNetError, match=r"cells is for training, but its licence is 'GPL-3\.0'"):
        read_catalogue(file)
    file.write_text("cells: {what: cells, use: held_out, licence: GPL-3.0, source: somewhere}")
    assert read_catalogue(file)["cells"].use == "held_out"


@pytest.mark.parametrize(("name", "why"), [("celldetective", "held_out"), ("mine", "in no catalogue")])
def test_a_network_of_other_sets_may_not_be_shipped(name: str, why: str) -> None:
    sets = [{"name": "somas", "sha256": "1"}, {"name": name, "sha256": "2"}]
    with pytest.raises(SomaNetError, match=f"'{name}', which is {why}"):
        check_trained_on(sets, read_catalogue())
    with pytest.raises(SomaNetError, match="does not say what it was trained on"):
        check_trained_on([], read_catalogue())
    check_trained_on(sets[:1], read_catalogue())


# What a network was trained on


def items() -> list[LabelledImage]:
    """Objects of 16 and 64 px: diameters sqrt(4 * 16 / pi) = 4.5 and 9.0."""
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 2:6], labels[8:16, 10:18] = 1, 2
    ignored = np.zeros((20, 30), bool)
    ignored[0, :7] = True
    return [LabelledImage("a", np.zeros((20, 30), np.uint8), labels, ignored=ignored)]


def test_a_set_is_described_by_its_images() -> None:
    about = describe_set("somas", items())
    small, large = np.sqrt(4 * np.array([16, 64]) / np.pi)
    assert {key: about[key] for key in ("name", "images", "objects", "ignored_px")} == {
        "name": "somas",
        "images": 1,
        "objects": 2,
        "ignored_px": 7,
    }
    assert about["diameter_px"] == pytest.approx(
        [small + 0.1 * (large - small), large - 0.1 * (large - small)], abs=0.06
    )
    assert describe_set("empty", [])["diameter_px"] is None


def test_the_card_has_a_row_per_set_with_its_licence() -> None:
    sets = combined([describe_set("somas", items())], [describe_set("somas", items()), describe_set("dsb2018", [])])
    assert [one["name"] for one in sets] == ["somas", "dsb2018"]
    rows = card_table(sets, read_catalogue()).splitlines()
    assert len(rows) == 4
    assert "MIT" in rows[2]
    assert "CC0-1.0" in rows[3]


# Building


def test_sets_are_built_where_their_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Crops with their regions, the embryo with its outlines; the nuclei are not there, and a note says so."""
    rng = np.random.default_rng(0)
    crop = LabelledImage("t00_y000_x000", rng.integers(0, 255, (20, 30, 3)).astype(np.uint8), items()[0].labels)
    write_kaggle(tmp_path / "soma" / "train", [crop])
    hole = np.zeros((20, 30), bool)
    hole[17:19, 3:9] = True
    regions = {pixels_sha256(crop.image): ImageRegions(crop.name, "", tuple(regions_of(hole, "nucleus")))}
    monkeypatch.setattr(building, "read_regions", lambda _: regions)
    write_image(tmp_path / "wild" / "movies" / "drosophila_h2b" / "embryo_0001.tif", embryo()[0])
    rows = building.build(tmp_path, tmp_path / "sets")
    assert [row[:3] for row in rows] == [("somas", "1", "2"), ("drosophila_h2b", "1", "3")]
    [built] = open_dataset(tmp_path / "sets" / "somas")
    np.testing.assert_array_equal(built.ignored, hole)
    assert "dsb2018 is left out" in capsys.readouterr().err
