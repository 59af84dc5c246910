"""Chunks that a zarr movie lacks: a copy that was interrupted, and blank parts that a program left out."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from somanet.core.calibration import FileCalibration
from somanet.core.problems import FileProblem
from somanet.io.datasets.movie_manifest import check_movie
from somanet.io.datasets.movie_or_set import are_movies
from somanet.io.datasets.recognise import recognise
from somanet.io.datasets.sources import open_source
from somanet.io.label_movies import open_label_movie, write_label_movie
from somanet.io.movies import open_movie

T, Y, X = 12, 40, 60
MOVIE = np.random.default_rng(0).integers(1, 99, (T, Y, X)).astype(np.uint16)
LAYOUTS = {
    "2 with dots": {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "."}},
    "2 in folders": {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "3 with dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "3 in folders": {},
    "3 named as 2": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "shards": {"chunks": (1, 10, 10), "shards": (1, 20, 20)},
}


def write(path: Path, data: np.ndarray = MOVIE, **options: Any) -> Path:
    """As zarr writes it: without the chunks that are empty."""
    given: dict[str, Any] = {"chunks": (1, 20, 20), "zarr_format": 3, **options}
    array = zarr.create_array(str(path), shape=data.shape, dtype=data.dtype, **given)
    array[:] = data
    return path


def lose(path: Path, *key: int) -> None:
    array = zarr.open_array(str(path), mode="r")
    (path / array.metadata.encode_chunk_key(key)).unlink()


def lose_frames(path: Path, *frames: int) -> None:
    for t in frames:
        for y in range(2):
            for x in range(3):
                lose(path, t, y, x)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_chunks_that_are_lost_are_noted_and_a_cut_end_is_refused(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path / "m.zarr", **LAYOUTS[layout])
    what = "shard" if layout == "shards" else "chunk"
    with open_movie(path) as movie:
        assert movie.notes == ()
        np.testing.assert_array_equal(movie.frame(7), MOVIE[7])

    lose(path, 4, 0, 1)
    with open_movie(path) as movie:
        (note,) = movie.notes
    assert note == (
        f"1 of 72 {what}s is not stored and is read as 0: frame 4, counted from 0. Was a copy interrupted? A program "
        f"that leaves out empty {what}s writes such files, too."
    )
    lose(path, 5, 1, 2)
    row = check_movie(path)
    assert row["status"] == "accepted"
    assert f"2 of 72 {what}s are not stored and are read as 0: frames 4, 5, counted from 0" in str(row["note"])

    lose_frames(path, 9, 10, 11)
    with pytest.raises(FileProblem, match="truncated: of 12 frames, it lacks frame 9 and all after it") as caught:
        open_movie(path)
    assert caught.value.kind == "truncated"
    assert "take what is whole (frames 0 to 8) with --allow-truncated." in str(caught.value)
    assert check_movie(path)["reason"] == "truncated"
    with open_movie(path, allow_truncated=True) as movie:
        assert (movie.n_frames, movie.truncated) == (9, True)
        assert "frames 4, 5, counted" in movie.notes[0]
        np.testing.assert_array_equal(movie.frame(8), MOVIE[8])

    lose(path, 8, 1, 1)  # the copy ended within a frame
    with open_movie(path, allow_truncated=True) as movie:
        assert movie.n_frames == 8

    lose_frames(path, 0, 1, 2, 3, 6, 7)
    for t, y, x in np.ndindex(T, 2, 3):
        if t in (4, 5, 8) and (t, y, x) not in ((4, 0, 1), (5, 1, 2), (8, 1, 1)):
            lose(path, t, y, x)
    with pytest.raises(FileProblem, match=rf"none of its 72 {what}s is stored") as caught:
        open_movie(path, allow_truncated=True)
    assert caught.value.kind == "missing"
    assert open_movie(path, labels=True).n_frames == T


def test_only_the_channel_and_planes_that_are_read_count(tmp_path: Path) -> None:
    data = np.ones((T, 3, 2, Y, X), np.uint8)
    path = write(tmp_path / "m.zarr", data, chunks=(1, 1, 1, 20, 60), dimension_names=["t", "c", "z", "y", "x"])
    lose(path, 3, 1, 0, 1, 0)
    lose(path, 5, 1, 1, 0, 0)
    for channel, z, said in (
        (0, "max", None), (2, 0, None), (1, 0, "1 of 24 chunks is not stored and is read as 0: frame 3,"),
        (1, "max", "2 of 48 chunks are not stored and are read as 0: frames 3, 5,"),
    ):  # fmt: skip
        with open_movie(path, channel=channel, z=z) as movie:
            assert [said] == [note[: len(said)] for note in movie.notes] if said else movie.notes == ()
    shutil.rmtree(path / "c")
    write_again = zarr.open_array(str(path), mode="r+")
    write_again[:, 0] = 1
    with pytest.raises(FileProblem, match="none of its 24 chunks is stored"):
        open_movie(path, channel=1, z=0)
    with open_movie(path, channel=0, z=0) as movie:
        assert movie.notes == ()


def test_several_frames_in_a_shard(tmp_path: Path) -> None:
    path = write(tmp_path / "m.zarr", chunks=(1, 20, 20), shards=(5, 40, 40))  # frames 0-4, 5-9, 10-11
    lose(path, 1, 0, 1)
    with open_movie(path) as movie:
        assert "1 of 6 shards is not stored and is read as 0: frames 5, 6, 7, 8, 9, counted" in movie.notes[0]
    for x in (0, 1):
        lose(path, 2, 0, x)
    with pytest.raises(FileProblem, match=r"it lacks frame 5 and all after it.*frames 0 to 4\)"):
        open_movie(path)


def test_what_zarr_leaves_out_is_no_fault(tmp_path: Path) -> None:
    margins = MOVIE.copy()
    margins[:, :20] = 0  # a row of chunks in all frames
    margins[:9, :, 40:] = 0  # a column in most of them
    blank = MOVIE.copy()
    blank[[3, 8]] = 0
    for name, data, frames in (("margins", margins, None), ("blank", blank, "frames 3, 8")):
        path = write(tmp_path / f"{name}.zarr", data)
        stored = [file for file in path.rglob("*") if file.is_file() and file.name != "zarr.json"]
        assert len(stored) == {"margins": 27, "blank": 60}[name]
        with open_movie(path) as movie:
            assert bool(movie.notes) == bool(frames)
            if frames:
                assert f"{frames}, counted from 0. Was a copy interrupted? A program that leaves out" in movie.notes[0]
            np.testing.assert_array_equal(np.stack(list(movie)), data)


def test_a_fill_value_that_is_not_0_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.zarr", fill_value=100)
    lose(path, 2, 0, 0)
    with open_movie(path) as movie:
        assert "is read as 100: frame 2," in movie.notes[0]


def test_labels_may_lack_what_is_background(tmp_path: Path) -> None:
    labels = np.zeros((T, Y, X), np.uint16)
    labels[2:5, 3:9, 3:9] = 1
    with open_label_movie(write(tmp_path / "other.zarr", labels)) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), labels)
        assert movie.notes == ()
    own = tmp_path / "own.zarr"
    scale = FileCalibration(0.65, 5.0)
    write_label_movie(own, labels, n_frames=T, shape_YX=(Y, X), largest_id=1, calibration=scale)
    assert check_movie(own)["status"] == "accepted"  # SomaNet writes all of them


@pytest.mark.parametrize("name", ["m.zarr.zip", "m.zip"])
def test_a_zipped_zarr_is_called_so(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "m.zarr")
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder if name == "m.zarr.zip" else tmp_path))
    assert not are_movies(tmp_path / name)
    with pytest.raises(FileProblem, match=r"found it in a zip, which is not read\. Unpack it into a folder"):
        recognise(open_source(tmp_path / name))
    if name == "m.zarr.zip":
        with pytest.raises(FileProblem, match="found it in a zip"):
            open_movie(tmp_path / name)
