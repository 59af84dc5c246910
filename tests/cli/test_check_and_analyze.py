"""`data check` says of every kind of input what `analyze` then opens: the same movies, frames, scale and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile

from somanet.analysis import names
from somanet.analysis.source import MovieSource
from somanet.core.errors import SomaNetError
from somanet.io.movie_search import find_movies
from tests.worlds import somanet

T, Y, X = 6, 40, 56
FRAMES = np.random.default_rng(0).integers(50, 200, (T, Y, X), dtype=np.uint8)
OTHER = FRAMES[::-1]


def stack(path: Path, frames: np.ndarray = FRAMES) -> None:
    """An ImageJ file of 0.65 µm and 12 min."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scale: dict[str, Any] = {"axes": "TYX", "unit": "um", "finterval": 720}
    tifffile.imwrite(path, frames, imagej=True, metadata=scale, resolution=(1 / 0.65, 1 / 0.65))


def images(folder: Path, pattern: str = "t{:03}.tif", frames: np.ndarray = FRAMES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for t, frame in enumerate(frames):
        cv2.imwrite(str(folder / pattern.format(t)), frame)


def planes(path: Path, axes: str) -> None:
    tifffile.imwrite(path, np.stack([FRAMES, OTHER], 1), imagej=True, metadata={"axes": axes})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import zarr

    root = tmp_path_factory.mktemp("inputs")
    stack(root / "one.tif")
    for name, frames in (("a.tif", FRAMES), ("b.tif", OTHER)):
        stack(root / "several" / name, frames)
        stack(root / "folders_of_files" / f"day_{name[0]}" / name, frames)
        stack(root / "same_names" / f"day_{name[0]}" / "movie.tif", frames)
        images(root / "folders_of_images" / name[0], frames=frames)
    stack(root / "here_and_inside" / "a.tif")
    stack(root / "here_and_inside" / "more" / "b.tif", OTHER)
    stack(root / "deep" / "x" / "y" / "a.tif")
    images(root / "numbered")
    images(root / "numbered_png", "t{:03}.png")
    images(root / "plain_numbers", "cells{:03}.tif")
    images(root / "clock", "i_1{}h30m.png")
    images(root / "two_numbers", "exp{:02b}_run0.tif", frames=FRAMES[:4])
    for file in sorted((root / "two_numbers").iterdir()):
        file.rename(file.with_name(f"exp1{file.stem[3]}_run0_00{file.stem[4]}.tif"))
    images(root / "letter_c", "c{:04}.tif")
    images(root / "with_a_still")
    tifffile.imwrite(root / "with_a_still" / "overview.tif", FRAMES[0] // 2)
    images(root / "with_a_preview")
    cv2.imwrite(str(root / "with_a_preview" / "preview.png"), FRAMES[0])
    images(root / "mixed")
    cv2.imwrite(str(root / "mixed" / "t006.png"), FRAMES[0])
    images(root / "a_gap", frames=FRAMES)
    (root / "a_gap" / "t003.tif").unlink()
    images(root / "challenge" / "01")
    images(root / "challenge" / "01_GT" / "TRA", "man_track{:03}.tif")
    for name in ("one.png", "one.jpg", "still.tif"):
        cv2.imwrite(str(root / name), FRAMES[0])
    planes(root / "channels.tif", "TCYX")
    planes(root / "planes.tif", "TZYX")
    (root / "page.tif").write_bytes(b"<html><body>log in</body></html>")
    (root / "page.nd2").write_bytes(b"<html><body>log in</body></html>")
    (root / "in_zarr").mkdir()
    zarr.open_array(str(root / "in_zarr" / "m.zarr"), mode="w", shape=FRAMES.shape, dtype="u1")[:] = FRAMES
    stack(root / "beside_results" / "a.tif")
    stack(root / "beside_results" / "out" / "masks.tif", OTHER)
    (root / "beside_results" / "out" / names.MANIFEST).write_text("{}")
    return root


KINDS = [
    "one.tif", "several", "folders_of_files", "same_names", "folders_of_images", "here_and_inside", "deep", "numbered",
    "numbered/t*.tif", "numbered_png", "plain_numbers", "clock", "two_numbers", "letter_c", "with_a_still",
    "with_a_preview", "mixed", "a_gap", "challenge", "one.png", "one.jpg", "still.tif", "channels.tif", "planes.tif",
    "page.tif", "page.nd2", "in_zarr", "in_zarr/m.zarr", "beside_results", "several/a.tif",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_movies_and_the_same_words(
    inputs: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "check.csv"
    error = somanet("data", "check", inputs / kind, "--output", table, cwd=inputs)
    shown = capsys.readouterr().out
    rows = (
        pd.read_csv(table, dtype={"name": str, "path": str}, keep_default_na=False).set_index("name").to_dict("index")
    )
    opened = {name: (file, dry(file, name)) for file, name in find_movies([inputs / kind])}
    assert rows.keys() == opened.keys()
    assert (error is None) == any(row["status"] == "accepted" for row in rows.values())
    for name, (file, found) in opened.items():
        row = rows[name]
        if isinstance(found, str) and row["n_frames"] != 1:
            assert row["status"] == "rejected"
            assert found == row["note"]
            assert found in shown
            continue
        if isinstance(found, str):
            assert "a single image: `somanet predict` segments it" in row["note"]
            assert "`somanet predict` segments those" in found
            continue
        assert row["status"] == "accepted"
        assert row["path"] == file.name
        for column, value in found.items():
            if column == "notes":
                assert all(note.removesuffix(".") in row["note"] for note in value)
            else:
                assert row[column] == ("" if value is None else pytest.approx(value)), column


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("two_numbers", r"several numbers .*'[^']*exp\*_run0_000\.tif' \(2 images\) or '[^']*exp10_run0_\*\.tif' \(2"),
        ("letter_c", r"found 6: .*with --channel\. If they are time points: --axes TYX"),
    ],
)
def test_names_of_two_readings_name_both(inputs: Path, kind: str, words: str) -> None:
    """`exp11_run0_001.tif` may count experiments or frames, `c0001.tif` channels or cells."""
    with pytest.raises(SomaNetError, match=words):
        MovieSource(inputs / kind, kind).open()
    for way in ("exp*_run0_000.tif", "exp10_run0_*.tif") if kind == "two_numbers" else ():
        with MovieSource(inputs / kind / way, kind).open() as movie:
            assert movie.n_frames == 2
    if kind == "letter_c":
        with MovieSource(inputs / kind, kind, axes="TYX").open() as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), FRAMES)


def dry(file: Path, name: str) -> dict[str, Any] | str:
    """What an analysis opens, or why it does not."""
    try:
        with MovieSource(file, name).open() as movie:
            list(movie)
            scale = movie.file_calibration
            return {
                "n_frames": movie.n_frames,
                "height_px": movie.shape_YX[0],
                "width_px": movie.shape_YX[1],
                "n_channels": movie.n_channels,
                "n_planes": movie.n_planes,
                "pixel_size_um": "" if scale.pixel_size_um is None else scale.pixel_size_um,
                "frame_interval_min": "" if scale.frame_interval_min is None else scale.frame_interval_min,
                "notes": movie.notes,
            }
    except SomaNetError as problem:
        return str(problem)


def test_what_is_found(inputs: Path) -> None:
    """How many, so that not both are blind in the same way."""
    counts = {kind: len(find_movies([inputs / kind])) for kind in KINDS}
    twos = {
        "several", "folders_of_files", "same_names", "folders_of_images", "here_and_inside", "with_a_still",
    }  # fmt: skip
    assert counts == {kind: 2 if kind in twos else 1 for kind in KINDS}
    assert dict(find_movies([inputs / "same_names"])).keys() == {
        inputs / "same_names" / f"day_{one}" / "movie.tif" for one in "ab"
    }


def test_an_empty_folder(tmp_path: Path) -> None:
    error = somanet("data", "check", tmp_path, cwd=tmp_path)
    assert error is not None
    assert "expected images" in error
