"""The movie and its scale; everything that cannot be analysed is refused before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.analysis.source import MovieSource, check_plausible
from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.io.movie_search import find_movies
from somanet.io.movies import movie_name
from tests.analysis.worlds import HEIGHT, N_FRAMES, SCALE, WIDTH, frames_TYX, save_movie


@pytest.mark.parametrize(
    ("name", "short"), [("a.tif", "a"), ("a.ome.tif", "a"), ("a.b.tiff", "a.b"), ("a.zarr", "a"), ("ome.tif", "ome")]
)
def test_movies_are_called_by_their_file(name: str, short: str) -> None:
    assert movie_name(Path("x") / name) == short


def test_a_movie_is_described(tmp_path: Path) -> None:
    path = save_movie(tmp_path / "a.ome.tif")
    facts = MovieSource(path, "a").describe()
    assert (facts["n_frames"], facts["shape_YX"]) == (N_FRAMES, [HEIGHT, WIDTH])
    assert (facts["pixel_size_um"], facts["frame_interval_min"]) == (2.0, 20.0)
    assert len(facts["sha256"]) == 64
    assert not facts["truncated"]


def test_a_position_is_the_same_by_its_name_and_by_its_number(tmp_path: Path) -> None:
    """Corrections and cohorts know a movie by it; where there is only one, it is none."""
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tiff:
        for name in ("A1", "B2"):
            tiff.write(frames_TYX(), photometric="minisblack", metadata={"axes": "TYX", "Name": name})
    for asked in ("B2", "1"):
        source = MovieSource(tmp_path / "a.ome.tif", "a", None, 2.0, 20.0, position=asked)
        assert source.describe()["position"] == "B2"
    assert MovieSource(save_movie(tmp_path / "one.tif"), "one", position="0").describe()["position"] is None


def test_a_given_scale_goes_before_the_file_s(tmp_path: Path) -> None:
    path = save_movie(tmp_path / "a.tif")
    source = MovieSource(path, "a", pixel_size_um=0.5)
    with source.open() as movie:
        assert source.calibration(movie) == Calibration(0.5, SCALE.frame_interval_min)


def test_an_unknown_scale_names_the_file_and_what_to_give(tmp_path: Path) -> None:
    path = save_movie(tmp_path / "a.tif", scale=FileCalibration(1.0, None))
    with pytest.raises(SomaNetError, match=r"a\.tif: .*--frame-interval-min") as error:
        MovieSource(path, "a").describe()
    assert "--pixel-size-um" not in str(error.value)


@pytest.mark.parametrize(
    ("scale", "option"),
    [
        (Calibration(1e-3, 10), "--pixel-size-um"),
        (Calibration(1280.0, 10), "--pixel-size-um"),
        (Calibration(1.28, 0.012), "--frame-interval-min"),
        (Calibration(1.28, 720.0), "--frame-interval-min"),
    ],
)
def test_a_scale_in_the_wrong_unit_is_refused(scale: Calibration, option: str) -> None:
    with pytest.raises(SomaNetError, match=option):
        check_plausible(scale, "a.tif")


def test_a_plausible_scale_passes() -> None:
    check_plausible(Calibration(1.28, 12.0), "a.tif")


def test_a_still_image_is_refused(tmp_path: Path) -> None:
    path = save_movie(tmp_path / "still.tif", frames_TYX(1))
    with pytest.raises(SomaNetError, match=r"at least 2 frames, found 1.*somanet predict"):
        MovieSource(path, "still").open()


def test_folders_give_their_movies(tmp_path: Path) -> None:
    for name in ("b.tif", "a.ome.tif", "notes.txt", ".hidden.tif"):
        (tmp_path / name).write_bytes(b"x")
    found = find_movies([tmp_path])
    assert [name for _, name in found] == ["a", "b"]
    assert find_movies([tmp_path / "b.tif"]) == [(tmp_path / "b.tif", "b")]


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "found none"), (["a.tif", "a.ome.tif"], "Two movies are called 'a'")],
)
def test_folders_that_cannot_be_analysed_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SomaNetError, match=words):
        find_movies([tmp_path])


def test_a_missing_movie_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="no such file"):
        find_movies([tmp_path / "a.tif"])


def test_a_zarr_folder_is_one_movie(tmp_path: Path) -> None:
    from somanet.io.label_movies import write_label_movie

    write_label_movie(
        tmp_path / "m.zarr",
        np.zeros((2, 4, 5), np.int32),
        n_frames=2,
        shape_YX=(4, 5),
        largest_id=1,
        calibration=SCALE,
    )
    assert find_movies([tmp_path / "m.zarr"]) == [(tmp_path / "m.zarr", "m")]


def test_folders_of_images_are_movies_called_by_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("day1/01", "day1/02", "day2/01"):
        (tmp_path / folder).mkdir(parents=True)
        for t, frame in enumerate(frames_TYX(3)):
            tifffile.imwrite(tmp_path / folder / f"t{t:03}.tif", frame)
    found = {name: path.relative_to(tmp_path).as_posix() for path, name in find_movies([tmp_path])}
    assert found == {"day1_01": "day1/01", "02": "day1/02", "day2_01": "day2/01"}
    monkeypatch.chdir(tmp_path / "day1/02")
    assert find_movies([Path()]) == [(Path(), "02")]
    assert find_movies([Path("t*.tif")]) == [(Path("t*.tif"), "02")]
    assert find_movies(sorted(Path().glob("t*.tif"))) == [(Path("t*.tif"), "02")]
    with pytest.raises(SomaNetError, match="no such file"):
        find_movies([Path("x*.tif")])
