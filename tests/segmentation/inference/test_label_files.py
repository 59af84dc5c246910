"""Label images of files, and the warnings about them."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError, explain
from somanet.core.hashing import sha256_file
from somanet.core.schema import OBJECTS
from somanet.io.datasets.writers import write_kaggle
from somanet.io.images import read_labels, write_image
from somanet.io.tables import read_table
from somanet.segmentation.inference.clipping import Clipping
from somanet.segmentation.inference.found import Found
from somanet.segmentation.inference.input_files import Input, find_inputs
from somanet.segmentation.inference.label_files import Failed, Labelled, predict_files
from somanet.segmentation.inference.looks import Appearance
from somanet.segmentation.inference.segmenter import Segmented, Segmenter
from somanet.segmentation.inference.size_warnings import warnings_for
from somanet.segmentation.inference.soma_size import SizeEstimate
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from tests.worlds import TWO_SOMAS, draw, photograph, save_bright_network, scene


def test_labels_come_one_by_one(tmp_path: Path) -> None:
    """Each label image is complete as soon as it is there; the folder appears only with all of them."""
    write_kaggle(tmp_path / "set.zip", [scene("a"), scene("b")])
    checkpoint = load_checkpoint(save_bright_network(tmp_path / "model"))
    steps = predict_files(Segmenter((checkpoint,)), find_inputs([tmp_path / "set.zip"]), tmp_path / "out")
    first = next(steps)
    assert isinstance(first, Labelled)
    assert (first.item.name, first.found.n_objects) == ("a", 2)
    assert first.path.is_file()
    assert not (tmp_path / "out").exists()  # it appears when all is done
    assert [labelled.item.name for labelled in steps] == ["b"]
    written = {"a.tif", "b.tif", "objects.csv", "predictions.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == written
    record = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert set(record["files"]) == written - {"predictions.json"}
    first_record = record["labels"][0]
    assert first_record["clipping"]["n_soma_px"] == (read_labels(tmp_path / "out" / "a.tif") > 0).sum()
    assert first_record["appearance"] is None  # the network is for any kind of image
    assert record["inputs_sha256"] == {"set.zip": sha256_file(tmp_path / "set.zip")}


def test_a_prediction_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    write_kaggle(tmp_path / "set.zip", [scene("a"), scene("b")])
    checkpoint = load_checkpoint(save_bright_network(tmp_path / "model"))
    steps = predict_files(Segmenter((checkpoint,)), find_inputs([tmp_path / "set.zip"]), tmp_path / "out")
    next(steps)
    steps.close()
    assert {path.name for path in tmp_path.iterdir()} == {"set.zip", "model"}


def test_an_input_that_is_never_readable_is_refused_with_the_names_of_the_others(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    checkpoint = load_checkpoint(save_bright_network(tmp_path / "model"))
    inputs = find_inputs([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(SomaNetError, match=r"a\.png.* Nor can these be used: b\."):
        list(predict_files(Segmenter((checkpoint,)), inputs, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_what_fails_in_the_middle_of_the_work_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`b` fails while it is segmented, for a reason that nobody foresaw: no file of it is left, and `a` and `c` are."""
    for name in ("a", "b", "c"):
        write_image(tmp_path / f"{name}.png", photograph(draw(TWO_SOMAS)) + (name == "b"))
    segment = Segmenter.segment

    def failing(self: Segmenter, image: np.ndarray) -> Segmented:
        if image.min() == photograph(draw(TWO_SOMAS)).min() + 1:
            raise MemoryError
        return segment(self, image)

    monkeypatch.setattr(Segmenter, "segment", failing)
    checkpoint = load_checkpoint(save_bright_network(tmp_path / "model"))
    inputs = find_inputs([tmp_path / f"{name}.png" for name in ("a", "b", "c")])
    told = list(predict_files(Segmenter((checkpoint,)), inputs, tmp_path / "out"))
    assert [(one.item.name, isinstance(one, Failed)) for one in told] == [("a", False), ("b", True), ("c", False)]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.tif", "c.tif", "objects.csv", "predictions.json"}
    [failed] = json.loads((tmp_path / "out" / "predictions.json").read_text())["failed"]
    assert (failed["input"], failed["problem"].split(":")[0]) == ("b.png", "MemoryError")


def test_several_images_at_once_are_labelled_as_each_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at a time, whatever ends first."""
    monkeypatch.setattr("somanet.segmentation.inference.label_files.usual_workers", lambda _: 3)
    names = [f"{number}{'abcdefg'[number]}" for number in range(7)]
    for number, name in enumerate(names):
        write_image(tmp_path / f"{name}.png", np.roll(photograph(draw(TWO_SOMAS)), 3 * number, axis=1))
    segmenter = Segmenter((load_checkpoint(save_bright_network(tmp_path / "model")),))
    paths = [tmp_path / f"{name}.png" for name in names]
    together = list(predict_files(segmenter, find_inputs(paths), tmp_path / "together"))
    assert [one.item.name for one in together] == names
    rows = read_table(tmp_path / "together" / "objects.csv", OBJECTS)
    for path in paths:
        list(predict_files(segmenter, find_inputs([path]), tmp_path / "alone" / path.stem))
        alone = tmp_path / "alone" / path.stem
        assert (alone / f"{path.stem}.tif").read_bytes() == (tmp_path / "together" / f"{path.stem}.tif").read_bytes()
        own = rows[rows["image"] == path.stem].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, read_table(alone / "objects.csv", OBJECTS), check_dtype=False)


def test_a_full_disk_is_no_inputs_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be written: the whole prediction is given up, and nothing is there."""

    def full(path: Path, labels: np.ndarray) -> None:
        raise explain(OSError(errno.ENOSPC, "No space left on device"), path)

    monkeypatch.setattr("somanet.segmentation.inference.label_files.write_labels", full)
    write_kaggle(tmp_path / "set.zip", [scene("a"), scene("b")])
    checkpoint = load_checkpoint(save_bright_network(tmp_path / "model"))
    with pytest.raises(SomaNetError, match="the disk is full"):
        list(predict_files(Segmenter((checkpoint,)), find_inputs([tmp_path / "set.zip"]), tmp_path / "out"))
    assert {path.name for path in tmp_path.iterdir()} == {"set.zip", "model"}


INTENDED_USE = IntendedUse(diameter_px=(8, 50))  # typically 20 px


def labelled(
    name: str,
    *diameters: float,
    unnamed: bool = False,
    rescale: float = 1.0,
    size: SizeEstimate | None = None,
    n_haze: int = 0,
    blank: tuple[int, ...] = (),
    clipping: Clipping | None = None,
    appearance: Appearance | None = None,
) -> tuple[Input, Found]:
    item = Input(name, Path(f"{name}.tif"), None, unnamed=unnamed)
    objects = pd.DataFrame({"diameter_px": np.array(diameters, float)})
    return item, Found(objects, rescale, size, n_haze, clipping=clipping, appearance=appearance, blank_frames=blank)


def notes(*each: tuple[Input, Found]) -> list[str]:
    return list(warnings_for(each, INTENDED_USE))


def test_somas_of_the_networks_size_need_no_note() -> None:
    """Medians 8 and 50, the range's ends; an image without somas among others has no size."""
    assert notes(labelled("a", 8, 8, 3), labelled("b", 50), labelled("empty")) == []


def test_somas_of_another_size_are_measured_and_a_factor_is_named() -> None:
    """Median 60 of 30, 60, 90: 20 / 60 = 0.33."""
    [note] = notes(labelled("a", 30, 60, 90))
    assert note.startswith("The detected somas are 60 px across (median), outside the 8 to 50 px")
    assert "--rescale 0.33 (or --diameter 60) brings them to 20 px." in note
    [note] = notes(labelled("a", 20), labelled("b", 4), labelled("c", 5, 5))
    assert note.startswith("2 of 3 inputs, such as 'b': The detected somas are 4.0 px")
    assert "--rescale 5 " in note


def test_the_size_that_counts_is_the_one_that_the_network_saw() -> None:
    assert notes(labelled("a", 60, rescale=1 / 3)) == []
    [note] = notes(labelled("a", 20, rescale=4))
    assert "20 px across (median), 80 px at --rescale 4, outside" in note


def test_nothing_found_is_told_with_the_way_out() -> None:
    [note] = notes(labelled("a"), labelled("b"))
    assert note.startswith("No soma was detected. If somas are larger or smaller than the 8 to 50 px")
    assert "--diameter PX" in note
    assert "--rescale FACTOR" in note
    [note] = notes(labelled("a", size=SizeEstimate(doubt="too few objects")))
    assert note.startswith("No soma was detected.")  # says it all
    [note] = notes(labelled("a", rescale=0.5))
    assert "No soma was detected at --rescale 0.5." in note
    assert list(warnings_for([labelled("a")], IntendedUse())) == []  # without a range there is no warning


def test_what_was_done_about_the_size_is_told_for_the_most_rescaled() -> None:
    """One of three was rescaled by 2, one by 0.25."""
    twice = SizeEstimate(rescale=2, diameter_px=10, agreement=0.8, n_objects=7)
    quarter = SizeEstimate(rescale=0.25, diameter_px=80, agreement=0.8, n_objects=7)
    [note] = notes(
        labelled("a", 20), labelled("b", 10, rescale=2, size=twice), labelled("c", 80, rescale=0.25, size=quarter)
    )
    assert note.startswith("2 of 3 inputs, such as 'c': Somas are 80 px across")
    [note] = notes(labelled("a", 20, size=SizeEstimate(doubt="there are objects of 20 px and of 60 px")))
    assert note.startswith("The somas' size could not be estimated: there are objects of 20 px and of 60 px.")


def test_haze_is_counted_over_all_inputs() -> None:
    [note] = notes(labelled("a", 20, 20, n_haze=3), labelled("b", 20, n_haze=2), labelled("c", 20))
    assert note.startswith("5 of 9 objects were left out as haze")


def test_pages_that_were_taken_for_time_points_are_told_once() -> None:
    [note] = notes(labelled("a", 20, unnamed=True), labelled("b", 20, unnamed=True), labelled("c", 20))
    assert note.startswith("a.tif and 1 more: the file does not name the axis of its pages")


def test_frames_that_show_nothing_are_told() -> None:
    [note] = notes(labelled("a", 20), labelled("b", 20, blank=tuple(range(10))))
    assert note == ("b.tif: 10 blank frames got no labels (0, 1, 2, 3, 4, 5, 6, 7, …, counted from 0).")


def test_clipped_pictures_and_pictures_of_nothing_are_told() -> None:
    """15 % at the ceiling, three times the pixels of somas; and objects of which the network is not sure."""
    clipped = Clipping(ceiling=4095, n_px=1000, n_at_ceiling=150, n_soma_px=50)
    noise = Appearance(n_objects=7, contrast=3.14, confidence=0.871)
    [note] = notes(labelled("a", 20, clipping=clipped, appearance=Appearance(n_objects=7, contrast=30, confidence=0.9)))
    assert note.startswith("15 % of the pixels are at the ceiling of 4095, 3.0 times as many as the somas have")
    [note] = notes(labelled("a", 20), labelled("b", 20, appearance=noise), labelled("c", 20, appearance=noise))
    assert note.startswith("2 of 3 inputs, such as 'b': The 7 objects look like those that this network draws where")
    assert "a confidence below 0.87 and a contrast of 3.1" in note
