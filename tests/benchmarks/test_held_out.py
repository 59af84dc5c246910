"""Scores on later frames and unseen regions: what counts there, and the reliability of the confidence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import held_out
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.movies import write_movie
from somanet.segmentation.inference.segmenter import Segmented
from tests.markdown_tables import unpadded
from tests.worlds import save_bright_network

SHAPE = (40, 60)
SCALE = Calibration(pixel_size_um=1.0, frame_interval_min=10.0)


def labels(**boxes: tuple[slice, slice]) -> np.ndarray:
    drawn = np.zeros(SHAPE, np.int32)
    for number, box in enumerate(boxes.values(), start=1):
        drawn[box] = number
    return drawn


def test_only_whole_objects_of_the_right_part_count() -> None:
    """Of five found: one lies left, one is cut by x = 20, one is right, one false, one touches the image's edge."""
    true = labels(left=np.s_[2:8, 2:8], cut=np.s_[10:16, 15:25], right=np.s_[10:20, 30:40])
    found = labels(
        left=np.s_[2:8, 2:8],
        cut=np.s_[10:16, 15:25],
        right=np.s_[11:20, 30:40],
        false=np.s_[25:30, 30:40],
        edge=np.s_[30:40, 50:60],
    )
    item = LabelledImage("a", np.zeros(SHAPE, np.uint8), true)
    predictions = [(item, Segmented(found, np.array([0.1, 0.2, 0.9, 0.6, 0.3]), np.full(5, 9.0)))]
    right, confidence = held_out.right_and_confidence(predictions, 20)
    assert right.tolist() == [True, False]
    assert confidence.tolist() == [0.9, 0.6]


def test_reliability_counts_by_bin_and_ranks_pairs() -> None:
    """Correct: 0.95, 0.85, 0.65; wrong: 0.85, 0.55. Of six pairs 4 are in order and 1 is a tie: 4.5 / 6."""
    right = np.array([True, True, True, False, False])
    found = held_out.reliability(right, np.array([0.95, 0.85, 0.65, 0.85, 0.55]))
    assert [one["objects"] for one in found["bins"]] == [1, 1, 0, 2, 1]
    assert [one["right"] for one in found["bins"] if one["objects"]] == [0, 1, 0.5, 1]
    assert math.isnan(found["bins"][2]["right"])
    assert found["ranked"] == pytest.approx(4.5 / 6)
    assert math.isnan(held_out.reliability(right[:3], np.ones(3))["ranked"])
    assert held_out.reliability(right[:3], np.ones(3))["bins"][-1]["objects"] == 3, "1 is in the last bin"


def test_names_may_come_once_per_seed(tmp_path: Path) -> None:
    for seed in "01":
        save_bright_network(tmp_path / seed)
    assert held_out.named([f"mine={tmp_path / seed}" for seed in "01"]) == {
        "mine": [(tmp_path / "0",), (tmp_path / "1",)]
    }
    assert held_out.named([f"both={tmp_path / '0'}+{tmp_path / '1'}"]) == {"both": [(tmp_path / "0", tmp_path / "1")]}
    assert list(held_out.named([])) == ["bundled"]
    with pytest.raises(SomaNetError, match="not NAME=FOLDER"):
        held_out.named(["mine"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A movie of four frames whose somas the bright network finds, with crops of frames 1 and 2."""
    true = labels(left=np.s_[5:15, 5:15], right=np.s_[20:32, 30:44])
    frames = [np.where(true > 0, 220, 20).astype(np.uint8) for _ in range(4)]
    (tmp_path / "neuritetracker").mkdir()
    write_movie(tmp_path / "neuritetracker" / "cell_body.tif", frames, SCALE)
    write_movie(tmp_path / "neuritetracker" / "soma_labels.tif", [true.astype(np.uint16)] * 4, SCALE)
    crop = np.repeat(frames[0][..., None], 3, axis=-1)
    write_pairs(tmp_path / "soma" / "train", [LabelledImage("t01_y000_x000", crop, true)])
    write_pairs(tmp_path / "soma" / "val", [LabelledImage("t02_y000_x440", crop, true)])
    return tmp_path


def test_nuclei_are_scored_on_the_part_that_is_asked_for(tmp_path: Path) -> None:
    """The validation image holds two nuclei that the network finds, the test image one that is too dark for it."""
    true = labels(left=np.s_[5:15, 5:15], right=np.s_[20:32, 30:44])
    bright, dark = (
        np.repeat(np.where(true > 0, value, 20).astype(np.uint8)[..., None], 3, axis=-1) for value in (220, 60)
    )
    folder = tmp_path / "dsb2018"
    folder.mkdir()
    write_kaggle(folder / "stage1_train.zip", [LabelledImage("a", bright, true), LabelledImage("b", dark, true)])
    (folder / "split.csv").write_text("image_id,split\na,val\nb,test\n")
    network = {"mine": [(save_bright_network(tmp_path / "network"),)]}
    scores = {part: held_out.nuclei_rows(tmp_path, network, tta=1, part=part)["mine"] for part in ("val", "test")}
    assert scores["val"]["all"]["pooled_0.5"] == 1
    assert scores["test"]["all"]["pooled_0.5"] == 0
    assert "| mine | all (1) | 1.000 |" in unpadded(held_out.nuclei_table({"mine": scores["val"]}))


def test_frames_with_a_crop_are_left_out(data: Path) -> None:
    assert [item.name for item in held_out.frames_never_cropped(data)] == ["0000", "0003"]


def test_a_network_is_scored_in_both_sets(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that finds exactly what is there, twice as if of two seeds: all is right, nothing is spread."""
    monkeypatch.setattr(held_out, "LATER_X_PX", 20)
    network = save_bright_network(tmp_path / "network")
    found = held_out.soma_rows(data, {"mine": [(network,), (network, network)]}, tta=1)
    assert found["somas"] == {"soma/val": [1, 2], "later frames, x ≥ 440": [2, 2]}
    for networks in found["scores"].values():
        assert networks["mine"].values["accuracy"] == 1
        assert networks["mine"].values["size_bias"] == 1
        assert networks["mine"].spread["iou"] == 0
    bins = found["confidence"]["mine"]["bins"]
    assert sum(one["objects"] for one in bins) == 2 * (2 + 2)
    assert "1.000 ± 0.000" in held_out.soma_table(found["scores"])
    assert "1.00 of 8" in held_out.confidence_table(found["confidence"])


def test_unlabelled_cells_are_left_out_in_rows_of_their_own(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bright cell without a label lies in each later frame: a false object, but not where such cells are known."""
    monkeypatch.setattr(held_out, "LATER_X_PX", 20)
    dim = labels(unlabelled=np.s_[4:14, 42:54])
    true = labels(left=np.s_[5:15, 5:15], right=np.s_[20:32, 30:44])
    folder = data / "neuritetracker"
    frames = [np.where((true > 0) | (dim > 0), 220, 20).astype(np.uint8) for _ in range(4)]
    write_movie(folder / "cell_body.tif", frames, SCALE)
    networks = {"mine": [(save_bright_network(tmp_path / "network"),)]}
    alone = held_out.soma_rows(data, networks, tta=1)["scores"]
    assert alone["later frames, x ≥ 440"]["mine"].values["precision"] == 0.5
    assert not any("unlabelled" in title for title in alone), "without the second channel they are not known"

    write_movie(folder / "nucleus.tif", frames, SCALE)
    (folder / "tracks.csv").write_text("track,frame,y_px,x_px\n1,0,10,10\n")
    monkeypatch.setattr(held_out.LabelledMovie, "ignored", lambda self, t, rules: dim > 0)
    scores = held_out.soma_rows(data, networks, tta=1)["scores"]
    assert scores["later frames, x ≥ 440"]["mine"].values["precision"] == 0.5
    assert scores["later frames, x ≥ 440, without unlabelled cells"]["mine"].values["precision"] == 1
    assert scores["later frames, x ≥ 440, without both"]["mine"].values["recall"] == 1
