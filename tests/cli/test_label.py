"""`somanet label` and `somanet data rois`, as a person would type them, on scenes with known somas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from roifile import ROI_TYPE, ImagejRoi, roiread

from somanet.analysis.labelling.suggest import movie_of_result
from somanet.core.calibration import FileCalibration
from somanet.core.hashing import sha256_file
from somanet.core.schema import CROPS
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.origins import Origin, read_origins
from somanet.io.datasets.writers import write_kaggle
from somanet.io.images import read_labels, write_image, write_labels
from somanet.io.label_movies import write_label_movie
from somanet.io.movies import open_movie, sha256_movie, write_movie
from somanet.io.tables import read_table
from tests.worlds import save_bright_network, scene, somanet

SIDE = 300
SCALE = FileCalibration(1.0, 10.0).complete()


def somas_TYX() -> np.ndarray:
    """Three frames of 300 × 420 px with a disk of radius 9 that moves right, and one that stays; value = track id."""
    y, x = np.mgrid[:SIDE, :420]
    frames = np.zeros((3, SIDE, 420), np.int32)
    for t in range(3):
        frames[t][(y - 60) ** 2 + (x - 80 - 12 * t) ** 2 <= 81] = 3
        frames[t][(y - 220) ** 2 + (x - 330) ** 2 <= 81] = 8
    return frames


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie with its labels, small images as a data set, and a network that outlines what is bright."""
    folder = tmp_path_factory.mktemp("label")
    labels = somas_TYX()
    write_movie(folder / "movie.tif", np.where(labels > 0, 900, 100).astype(np.uint16), SCALE)
    write_label_movie(folder / "labels.tif", labels, n_frames=3, shape_YX=(SIDE, 420), largest_id=8, calibration=SCALE)
    write_kaggle(folder / "set", [scene("a"), scene("b")])
    save_bright_network(folder / "model")
    return folder


def crops_of(folder: Path) -> list[dict[str, object]]:
    return [dict(row) for row in json.loads((folder / "labelling.json").read_text(encoding="utf-8"))["crops"]]


def corrected(path: Path, change: str) -> None:
    """What a person does in Fiji's ROI Manager: all selections saved again, one moved by a pixel or deleted."""
    rois = list(roiread(path))
    if change == "delete":
        rois = rois[1:]
    else:
        rois[0].left += 1
        rois[0].right += 1
    path.unlink()
    from roifile import roiwrite

    roiwrite(path, rois)


# propose


def test_a_threshold_proposes_what_is_as_bright(world: Path, tmp_path: Path) -> None:
    """900 of 100 to 900 is 255 on 8 bits, 100 is 0: any threshold gives the disks."""
    line = ("label", "propose", "movie.tif", "--threshold", 135, "--opening-px", 0, "--count", 3)
    assert somanet(*line, "--output", tmp_path / "out", cwd=world) is None
    labels = somas_TYX()
    rows = crops_of(tmp_path / "out")
    assert sorted(row["frame"] for row in rows) == [0, 1, 2]
    dataset = open_dataset(tmp_path / "out")
    assert dataset.layout == "kaggle"
    for row in rows:
        item = dataset.load(str(row["crop"]))
        y, x, t = (int(str(row[name])) for name in ("y_px", "x_px", "frame"))
        assert item.labels.shape == (256, 256)
        assert np.array_equal(item.labels > 0, labels[t, y : y + 256, x : x + 256] > 0)
        assert row["n_somas"] == len(roiread(tmp_path / "out" / str(row["crop"]) / "RoiSet.zip"))
    record = json.loads((tmp_path / "out" / "labelling.json").read_text(encoding="utf-8"))
    assert record["proposed"]["minimum"] == 135
    assert record["inputs"]["movie"]["sha256"] == sha256_file(world / "movie.tif")
    assert (tmp_path / "out" / "crops.png").is_file()


def test_an_opening_removes_a_process_and_keeps_the_soma(world: Path, tmp_path: Path) -> None:
    """A square of 24 px with a process of 3 × 40, into which a disk of radius 3 reaches by its tip: one column."""
    image = np.zeros((60, 90), np.uint8)
    image[18:42, 10:34], image[28:31, 34:74] = 200, 200
    write_image(tmp_path / "a.png", image)
    found = {}
    for radius in (0, 3):
        line = ("label", "propose", tmp_path / "a.png", "--threshold", 70, "--opening-px", radius)
        assert somanet(*line, "--output", tmp_path / f"r{radius}", cwd=world) is None
        found[radius] = open_dataset(tmp_path / f"r{radius}").load("a").labels > 0
    assert np.array_equal(found[0], image > 0)
    assert not found[3][:, 35:].any()
    assert found[3][18:42, 13:31].all()


def test_a_threshold_below_the_background_is_told(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A background of 50 beside a frame of 0: at 35 all of it is one piece of 90 %; at 70 the soma of 200 is left."""
    image = np.full((60, 80), 50, np.uint8)
    image[:, :8], image[20:35, 40:60] = 0, 200
    write_image(tmp_path / "a.png", image)
    for threshold, n_somas in ((35, 0), (70, 1)):
        output = tmp_path / str(threshold)
        line = ("label", "propose", tmp_path / "a.png", "--threshold", threshold, "--output", output)
        assert somanet(*line, cwd=tmp_path) is None
        assert ("below the background of 1 of 1 crop" in capsys.readouterr().err) is (threshold == 35)
        assert [row["n_somas"] for row in crops_of(output)] == [n_somas]


def test_a_network_proposes_and_is_named(world: Path, tmp_path: Path) -> None:
    line = ("label", "propose", "set", "--model", "model", "--rescale", 1, "--output", tmp_path / "out")
    assert somanet(*line, cwd=world) is None
    for name in "ab":
        labels = open_dataset(tmp_path / "out").load(name).labels
        assert np.array_equal(labels > 0, scene(name).labels > 0)
    weights = json.loads((world / "model" / "config.json").read_text(encoding="utf-8"))["weights"]["sha256"]
    record = json.loads((tmp_path / "out" / "labelling.json").read_text(encoding="utf-8"))
    assert (record["proposed"]["by"], record["proposed"]["model_sha256"]) == ("network", weights)


def test_a_second_labelling_gets_the_same_crops(world: Path, tmp_path: Path) -> None:
    first = ("label", "propose", "movie.tif", "--threshold", 35, "--count", 2, "--output", tmp_path / "a")
    assert somanet(*first, cwd=world) is None
    second = ("label", "propose", "movie.tif", "--threshold", 70, "--crops", tmp_path / "a", "--output", tmp_path / "b")
    assert somanet(*second, cwd=world) is None
    assert crops_of(tmp_path / "a") == crops_of(tmp_path / "b")


def test_crops_of_another_input_are_not_replaced(world: Path, tmp_path: Path) -> None:
    """With --replace they stay together, under another name."""
    line = ("label", "propose", "set", "--threshold", 70, "--output", tmp_path / "out")
    assert somanet(*line, cwd=world) is None
    before = crops_of(tmp_path / "out")
    other = ("label", "propose", "movie.tif", "--threshold", 70, "--count", 2, "--output", tmp_path / "out")
    error = somanet(*other, cwd=world)
    assert error is not None
    assert "out holds crops of other inputs, which new ones would replace: a, b. Choose another --output" in error
    assert crops_of(tmp_path / "out") == before
    assert somanet(*other, "--replace", cwd=world) is None
    assert crops_of(tmp_path / "out.before") == before


def test_selections_that_a_person_corrected_are_never_lost(world: Path, tmp_path: Path) -> None:
    line = ("label", "propose", "set", "--threshold", 70, "--output", tmp_path / "out")
    assert somanet(*line, cwd=world) is None
    assert somanet(*line, cwd=world) is None  # nothing was changed
    corrected(tmp_path / "out" / "a" / "RoiSet.zip", "move")
    digest = sha256_file(tmp_path / "out" / "a" / "RoiSet.zip")
    error = somanet(*line, cwd=world)
    assert error is not None
    assert "was changed since SomaNet wrote it" in error
    assert somanet(*line, "--replace", cwd=world) is None
    assert digest in {sha256_file(file) for file in (tmp_path / "out").rglob("RoiSet.zip")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--threshold", 12), "--threshold is 12; expected 35 to 135"),
        (("--threshold", 70, "--model", "model"), "leave out --model"),
        (("--threshold", 70, "--crops", "labels.tif"), "labels.tif"),
    ],
)
def test_a_wrong_proposal_is_one_line_and_leaves_nothing(
    options: tuple[object, ...], words: str, world: Path, tmp_path: Path
) -> None:
    error = somanet("label", "propose", "movie.tif", *options, "--output", tmp_path / "out", cwd=world)
    assert error is not None
    assert words in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


# the whole circle: corrected in Fiji, and back


def test_corrected_selections_become_the_data_set(world: Path, tmp_path: Path) -> None:
    """One soma moved by a pixel to the right in `a`, one deleted in `b`; then the two labellings are compared."""
    line = ("label", "propose", "set", "--threshold", 70, "--opening-px", 0, "--output", tmp_path / "out")
    assert somanet(*line, cwd=world) is None
    corrected(tmp_path / "out" / "a" / "RoiSet.zip", "move")
    corrected(tmp_path / "out" / "b" / "RoiSet.zip", "delete")
    back = ("data", "rois", tmp_path / "out", "--images", tmp_path / "out", "--output", tmp_path / "mine")
    assert somanet(*back, cwd=world) is None
    assert somanet(*back, cwd=world) is None  # again, over the same folder
    record = json.loads((tmp_path / "mine" / "labelled.json").read_text(encoding="utf-8"))
    assert (record["proposed"]["by"], record["crops"]) == ("threshold", crops_of(tmp_path / "out"))
    digest = sha256_file(tmp_path / "out" / "a" / "RoiSet.zip")
    assert record["selections_sha256"]["a"] == digest
    mine, truth = open_dataset(tmp_path / "mine"), scene("a").labels
    moved = np.where(truth == 2, 2, 0) + np.roll(truth == 1, 1, axis=1)
    assert np.array_equal(mine.load("a").labels, moved)
    assert np.array_equal(mine.load("b").labels > 0, truth == 2)
    compare = ("label", "agreement", "set", tmp_path / "mine", "--output", tmp_path / "a.json")
    assert somanet(*compare, cwd=world) is None
    scores = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    first, second = int((truth == 1).sum()), int((truth == 2).sum())
    rows = int((truth == 1).any(axis=1).sum())  # the shared part of a soma moved by one column lacks one column
    expected = np.mean([(first - rows + second) / (first + rows + second), second / (first + second)])
    assert scores["iou"] == pytest.approx(expected)
    assert scores["f1"] == pytest.approx(2 * 3 / (4 + 3))
    assert scores["n_objects"] == {"first": 4, "second": 3}


def test_a_labelling_agrees_with_itself_and_with_none_of_other_images(world: Path, tmp_path: Path) -> None:
    assert somanet("label", "agreement", "set", "set", "--output", tmp_path / "a.json", cwd=world) is None
    scores = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [scores[name] for name in ("iou", "f1", "mean_ap", "size_bias")] == [1, 1, 1, 1]
    write_kaggle(tmp_path / "other", [scene("x")])
    error = somanet("label", "agreement", "set", tmp_path / "other", cwd=world)
    assert error is not None
    assert "found no name in both" in error


# data rois


def test_a_label_movie_there_and_back(world: Path, tmp_path: Path) -> None:
    """Ids and frames stay, in the file that ImageJ reads as in the one that comes back."""
    assert somanet("data", "rois", "labels.tif", "--output", tmp_path / "m.zip", cwd=world) is None
    rois = roiread(tmp_path / "m.zip")
    assert [(roi.name, roi.position) for roi in rois] == [
        (f"t{t:04d}_id{one:04d}", t + 1) for t in range(3) for one in (3, 8)
    ]
    back = ("data", "rois", tmp_path / "m.zip", "--images", "movie.tif", "--output", tmp_path / "back.tif")
    assert somanet(*back, cwd=world) is None
    with open_movie(tmp_path / "back.tif") as movie:
        assert np.array_equal(np.stack(list(movie)), somas_TYX())


def test_a_single_image_there_and_back(world: Path, tmp_path: Path) -> None:
    item = scene()
    write_image(tmp_path / "cell.png", item.image)
    write_labels(tmp_path / "cell_labels.tif", item.labels)
    line = ("data", "rois", tmp_path / "cell_labels.tif", "--output", tmp_path / "cell.zip")
    assert somanet(*line, cwd=world) is None
    line = ("data", "rois", tmp_path / "cell.zip", "--images", tmp_path / "cell.png", "--output", tmp_path / "out")
    assert somanet(*line, cwd=world) is None
    assert np.array_equal(open_dataset(tmp_path / "out").load("cell").labels, item.labels)


def roi_at(left: int, top: int, **settings: object) -> ImagejRoi:
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, left=left, top=top, right=left + 20, bottom=top + 10, name="soma")
    for name, value in settings.items():
        setattr(roi, name, value)
    return roi


def test_labels_in_place_of_selections_are_told_the_way(world: Path, tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.tif", scene("a").labels)
    line = ("data", "rois", tmp_path / "labels.tif", "--images", "movie.tif", "--output", tmp_path / "out.tif")
    error = somanet(*line, cwd=world)
    assert error is not None
    assert "expected ImageJ's selections" in error
    assert "Labels become selections without --images" in error
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("roi", "images", "words"),
    [
        (roi_at(500, 20), "set/a/images/a.png", "expected selections on an image of 64 × 96 px, found 'soma'"),
        (roi_at(5, 5, roitype=ROI_TYPE.LINE), "set/a/images/a.png", "expected selections with an area, found 1"),
        (roi_at(5, 5), "movie.tif", "expected the frame of every selection, but 'soma' has none"),
        (roi_at(5, 5, position=9), "movie.tif", "on frame 9"),
        (roi_at(5, 5), "set", "expected a folder with selections for each of the 2 images"),
    ],
)
def test_selections_of_another_image_are_one_line(
    roi: ImagejRoi, images: str, words: str, world: Path, tmp_path: Path
) -> None:
    from roifile import roiwrite

    roiwrite(tmp_path / "r.zip", [roi])
    output = tmp_path / ("out.tif" if images == "movie.tif" else "out")
    error = somanet("data", "rois", tmp_path / "r.zip", "--images", images, "--output", output, cwd=world)
    assert error is not None
    assert words in error
    assert "\n" not in error
    assert not output.exists()


def test_a_wrong_output_is_named(world: Path, tmp_path: Path) -> None:
    for line, words in (
        (("labels.tif", "--output", tmp_path / "x"), "expected the name of a .zip"),
        (("set", "--output", tmp_path / "x.zip"), "expected a folder for the selections of the 2 images"),
    ):
        error = somanet("data", "rois", *line, cwd=world)
        assert error is not None
        assert words in error
    assert list(tmp_path.iterdir()) == []


def test_corrected_crops_keep_the_movie_that_they_were_cut_out_of(world: Path, tmp_path: Path) -> None:
    """So that fine-tuning never tests on a movie that it was trained on; one crop was not labelled."""
    line = ("label", "propose", "movie.tif", "--threshold", 70, "--count", 3, "--output", tmp_path / "out")
    assert somanet(*line, cwd=world) is None
    places = read_table(tmp_path / "out" / "crops.csv", CROPS).set_index("crop")
    left_out, *kept = places.index
    (tmp_path / "out" / left_out / "RoiSet.zip").unlink()
    for output in ("mine", "mine"):  # again, over the same folder
        back = ("data", "rois", tmp_path / "out", "--images", tmp_path / "out", "--output", tmp_path / output)
        assert somanet(*back, cwd=world) is None
    found = read_origins(tmp_path / "mine")
    assert found == {name: Origin("movie", places.y_px[name], places.x_px[name]) for name in kept}


# suggest


def test_results_are_searched_for_broken_tracks(world: Path, tmp_path: Path) -> None:
    """The track of the soma that stays is cut after the first frame: its end is the only doubt, at y 220, x 330."""
    shutil.copy(world / "movie.tif", tmp_path / "movie.tif")
    analyze = ("analyze", "movie.tif", "--model", world / "model", "--rescale", 1, "--no-overlay", "--no-report")
    assert somanet(*analyze, "--output", "result", cwd=tmp_path) is None
    tracks = read_table_text(tmp_path / "result" / "tracks.csv")
    stays = next(row.split(",")[0] for row in tracks[1:] if abs(float(row.split(",")[4]) - 330) < 2)
    kept = [row for row in tracks[1:] if not (row.split(",")[0] == stays and row.split(",")[1] != "0")]
    (tmp_path / "result" / "tracks.csv").write_text("\n".join([tracks[0], *kept]) + "\n", encoding="utf-8")
    line = ("label", "suggest", "result", "--model", world / "model", "--rescale", 1, "--count", 2)
    assert somanet(*line, "--output", "out", cwd=tmp_path) is None
    table = read_table_text(tmp_path / "out" / "crops.csv")
    assert len(table) == 2
    row = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert (row["input"], row["frame"], row["reasons"]) == ("movie", "0", "track ends")
    assert int(row["y_px"]) <= 220 < int(row["y_px"]) + 256
    assert int(row["x_px"]) <= 330 < int(row["x_px"]) + 256


def read_table_text(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_movie_without_doubt_says_so(world: Path, tmp_path: Path) -> None:
    line = ("label", "suggest", "movie.tif", "--model", "model", "--rescale", 1, "--output", tmp_path / "out")
    error = somanet(*line, cwd=world)
    assert error is not None
    assert "found nothing doubtful" in error
    assert not (tmp_path / "out").exists()


def test_results_without_their_movie_ask_for_it(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "result"
    folder.mkdir()
    (folder / "manifest.json").write_text(
        json.dumps({"input": {"file": "movie.tif", "sha256": "0" * 64}}), encoding="utf-8"
    )
    (folder / "tracks.csv").write_text("track_id,frame,t_h,y_px,x_px,y_um,x_um\n", encoding="utf-8")
    error = somanet("label", "suggest", "result", "--output", "out", cwd=tmp_path)
    assert error is not None
    assert "Give --movie with where it is" in error
    error = somanet("label", "suggest", "result", "--movie", world / "movie.tif", "--output", "out", cwd=tmp_path)
    assert error is not None
    assert "found another one" in error
    movie = world / "movie.tif"
    error = somanet("label", "suggest", movie, "--movie", movie, "--output", "out", cwd=tmp_path)
    assert error is not None
    assert "--movie goes with results" in error


def test_results_of_a_movie_that_breaks_off_are_searched(world: Path, tmp_path: Path) -> None:
    data = (world / "movie.tif").read_bytes()
    (tmp_path / "movie.tif").write_bytes(data[: int(0.8 * len(data))])
    about = {"file": "movie.tif", "sha256": sha256_movie(tmp_path / "movie.tif"), "truncated": True}
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "manifest.json").write_text(json.dumps({"input": about}), encoding="utf-8")
    item = movie_of_result(tmp_path / "result", None)
    assert item.truncated
    assert len(item.images()) == 2


def test_the_table_of_crops_is_read_again(world: Path, tmp_path: Path) -> None:
    line = ("label", "propose", "set", "--threshold", 70, "--output", tmp_path / "out")
    assert somanet(*line, cwd=world) is None
    table = read_table(tmp_path / "out" / "crops.csv", CROPS)
    assert table["crop"].tolist() == ["a", "b"]
    assert table["frame"].isna().all()
    assert read_labels_of(tmp_path / "out" / "a" / "masks") == 2


def read_labels_of(folder: Path) -> int:
    return len([read_labels(file) for file in folder.iterdir()])
