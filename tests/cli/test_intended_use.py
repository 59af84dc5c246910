"""Input outside a network's intended use: one line and nothing written, or labels with a note."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from scipy import ndimage

from somanet.analysis.network import BUNDLED
from somanet.core.calibration import Calibration
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import read_labels, write_image
from somanet.io.movies import open_movie
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.simulation import simulate_movie
from tests.analysis.worlds import N_FRAMES, frames_TYX, save_movie
from tests.worlds import TWO_SOMAS, draw, photograph, scene, somanet

LABELS = draw(TWO_SOMAS)
IMAGE = photograph(LABELS)
PLANES = np.stack([np.where(number == LABELS, IMAGE, IMAGE.min()) for number in (1, 2, 9)])
"""3 planes of 64 × 96 px: the first soma in the first, the second in the second, none in the third."""
QUICK = ("--no-report", "--no-overlay", "--engine", "torch")


def inverted(frames: np.ndarray) -> np.ndarray:
    """Dark cells on a bright background."""
    return (60_000 - 15 * frames.astype(int)).astype(np.uint16)


def says(source: Path, folder: Path, **intended_use: object) -> None:
    """A copy of a checkpoint that states its intended use."""
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "intended_use": intended_use}))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """Networks with and without an intended use, and inputs for them."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(bright, folder / "anything")
    says(bright, folder / "fluorescence", modality="fluorescence", diameter_px=[8, 50])
    write_image(folder / "good.tif", IMAGE)
    write_image(folder / "brightfield.png", 255 - IMAGE // 2)
    stained = 235 - np.stack([IMAGE * share for share in (0.5, 0.8, 0.2)], axis=-1)
    write_image(folder / "stained.png", stained.astype(np.uint8))
    write_image(folder / "merged.png", np.stack([IMAGE, np.roll(IMAGE, 40, axis=1), 0 * IMAGE], axis=-1))
    write_pairs(folder / "set", [scene("a"), scene("b")])
    shutil.copyfile(folder / "stained.png", folder / "set" / "images" / "b.png")
    save_movie(folder / "movie.tif")
    save_movie(folder / "bright.tif", inverted(frames_TYX()))
    tifffile.imwrite(folder / "stack.tif", PLANES, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "stack.ome.tif", PLANES, photometric="minisblack", metadata={"axes": "ZYX"})
    hyper = np.stack([PLANES] * 2)
    tifffile.imwrite(folder / "hyper.tif", hyper, imagej=True, metadata={"axes": "TZYX"})
    tifffile.imwrite(folder / "nameless.tif", hyper, photometric="minisblack")  # 2 × 3 pages, none named
    tifffile.imwrite(folder / "pages.tif", PLANES, photometric="minisblack")
    axes = ["t", "z", "y", "x"]
    zarr.create_array(str(folder / "hyper.zarr"), shape=hyper.shape, dtype="uint8", dimension_names=axes)[:] = hyper
    zarr.create_array(str(folder / "nameless.zarr"), shape=hyper.shape, dtype="uint8")[:] = hyper
    (folder / "stacks").mkdir()
    shutil.copyfile(folder / "stack.tif", folder / "stacks" / "a.tif")
    return folder


A_STACK = r"expected a 2-D image or movie, found a Z stack of 3 planes \(.*Y=64, X=96\)\. .* take --z max .* or --z 0 "
EXPECTED = (
    r"expected fluorescence \(grey or one colour, on a dark background\), which this network was trained on; found "
)
REFUSED = [
    ("predict stack.tif", A_STACK),
    ("predict stack.ome.tif", A_STACK),
    ("predict hyper.tif", A_STACK),
    ("predict hyper.zarr", A_STACK),
    ("predict stacks", A_STACK),
    ("predict stack.tif --z 3", r"there is no plane 3; the file has planes 0 to 2 \(Z=3, Y=64, X=96\)\."),
    ("predict stack.tif --z mean", "expected --z max or a plane's number from 0, found 'mean'"),
    ("predict movie.tif --z 1", "there is no plane 1; the file has no Z axis, only plane 0"),
    ("predict good.tif brightfield.png --z max", "applies to movies and TIFF files, found .png"),
    ("predict set --z max", "found a data set"),
    ("predict nameless.tif", "expected one grey or colour image, found axes Q=2, Q=3, Y=64, X=96"),
    ("predict nameless.zarr", "Name the axes in the metadata"),
    ("predict nameless.tif --z max", r"found axes Q=2, Q=3, Y=64, X=96\. Name their meaning in this order with --axes"),
    ("analyze stack.tif", A_STACK),
    ("analyze hyper.tif", A_STACK),
    ("analyze hyper.zarr", A_STACK),
    ("analyze movie.tif hyper.tif", A_STACK),
    ("analyze stack.tif --z max", r"of 2 frames or more, found 1 of 3 planes\. If those are the time points, --axes"),
    ("analyze hyper.tif --z 7", "there is no plane 7"),
    ("analyze nameless.tif --z max", "Q=2, Q=3, Y=64, X=96"),
    ("predict brightfield.png", EXPECTED + "dark objects on a bright background, as in bright field .*--any-modality"),
    (
        "predict stained.png",
        EXPECTED + "dark objects on a bright .* or stained tissue.*Name a network .*--model",
    ),
    ("predict merged.png", EXPECTED + "several colours .* Give the channel of the somas alone"),
    ("predict good.tif stained.png brightfield.png", "2 of 3 inputs, such as stained.png: " + EXPECTED),
    ("predict set", "1 of 2 inputs, such as 'b' of set: " + EXPECTED),
    ("predict bright.tif", "^error: bright.tif: " + EXPECTED + "dark objects"),
    ("analyze bright.tif", "^error: bright.tif: " + EXPECTED + "dark objects"),
    ("analyze movie.tif bright.tif", "1 of 2 inputs, such as bright.tif: " + EXPECTED + "dark objects"),
    *(
        (f"{command} {options}", words)
        for command in ("predict good.tif", "analyze movie.tif")
        for options, words in (
            ("--rescale 0", r"--rescale 0: expected to rescale images by 0\.05 to 8"),
            ("--rescale 20", "found 20"),
            ("--diameter 2", "found 2, a factor of 10"),
            ("--diameter 20 --rescale 2", "Give --rescale or --diameter, not both"),
            ("--diameter 20 --model anything", "needs a network with a known range of soma diameters"),
        )
    ),
]


@pytest.mark.parametrize(("command", "words"), REFUSED, ids=[command for command, _ in REFUSED])
def test_one_line_and_nothing_written(lab: Path, command: str, words: str) -> None:
    """Not even an empty folder."""
    before = sorted(lab.rglob("*"))
    given = [*command.split(), "--output", "out"]
    given += [] if "--model" in given else ["--model", "fluorescence"]
    given += QUICK if given[0] == "analyze" else ["--engine", "torch"]
    if given[0] == "analyze":
        given += ["--pixel-size-um", "2", "--frame-interval-min", "20"]
    error = somanet(*given, cwd=lab)
    assert error is not None, "succeeded"
    assert re.search(words, error), error
    assert len(error.splitlines()) == 1
    assert sorted(lab.rglob("*")) == before


@pytest.mark.parametrize("name", ["good.tif", "stack.tif --z max", "hyper.zarr --z max", "hyper.tif --z max"])
def test_a_projection_is_labelled_like_an_image(lab: Path, tmp_path: Path, name: str) -> None:
    command = ["predict", *name.split(), "--model", "fluorescence", "--output", tmp_path / "out", "--engine", "torch"]
    assert somanet(*command, cwd=lab) is None
    [file] = (tmp_path / "out").glob("*.tif")
    labels = tifffile.imread(file)
    for frame in labels if "hyper" in name else [labels]:
        np.testing.assert_array_equal(frame, LABELS)
    [told] = json.loads((tmp_path / "out" / "predictions.json").read_text(encoding="utf-8"))["labels"]
    assert told["z"] == ("max" if "--z" in name else None)


def test_a_movie_of_stacks_is_analysed_as_its_projection(lab: Path, tmp_path: Path) -> None:
    """Each frame's two planes hold one cell each."""
    frames = frames_TYX()
    planes = np.stack([frames, frames], axis=1)
    planes[:, 0, :, 50:] = 200
    planes[:, 1, :, :50] = 200
    tifffile.imwrite(
        tmp_path / "m.tif", planes, imagej=True, resolution=(0.5, 0.5),
        metadata={"axes": "TZYX", "unit": "um", "finterval": 1200},
    )  # fmt: skip
    command = ("analyze", "m.tif", "--model", lab / "fluorescence", "--output", "out", "--z", "max", *QUICK)
    assert somanet(*command, cwd=tmp_path) is None
    tracks = pd.read_csv(tmp_path / "out" / "tracks.csv")
    assert tracks.groupby("track_id").size().to_dict() == {1: N_FRAMES, 2: N_FRAMES}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["input"]["z"] == "max"
    assert (manifest["input"]["pixel_size_um"], manifest["input"]["frame_interval_min"]) == (2.0, 20.0)


def test_pages_that_may_be_planes_are_noted(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("predict", "pages.tif", "--model", "anything", "--output", tmp_path / "out", "--engine", "torch")
    assert somanet(*command, cwd=lab) is None
    assert "note: pages.tif: the file does not name the axis of its pages" in capsys.readouterr().err
    assert tifffile.imread(tmp_path / "out" / "pages.tif").shape == PLANES.shape


def test_any_modality_is_labelled_with_the_option(lab: Path, tmp_path: Path) -> None:
    command = ("predict", "set", "brightfield.png", "--model", "fluorescence", "--output", tmp_path / "out")
    assert somanet(*command, "--any-modality", "--engine", "torch", cwd=lab) is None
    told = json.loads((tmp_path / "out" / "predictions.json").read_text(encoding="utf-8"))
    assert told["any_modality"] is True
    assert len(told["labels"]) == 3
    command = ("analyze", "bright.tif", "--model", "fluorescence", "--output", tmp_path / "movie", *QUICK)
    assert somanet(*command, "--any-modality", cwd=lab) is None
    manifest = json.loads((tmp_path / "movie" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["parameters"]["segment"] == {
        "rescale": 1.0,
        "symmetries": 1,
        "haze": {"contrast": 6.0, "confidence": 0.75},
        "any_modality": True,
    }
    assert any("--any-modality" in note for note in manifest["notes"])


def test_a_network_without_intended_use_labels_everything(lab: Path, tmp_path: Path) -> None:
    command = ("predict", "set", "brightfield.png", "--model", "anything", "--output", tmp_path / "out")
    assert somanet(*command, "--engine", "torch", cwd=lab) is None


def large(tmp_path: Path) -> Path:
    """Squares of 72 px, 81 px across. Grooves of one pixel cut each into nine pieces of 27 px, unless seen smaller."""
    square = np.full((120, 120), 25, np.uint8)
    square[24:96, 24:96] = 230
    for groove in (47, 71):
        square[groove, 24:96] = square[24:96, groove] = 60
    image = np.tile(square, (2, 3))
    write_image(tmp_path / "large.png", image)
    save_movie(tmp_path / "large.tif", np.stack([image] * N_FRAMES).astype(np.uint16))
    return tmp_path


@pytest.mark.parametrize("command", ["predict large.png", "predict large.tif", f"analyze large.tif {' '.join(QUICK)}"])
def test_somas_of_another_size_are_noted(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """27 px are found, which is well within 8 to 50; the truth is 81: a factor of 20 / 81 = 0.25. With it, no note."""
    given = [*command.split(), "--model", lab / "fluorescence", "--output", "out", "--engine", "torch"]
    assert somanet(*given, cwd=large(tmp_path)) is None
    told = capsys.readouterr()
    assert "note: The somas' size could not be estimated: there are objects of" in told.out + told.err
    assert re.search(r"within objects of 8[0-4] px", told.out + told.err)
    for option in ("--rescale=0.25", "--diameter=81"):
        assert somanet(*given, option, cwd=tmp_path) is None
        told = capsys.readouterr()
        assert "--diameter" not in told.out + told.err
    if "analyze" in command:
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["parameters"]["segment"]["rescale"] == pytest.approx(20 / 81)
        assert manifest["median_diameter_px"] == pytest.approx(81, abs=2)
        with open_movie(tmp_path / "out" / "labels.tif") as labels:
            assert labels.shape_YX == (240, 360)
    else:
        written = json.loads((tmp_path / "out" / "predictions.json").read_text(encoding="utf-8"))
        assert written["rescale"] == pytest.approx(20 / 81)
        assert written["labels"][0]["median_diameter_px"] == pytest.approx(81, abs=2)
        assert tifffile.imread(tmp_path / "out" / "large.tif").shape[-2:] == (240, 360)


def test_small_somas_are_noted_too(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A square of 6 px is 6.8 px across."""
    write_image(tmp_path / "small.png", photograph(draw(TWO_SOMAS.replace("b", "."), scale=2)))
    command = ("predict", "small.png", "--model", lab / "fluorescence", "--output", "out", "--engine", "torch")
    assert somanet(*command, cwd=tmp_path) is None
    assert "The detected somas are 6.8 px across (median), outside the 8 to 50 px" in capsys.readouterr().err


def test_a_movie_in_which_nothing_is_found_says_what_to_try(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = np.full((N_FRAMES, 64, 96), 200, np.uint16)
    frames[:, :2, :2] = 220
    frames[:, 0, 0] = 9000  # a hot pixel
    save_movie(tmp_path / "dark.tif", frames)
    says(lab / "anything", tmp_path / "model", diameter_px=[8, 50])
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    config["model"]["instances"]["min_area_px"] = 30
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    command = ("analyze", "dark.tif", "--model", "model", "--output", "out", "--no-overlay", "--engine", "torch")
    assert somanet(*command, cwd=tmp_path) is None
    out = capsys.readouterr().out
    assert "note: No soma was detected. If somas are larger or smaller than the 8 to 50 px" in out
    assert "No cell was found" in out
    assert "No soma was detected." in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


# The bundled model


def test_the_bundled_network_names_its_intended_use() -> None:
    intended_use = load_checkpoint(BUNDLED).intended_use
    assert intended_use.modality == "fluorescence"
    assert intended_use.diameter_px is not None


@pytest.mark.parametrize("command", ["predict stained.png brightfield.png", "analyze bright.tif"])
def test_the_bundled_network_refuses(lab: Path, tmp_path: Path, command: str) -> None:
    error = somanet(*command.split(), "--output", tmp_path / "out", cwd=lab)
    assert error is not None
    assert re.search(EXPECTED, error)
    assert not (tmp_path / "out").exists()


def test_the_bundled_network_finds_large_somas_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A simulated movie enlarged three times: the same somas in the same places; as stored, it finds pieces."""
    simulated = simulate_movie(seed=3, n_frames=2, shape_YX=(224, 256), calibration=Calibration(1.28, 12.0))
    write_image(tmp_path / "own.tif", simulated.frames_TYX[0])
    write_image(tmp_path / "large.tif", np.kron(simulated.frames_TYX[0], np.ones((3, 3), np.uint16)))
    notes = {}
    for name, options in (("own", ()), ("large", ()), ("large", ("--rescale", "1"))):
        output = "as_stored" if options else name
        assert somanet("predict", f"{name}.tif", "--output", output, *options, cwd=tmp_path) is None
        notes[output] = capsys.readouterr().err
    assert "so images were rescaled by 0.3" in notes["large"]
    assert "rescaled" not in notes["own"] + notes["as_stored"]
    [about] = json.loads((tmp_path / "large" / "predictions.json").read_text(encoding="utf-8"))["labels"]
    assert about["size"]["rescale"] == about["rescale"] == pytest.approx(1 / 3, rel=0.2)
    own, found, as_stored = (
        read_labels(tmp_path / output / f"{name}.tif")
        for output, name in (("own", "own"), ("large", "large"), ("as_stored", "large"))
    )
    assert found.shape == as_stored.shape == (672, 768)
    n_true = len(np.unique(simulated.labels_TYX[0])) - 1
    assert 2 < own.max() <= found.max() <= n_true
    assert np.mean((np.kron(own, np.ones((3, 3))) > 0) == (found > 0)) > 0.99
    assert as_stored.max() > n_true


def test_haze_stays_only_if_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Simulated neurons in a field of soft blobs, of which the bundled network outlines some."""
    movie = simulate_movie(seed=1, n_frames=2, shape_YX=(224, 300), calibration=Calibration(1.0, 12.0))
    field = ndimage.gaussian_filter(np.random.default_rng(101).standard_normal((224, 300)), 4)
    hazy = movie.frames_TYX[0] + 300 * np.exp(field / field.std())
    write_image(tmp_path / "hazy.tif", np.clip(hazy, 0, 65535).astype(np.uint16))
    assert somanet("predict", "hazy.tif", "--output", "out", "--rescale", "1", cwd=tmp_path) is None
    told = capsys.readouterr().err
    assert somanet("predict", "hazy.tif", "--output", "all", "--rescale", "1", "--keep-haze", cwd=tmp_path) is None
    assert "haze" not in capsys.readouterr().err
    record, everything = (
        json.loads((tmp_path / output / "predictions.json").read_text(encoding="utf-8")) for output in ("out", "all")
    )
    n_haze = record["labels"][0]["n_haze"]
    assert n_haze == 1
    assert f"1 of {everything['labels'][0]['n_objects']} objects was left out as haze" in told
    assert record["haze"] == {"contrast": 6.0, "confidence": 0.75}
    assert everything["haze"] is None
    objects = pd.read_csv(tmp_path / "all" / "objects.csv")
    haze = (objects["contrast"] < 6) & (objects["confidence"] < 0.75)
    assert haze.sum() == n_haze
