"""The contract for scripts: what goes in, what `OUT/<name>.tif` holds. The network's output is known."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from somanet.core.calibration import Calibration, FileCalibration
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image
from somanet.io.movies import open_movie, write_movie
from somanet.segmentation.inference.at_once import usual_workers
from somanet.segmentation.inference.segmenter import Segmented, Segmenter
from tests.worlds import TWO_SOMAS, draw, photograph, scene, somanet

THREE_SOMAS = """
    ..a.......
    .........b
    ....c....b
    .........b
    ..........
"""  # 40 × 80 px: neither side is a multiple of what the network halves


def predict(bright: Path, *inputs: object, cwd: Path) -> dict[str, np.ndarray]:
    """Segment the inputs; the label files by name, as stored."""
    assert somanet("predict", *inputs, "--model", bright, "--output", "out", cwd=cwd) is None
    return {file.stem: tifffile.imread(file) for file in sorted((cwd / "out").glob("*.tif"))}


def same_objects(found: np.ndarray, labels: np.ndarray) -> bool:
    """Whether two label images hold the same objects, under whatever numbers."""
    pairs = np.unique(np.stack([found.ravel(), labels.ravel()]), axis=1)
    one_to_one = pairs.shape[1] == len(np.unique(found)) == len(np.unique(labels))
    return found.shape == labels.shape and one_to_one and np.array_equal(found > 0, labels > 0)


def test_the_comparison_of_labels_can_fail() -> None:
    labels = draw(TWO_SOMAS)
    assert same_objects(labels * 7, labels)
    assert not same_objects((labels > 0).astype(int), labels)  # merged
    assert not same_objects(np.roll(labels, 1), labels)


@pytest.mark.parametrize(
    ("suffix", "image"),
    [
        (".png", photograph(draw(THREE_SOMAS))),
        (".png", np.stack([photograph(draw(THREE_SOMAS))] * 3, axis=-1)),
        (".png", np.stack([photograph(draw(THREE_SOMAS))] * 3 + [np.full((40, 80), 255, np.uint8)], axis=-1)),
        (".png", photograph(draw(THREE_SOMAS), np.uint16)),
        (".tif", photograph(draw(THREE_SOMAS), np.uint16)),
        (".tif", photograph(draw(THREE_SOMAS)).astype(np.float32) / 1000),
    ],
    ids=["grey PNG", "RGB PNG", "RGBA PNG", "16-bit PNG", "16-bit TIFF", "float TIFF"],
)
def test_a_single_image(bright: Path, tmp_path: Path, suffix: str, image: np.ndarray) -> None:
    """3 somas, 40 × 80 px; the file is an unsigned 16-bit TIFF with 0 as background and ids 1, 2, 3."""
    write_image(tmp_path / f"cells.one{suffix}", image)
    found = predict(bright, f"cells.one{suffix}", cwd=tmp_path)
    assert list(found) == ["cells.one"]
    labels = found["cells.one"]
    assert labels.dtype == np.uint16
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    assert same_objects(labels, draw(THREE_SOMAS))


def test_a_folder_of_images_of_different_sizes(bright: Path, tmp_path: Path) -> None:
    worlds = {"a": TWO_SOMAS, "b": THREE_SOMAS, "dark": "....\n...."}
    (tmp_path / "in").mkdir()
    for name, world in worlds.items():
        write_image(tmp_path / "in" / f"{name}.{'png' if name == 'a' else 'tif'}", photograph(draw(world)))
    (tmp_path / "in" / "notes.txt").write_text("looked at by nobody")
    (tmp_path / "in" / "._a.png").write_bytes(b"\0\5\26\7 what macOS leaves")
    found = predict(bright, "in", cwd=tmp_path)
    assert list(found) == ["a", "b", "dark"]
    assert all(same_objects(found[name], draw(world)) for name, world in worlds.items())
    told = json.loads((tmp_path / "out" / "predictions.json").read_text(encoding="utf-8"))
    assert [(one["file"], one["n_objects"]) for one in told["labels"]] == [("a.tif", 2), ("b.tif", 3), ("dark.tif", 0)]


def test_damaged_images_cost_only_themselves(bright: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of five images one is no TIFF, one lost its last strip and one its end: all three are named, two are segmented.

    The pixels of the last row are what fails last: the header of `strip` and that of `cut` are whole.
    """
    (tmp_path / "in").mkdir()
    for name in ("a.tif", "z.png", "cut.png"):
        write_image(tmp_path / "in" / name, photograph(draw(TWO_SOMAS)))
    (tmp_path / "in" / "none.tif").write_bytes(b"no picture")
    tifffile.imwrite(tmp_path / "in" / "strip.tif", photograph(draw(TWO_SOMAS)), rowsperstrip=8, compression="zlib")
    with tifffile.TiffFile(tmp_path / "in" / "strip.tif") as tiff:
        start, size = tiff.pages[0].dataoffsets[-1], tiff.pages[0].databytecounts[-1]
    whole = bytearray((tmp_path / "in" / "strip.tif").read_bytes())
    whole[start : start + size] = b"\xff" * size
    (tmp_path / "in" / "strip.tif").write_bytes(whole)
    (tmp_path / "in" / "cut.png").write_bytes((tmp_path / "in" / "cut.png").read_bytes()[:-40])
    before = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    error = somanet("predict", "in", "--model", bright, "--output", "out", "--pictures", cwd=tmp_path)
    assert error is not None
    assert error.startswith("error: 3 of 5 inputs could not be segmented, for the reasons above: cut, none, strip. The")
    shown = capsys.readouterr().out
    for place, name in ((2, "cut"), (3, "none"), (4, "strip")):
        assert f"input {place} of 5: {name}: left out: in/{name}." in shown
    found = {file.stem: tifffile.imread(file) for file in sorted((tmp_path / "out").glob("*.tif"))}
    assert list(found) == ["a", "z"]
    assert all(same_objects(labels, draw(TWO_SOMAS)) for labels in found.values())
    told = json.loads((tmp_path / "out" / "predictions.json").read_text(encoding="utf-8"))
    assert [one["file"] for one in told["labels"]] == ["a.tif", "z.tif"]
    assert [one["file"] for one in told["failed"]] == ["cut.tif", "none.tif", "strip.tif"]
    assert all(one["problem"] for one in told["failed"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before


def test_a_movie_whose_last_frame_is_damaged_costs_only_itself(bright: Path, tmp_path: Path) -> None:
    """Frame 3 of 5 is none of the three that are looked at before the work; of labels before it none are left."""
    frames = photograph(np.repeat(MOVIE_TYX[:1], 5, axis=0), np.uint16)
    tifffile.imwrite(
        tmp_path / "movie.tif", frames, photometric="minisblack", metadata={"axes": "TYX"}, compression="zlib"
    )
    with tifffile.TiffFile(tmp_path / "movie.tif") as tiff:
        start, size = tiff.pages[3].dataoffsets[-1], tiff.pages[3].databytecounts[-1]
    whole = bytearray((tmp_path / "movie.tif").read_bytes())
    whole[start : start + size] = b"\xff" * size
    (tmp_path / "movie.tif").write_bytes(whole)
    write_image(tmp_path / "a.tif", photograph(draw(TWO_SOMAS)))
    error = somanet("predict", "movie.tif", "a.tif", "--model", bright, "--output", "out", cwd=tmp_path)
    assert error is not None
    assert error.startswith("error: 1 of 2 inputs could not be segmented, for the reasons above: movie.")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"a.tif", "objects.csv", "predictions.json"}
    error = somanet("predict", "movie.tif", "--model", bright, "--output", "alone", cwd=tmp_path)
    assert error is not None
    assert error.startswith("error: movie.tif")
    assert not (tmp_path / "alone").exists()


@pytest.mark.parametrize("path", ["kaggle", "kaggle.zip", "pairs"])
def test_a_data_set(bright: Path, tmp_path: Path, path: str) -> None:
    """`<id>/images/<id>.png` → `OUT/<id>.tif`; the masks beside are not inputs."""
    items = [scene("x1"), scene("x2", THREE_SOMAS)]
    (write_pairs if path == "pairs" else write_kaggle)(tmp_path / path, items)
    found = predict(bright, path, cwd=tmp_path)
    assert list(found) == ["x1", "x2"]
    assert all(same_objects(found[item.name], item.labels) for item in items)


def test_a_kaggle_folder_without_masks(bright: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "test" / "id7" / "images" / "id7.png", photograph(draw(TWO_SOMAS)))
    assert same_objects(predict(bright, "test", cwd=tmp_path)["id7"], draw(TWO_SOMAS))


MOVIE_TYX = np.stack([draw(TWO_SOMAS), np.roll(draw(TWO_SOMAS), 8, axis=1), np.zeros((64, 96), np.int32)])


@pytest.mark.parametrize("name", ["movie.tif", "movie.ome.tif"])
def test_a_movie_becomes_a_label_movie(bright: Path, tmp_path: Path, name: str) -> None:
    """3 frames TYX: 2 somas, 2 somas, an empty one; each frame's ids start at 1."""
    frames = photograph(MOVIE_TYX, np.uint16)
    frames[2, 0, 0] = 60_000  # a frame is scaled by itself: a hot pixel keeps the empty one dark
    write_movie(tmp_path / name, frames, Calibration(1.28, 12.0))
    [labels] = predict(bright, name, cwd=tmp_path).values()
    assert labels.shape == (3, 64, 96)
    assert labels.dtype == np.uint16
    assert all(same_objects(labels[t], MOVIE_TYX[t]) for t in range(2))
    written = next((tmp_path / "out").glob("*.tif"))
    with tifffile.TiffFile(written) as tiff:
        assert tiff.series[0].axes == "TYX"
    with open_movie(written) as movie:
        assert movie.file_calibration == FileCalibration(1.28, 12.0)


@pytest.mark.parametrize(("keep", "n_whole"), [(0.8, 2), (0.5, 1)])
def test_the_frames_before_a_cut_are_segmented_when_asked(
    bright: Path, tmp_path: Path, keep: float, n_whole: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three frames of equal length; a single one is an image."""
    write_movie(tmp_path / "m.tif", photograph(MOVIE_TYX, np.uint16), Calibration(1.28, 12.0))
    data = (tmp_path / "m.tif").read_bytes()
    (tmp_path / "m.tif").write_bytes(data[: int(keep * len(data))])
    message = somanet("predict", "m.tif", "--model", bright, "--output", "out", cwd=tmp_path)
    assert message is not None
    found = "predict` takes what is whole (frame 0)" if n_whole == 1 else "predict` take what is whole (frames 0 to 1)"
    assert message.endswith(f"{found} with --allow-truncated.")
    assert not (tmp_path / "out").exists()
    [labels] = predict(bright, "m.tif", "--allow-truncated", cwd=tmp_path).values()
    assert labels.shape == ((64, 96) if n_whole == 1 else (2, 64, 96))
    assert same_objects(labels.reshape(-1, 64, 96)[0], MOVIE_TYX[0])
    assert f"the file is truncated; labels are of its {n_whole} whole frame" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "predictions.json").read_text(encoding="utf-8"))
    assert record["labels"][0]["truncated"] is True


@pytest.mark.parametrize("shape_YX", [(1, 96), (64, 1)])
def test_a_movie_of_lines_is_refused(bright: Path, tmp_path: Path, shape_YX: tuple[int, int]) -> None:
    array = zarr.create_array(tmp_path / "m.zarr", shape=(3, *shape_YX), dtype="uint16", chunks=(1, *shape_YX))
    array[:] = np.random.default_rng(0).integers(1, 900, (3, *shape_YX))
    message = somanet("predict", "m.zarr", "--model", bright, "--output", "out", cwd=tmp_path)
    assert message is not None
    assert f"expected frames of at least 2 × 2 px, found {shape_YX[0]} × {shape_YX[1]}" in message
    assert not (tmp_path / "out").exists()


def test_labels_of_a_movie_are_written_while_it_is_read(
    bright: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 frames, only the three looked at again and those that wait beside the ones at work are held at any time."""
    write_movie(
        tmp_path / "a.tif", photograph(np.repeat(MOVIE_TYX[:1], 40, axis=0), np.uint16), Calibration(1.28, 12.0)
    )
    held: list[int] = []
    alive: list[weakref.ref] = []
    segment = Segmenter.segment

    def watched(self: Segmenter, image: np.ndarray) -> Segmented:
        held.append(sum(ref() is not None for ref in alive))
        found = segment(self, image)
        alive.append(weakref.ref(found.labels_YX))
        return found

    monkeypatch.setattr(Segmenter, "segment", watched)
    [labels] = predict(bright, "a.tif", cwd=tmp_path).values()
    assert labels.shape == (40, 64, 96)
    assert max(held) <= 3 + 2 * (usual_workers() + 1)


def test_a_folder_with_movies_and_images(bright: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "still.png", photograph(draw(THREE_SOMAS)))
    write_movie(tmp_path / "in" / "a.tif", photograph(MOVIE_TYX[:2], np.uint16), Calibration(1.28, 12.0))
    tifffile.imwrite(tmp_path / "in" / "large.btf", photograph(MOVIE_TYX[:2]), bigtiff=True, metadata={"axes": "TYX"})
    found = predict(bright, "in", cwd=tmp_path)
    assert {name: labels.shape for name, labels in found.items()} == {
        "a": (2, 64, 96), "large": (2, 64, 96), "still": (40, 80),
    }  # fmt: skip


def test_movies_in_folders_inside_are_named(bright: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders of results, hidden and empty ones are not."""
    for place in ("in", "in/day 1", "in/day2", "in/.hidden", "in/done", "in/empty"):
        (tmp_path / place).mkdir()
        if place != "in/empty":
            write_movie(tmp_path / place / "a.tif", photograph(MOVIE_TYX[:2], np.uint16), Calibration(1.28, 12.0))
    (tmp_path / "in" / "done" / "manifest.json").write_text("{}")
    assert list(predict(bright, "in", cwd=tmp_path)) == ["a"]
    told = "in: only what lies in it itself is segmented; day 1, day2 hold images or movies, too: give these folders"
    assert f"note: {told} by name.\n" in capsys.readouterr().err
    assert list(predict(bright, "in/day 1", cwd=tmp_path)) == ["a"]
    assert "only what lies" not in capsys.readouterr().err


def test_images_beside_folders_with_images_are_segmented(
    bright: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loose images at two levels are no data set; those in the folder itself are taken, and the others are named."""
    for place in ("in", "in/more"):
        (tmp_path / place).mkdir()
        for name in ("a.png", "b.png"):
            write_image(tmp_path / place / name, photograph(draw(TWO_SOMAS)))
    assert list(predict(bright, "in", cwd=tmp_path)) == ["a", "b"]
    assert "in: only what lies in it itself is segmented; more holds images or movies" in capsys.readouterr().err
    (tmp_path / "in" / "a.png").rename(tmp_path / "a.png")
    (tmp_path / "in" / "b.png").unlink()
    (tmp_path / "in" / "other").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "in" / "other" / "a.png")
    message = somanet("predict", "in", "--model", bright, "--output", "out2", cwd=tmp_path)
    assert message is not None
    assert message.endswith("found several: more, other (. is the folder itself). Give one of these folders by name.")


def test_many_objects_need_32_bits(bright: Path, tmp_path: Path) -> None:
    """Every second pixel of every second row: 260² = 67,600 somas of one pixel are more than 16 bits can number."""
    dots = np.zeros((520, 520), np.uint8)
    dots[::2, ::2] = 250
    write_image(tmp_path / "dots.png", dots)
    labels = predict(bright, "dots.png", cwd=tmp_path)["dots"]
    assert labels.dtype == np.uint32
    assert labels.max() == 67_600
    assert np.array_equal(labels > 0, dots > 0)


def test_several_inputs_at_once_and_again(bright: Path, tmp_path: Path) -> None:
    write_kaggle(tmp_path / "set.zip", [scene("x1")])
    write_image(tmp_path / "b.tif", photograph(draw(THREE_SOMAS)))
    assert list(predict(bright, "set.zip", "b.tif", cwd=tmp_path)) == ["b", "x1"]
    before = (tmp_path / "out" / "b.tif").read_bytes()
    predict(bright, "set.zip", "b.tif", cwd=tmp_path)
    assert (tmp_path / "out" / "b.tif").read_bytes() == before


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".somanet.jsonl"
    }


@pytest.mark.parametrize("kind", ["image", "movie", "set"])
def test_labels_of_other_images_are_not_replaced(bright: Path, tmp_path: Path, kind: str) -> None:
    """`day2/a.tif` is another image than `day1/a.tif`; with --replace the whole folder is kept, a person's file too."""
    for day, world in (("day1", TWO_SOMAS), ("day2", THREE_SOMAS)):
        image = photograph(draw(world), np.uint16)
        if kind == "image":
            write_image(tmp_path / day / "a.tif", image)
        elif kind == "movie":
            (tmp_path / day).mkdir()
            write_movie(tmp_path / day / "a.tif", np.stack([image, image[::-1]]), Calibration(1.28, 12.0))
        else:
            write_kaggle(tmp_path / day, [scene("a", world)])
    predict(bright, "day1", cwd=tmp_path)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = files_of(tmp_path / "out")
    error = somanet("predict", "day2", "--model", bright, "--output", "out", cwd=tmp_path)
    assert error is not None
    assert "out holds labels of other inputs, which new ones would replace: a.tif of another image." in error
    assert "keeps that folder as out.before" in error
    assert files_of(tmp_path / "out") == before
    predict(bright, "day1", cwd=tmp_path)  # the same images again
    assert files_of(tmp_path / "out") == before
    assert somanet("predict", "day2", "--model", bright, "--output", "out", "--replace", cwd=tmp_path) is None
    assert files_of(tmp_path / "out.before") == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.tif", "objects.csv", "predictions.json"}


@pytest.mark.parametrize(("option", "part"), [("--channel", "channel"), ("--z", "plane")])
def test_labels_of_another_part_of_a_file_are_not_replaced(
    bright: Path, tmp_path: Path, option: str, part: str
) -> None:
    """Two channels of one file, or two planes, are two images."""
    parts = np.stack([photograph(draw(world), np.uint16)[:40, :40] for world in (TWO_SOMAS, THREE_SOMAS)])
    axes = "TCYX" if part == "channel" else "TZYX"
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([parts, parts]), metadata={"axes": axes})
    given = ("predict", "a.ome.tif", "--model", bright, "--output", "out")
    assert somanet(*given, option, "0", cwd=tmp_path) is None
    before = files_of(tmp_path / "out")
    error = somanet(*given, option, "1", cwd=tmp_path)
    assert error is not None
    assert f"labels of other inputs, which new ones would replace: a.ome.tif of another {part}." in error
    assert files_of(tmp_path / "out") == before
    assert somanet(*given, option, "0", cwd=tmp_path) is None
    assert files_of(tmp_path / "out") == before
    assert somanet(*given, option, "1", "--replace", cwd=tmp_path) is None
    assert files_of(tmp_path / "out.before") == before


def test_a_folder_of_images_may_grow_and_may_not_shrink(bright: Path, tmp_path: Path) -> None:
    """As a person adds the next day's images; labels of one that is no longer there would be lost."""
    for name in ("a", "b"):
        write_image(tmp_path / "in" / f"{name}.png", photograph(draw(TWO_SOMAS)))
        assert list(predict(bright, "in", cwd=tmp_path))[-1] == name
    (tmp_path / "in" / "a.png").unlink()
    error = somanet("predict", "in", "--model", bright, "--output", "out", cwd=tmp_path)
    assert error is not None
    assert "labels of other inputs, which new ones would replace: a.tif. Choose another --output" in error
    assert (tmp_path / "out" / "a.tif").exists()


def test_without_a_model_the_bundled_one_predicts(tmp_path: Path) -> None:
    from somanet.analysis.network import BUNDLED
    from somanet.core.hashing import sha256_file
    from somanet.simulation import neuron_crops

    [crop] = neuron_crops(n_crops=1, size_px=96, seed=5)
    write_image(tmp_path / "crop.png", crop.image)
    assert somanet("predict", "crop.png", "--output", "labels", cwd=tmp_path) is None
    told = json.loads((tmp_path / "labels" / "predictions.json").read_text(encoding="utf-8"))
    assert told["model_sha256"] == sha256_file(BUNDLED / "model.safetensors")
