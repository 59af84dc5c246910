"""Movies as labs store them, from the command line: one movie whatever its files, and the same numbers."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from somanet.io.movies import sha256_movie
from tests.analysis.worlds import HEIGHT, N_FRAMES, WIDTH, frames_TYX, save_movie
from tests.worlds import somanet

QUICK = ("--no-report", "--no-overlay", "--model", "model")
SCALE = ("--pixel-size-um", "2", "--frame-interval-min", "20")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """The same movie as one file, as numbered images of two channels, as a Z stack, and beside other planes."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(bright, folder / "model")
    save_movie(folder / "movie.ome.tif")
    (folder / "exposures").mkdir()
    (folder / "01").mkdir()
    for t, frame in enumerate(frames_TYX()):
        for channel, pixels in (("w1DAPI", np.roll(frame, 5, axis=0)), ("w2GFP", frame)):
            tifffile.imwrite(folder / "exposures" / f"exp_{channel}_s1_t{t + 1}.tif", pixels)
        tifffile.imwrite(folder / "01" / f"t{t:03}.tif", frame)
    tifffile.imwrite(folder / "as_planes.tif", frames_TYX(), imagej=True, metadata={"axes": "ZYX"})
    assert somanet("analyze", "movie.ome.tif", "--output", "whole", *QUICK, cwd=folder) is None
    return folder


def numbers(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "tracks.csv")


def manifest(folder: Path) -> dict[str, object]:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (("01",), "01"),
        (("01/t*.tif",), "01"),
        (("exposures", "--channel", "2GFP"), "exposures"),
        (("exposures/exp_w2GFP_s1_t*.tif",), "exp_w2GFP_s1"),
        (("as_planes.tif", "--axes", "TYX"), "as_planes"),
    ],
)
def test_the_same_movie_has_the_same_tracks(lab: Path, tmp_path: Path, given: tuple[str, ...], name: str) -> None:
    out = tmp_path / "out"
    assert somanet("analyze", *given, "--output", out, *QUICK, *SCALE, cwd=lab) is None
    pd.testing.assert_frame_equal(numbers(out), numbers(lab / "whole"))
    about = manifest(out)["input"]
    assert about["movie"] == name
    assert about["sha256"] == sha256_movie(lab / given[0])


def test_images_named_one_by_one(lab: Path, tmp_path: Path) -> None:
    """As a shell passes them on: one movie, in the output itself and in no folder below."""
    files = sorted((lab / "01").iterdir())
    assert somanet("analyze", *files, "--output", tmp_path / "out", *QUICK, *SCALE, cwd=lab) is None
    pd.testing.assert_frame_equal(numbers(tmp_path / "out"), numbers(lab / "whole"))
    error = somanet("analyze", *files[:5], "--output", tmp_path / "part", *QUICK, *SCALE, cwd=lab)
    assert error is not None
    assert f"found 5 of {N_FRAMES} of the names 't*.tif'" in error


def test_a_folder_of_such_folders(lab: Path, tmp_path: Path) -> None:
    shutil.copytree(lab / "01", tmp_path / "movies" / "01")
    (tmp_path / "movies/02").mkdir()
    for t, frame in enumerate(frames_TYX()):
        tifffile.imwrite(tmp_path / "movies" / "02" / f"t{t:03}.tif", np.roll(frame, 2, axis=0))
    assert somanet("analyze", tmp_path / "movies", "--output", tmp_path / "out", *QUICK, *SCALE, cwd=lab) is None
    found = {path.parent.name for path in (tmp_path / "out").glob("*/tracks.csv")}
    assert found == {"01", "02"}
    pd.testing.assert_frame_equal(numbers(tmp_path / "out/01"), numbers(lab / "whole"))


def test_an_output_among_the_images_is_refused(lab: Path, tmp_path: Path) -> None:
    shutil.copytree(lab / "01", tmp_path / "01")
    before = sha256_movie(tmp_path / "01")
    for given, output in (("01", "01/out"), ("01/t*.tif", "01/t003.tif")):
        error = somanet("analyze", tmp_path / given, "--output", tmp_path / output, *QUICK, *SCALE, cwd=lab)
        assert error is not None
        assert "\n" not in error
    assert sha256_movie(tmp_path / "01") == before


def test_predict_takes_a_pattern_and_axes(lab: Path, tmp_path: Path) -> None:
    for given, name in ((("01/t*.tif",), "01"), (("as_planes.tif", "--axes", "TYX"), "as_planes")):
        out = tmp_path / name
        assert somanet("predict", *given, "--output", out, "--model", "model", cwd=lab) is None
        with tifffile.TiffFile(out / f"{name}.tif") as tiff:
            assert tiff.series[0].shape == (N_FRAMES, HEIGHT, WIDTH)


def test_data_check_says_what_analyze_would(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert somanet("data", "check", "01", "--output", tmp_path / "a.csv", cwd=lab) is None
    (row,) = pd.read_csv(tmp_path / "a.csv", dtype={"name": str}).to_dict("records")
    assert (row["name"], row["status"], row["n_frames"], row["n_channels"]) == ("01", "accepted", N_FRAMES, 1)
    assert row["sha256"] == sha256_movie(lab / "01")
    shown = capsys.readouterr().out
    assert f"{N_FRAMES} frames of {HEIGHT} × {WIDTH} px" in shown
    assert "no pixel size, no frame interval" in shown
    assert "needs --pixel-size-um and --frame-interval-min" in shown
    channels = r"found 2: 0 \(1DAPI\), 1 \(2GFP\).*--channel"
    for given, words in (("as_planes.tif", "--axes TYX"), ("exposures", channels)):
        assert somanet("data", "check", given, cwd=lab) is not None
        checked = capsys.readouterr().out
        analyzed = somanet("analyze", given, "--output", tmp_path / "no", *QUICK, *SCALE, cwd=lab)
        assert analyzed is not None
        assert re.search(words, analyzed)
        assert analyzed.removeprefix("error: ").strip() in checked
    assert somanet("data", "check", "exposures", "--channel", "2GFP", cwd=lab) is None
    assert somanet("data", "check", "as_planes.tif", "--axes", "TYX", cwd=lab) is None
    for name in ("a.nd2", "a.ims", "a.txt"):
        (tmp_path / name).write_bytes(b"any")
        assert somanet("data", "check", tmp_path / name, cwd=lab) is not None
        assert "zip" not in capsys.readouterr().out


def test_a_data_set_stays_one(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Images of different shapes, with labels beside them, or in a folder named images are no movie."""
    rng = np.random.default_rng(0)
    for folder, shapes in (("sizes", [(23, 37), (24, 37)]), ("sets/images", [(23, 37)] * 2), ("pairs", [(23, 37)] * 2)):
        (tmp_path / folder).mkdir(parents=True)
        for i, shape in enumerate(shapes):
            tifffile.imwrite(tmp_path / folder / f"img_{i:03}.tif", rng.integers(0, 99, shape, dtype=np.uint8))
            if folder == "pairs":
                labels = np.zeros(shape, np.uint16)
                labels[3:9, 4:8] = 1
                tifffile.imwrite(tmp_path / folder / f"img_{i:03}_labels.tif", labels)
    shutil.copytree(lab / "01", tmp_path / "labelme")
    for image in sorted((tmp_path / "labelme").iterdir()):
        image.with_suffix(".json").write_text("{}")
    assert somanet("data", "check", tmp_path / "labelme", cwd=lab) is not None
    assert "frames of" not in capsys.readouterr().out
    error = somanet("data", "check", lab / "01", "--binary", cwd=lab)
    assert error is not None
    assert "about label images, found movies" in error
    for folder in ("sizes", "sets", "pairs"):
        assert somanet("data", "check", tmp_path / folder, cwd=lab) is None
        shown = capsys.readouterr().out
        assert "2 of 2 accepted" in shown
        assert "frames" not in shown
    error = somanet("data", "check", tmp_path / "pairs", "--channel", "0", cwd=lab)
    assert error is not None
    assert "about movies, found a data set" in error
