"""Bad input gets one line, a non-zero exit code, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.guard import check_write, guarded
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image, write_labels
from somanet.io.movies import open_movie
from somanet.provenance.mlflow import database
from tests.worlds import TWO_SOMAS, draw, make_project, mlflow_may_warn, photograph, scene, somanet

LABELS = draw(TWO_SOMAS)
IMAGE = photograph(LABELS)
ONE_EPOCH = ("--set", "training.epochs=1", "--set", "training.size_px=32")


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """One folder with everything that can be wrong, and valid files."""
    folder = tmp_path_factory.mktemp("bad")
    write_image(folder / "good.png", IMAGE)
    write_image(folder / "good.tif", IMAGE)
    write_kaggle(folder / "set.zip", [scene("a"), scene("b"), scene("c")])
    shutil.copytree(bright, folder / "model")

    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:-20])
    (folder / "cut.tif").write_bytes((folder / "good.tif").read_bytes()[:-40])
    tifffile.imwrite(folder / "movie.tif", np.stack([IMAGE] * 3), imagej=True, metadata={"axes": "TYX"})
    (folder / "cut_movie.tif").write_bytes((folder / "movie.tif").read_bytes()[: -IMAGE.size])
    (folder / "text.png").write_text("a letter")
    for channels in (2, 5):
        pixels = np.zeros((64, 96, channels), np.uint8)
        tifffile.imwrite(folder / f"c{channels}.tif", pixels, photometric="minisblack", planarconfig="contig")
    with zipfile.ZipFile(folder / "empty.zip", "w"):
        pass
    with zipfile.ZipFile(folder / "climbs.zip", "w") as archive:
        archive.writestr("../x/images/x.png", (folder / "good.png").read_bytes())
    (folder / "no.zip").write_text("not a zip")
    (folder / "nothing_in_it").mkdir()
    write_pairs(folder / "mismatch", [scene("a"), scene("b")])
    write_labels(folder / "mismatch" / "labels" / "b.tif", LABELS[:56])
    write_pairs(folder / "cut_set", [scene("a"), scene("b")])
    (folder / "cut_set" / "images" / "b.png").write_bytes((folder / "cut.png").read_bytes())
    (folder / "file").write_text("in the way")
    (folder / "album").mkdir()
    (folder / "album" / "thesis.doc").write_text("years of work")

    shutil.copytree(folder / "model", folder / "damaged")
    weights = bytearray((folder / "damaged" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "damaged" / "model.safetensors").write_bytes(weights)
    shutil.copytree(folder / "model", folder / "without_weights")
    (folder / "without_weights" / "model.safetensors").unlink()
    for name, change in (("future", {"format": 99}), ("stranger", {"model": {"architectures": "x"}})):
        shutil.copytree(folder / "model", folder / name)
        config = json.loads((folder / name / "config.json").read_text(encoding="utf-8"))
        (folder / name / "config.json").write_text(json.dumps(config | change))

    for name in ("a", "b"):
        write_labels(folder / "part" / f"{name}.tif", LABELS)
    for name in ("a", "b", "c"):
        write_labels(folder / "small" / f"{name}.tif", LABELS[:-8])
    (folder / "empty.json").write_text("{}")
    (folder / "cut.json").write_text('{"iou": ')
    (folder / "list.json").write_text("[1, 2]")
    (folder / "edge.json").write_text('{"interval95": {}, "everything": {}}')
    (folder / "params.yaml").write_text("pretrain: {paper: {model: {}, training: {}}}\nfinetune: {}\n")
    return folder


PREDICT = [
    ("missing path", "nowhere", r"nowhere not found\. Check the path"),
    ("empty zip", "empty.zip", "the zip is empty"),
    ("zip that leads out", "climbs.zip", r"refused as unsafe: the name '\.\./x/images/x\.png' leads out"),
    ("no zip", "no.zip", "expected a folder or a zip file"),
    ("empty folder", "nothing_in_it", r"expected images \(.png or .tif\), found 0 other files"),
    ("truncated PNG", "cut.png", "the PNG is truncated"),
    ("truncated TIFF", "cut.tif", "the TIFF is truncated"),
    ("truncated movie", "cut_movie.tif", "truncated"),
    ("no image", "text.png", "expected a PNG, TIFF or JPEG image"),
    ("2 channels", "c2.tif", "expected a grey, RGB or RGBA image, found 2 channels"),
    ("5 channels", "c5.tif", "expected a grey, RGB or RGBA image, found 5 channels"),
    ("two inputs of one name", "good.png good.tif", "Two inputs are called 'good'"),
    ("no checkpoint", "good.png --model nothing_in_it", "No checkpoint at"),
    ("wrong hash", "good.png --model damaged", r"expected sha256 [0-9a-f]{12}…, found [0-9a-f]{12}…"),
    ("weights missing", "good.png --model without_weights", "lacks model.safetensors"),
    ("format of the future", "good.png --model future", "has checkpoint format 99, expected 1"),
    ("unknown network", "good.png --model stranger", "describes a network this SomaNet cannot build: architectures"),
    ("a file in the way", "good.png --output file", "a file is in the way"),
    ("a file as parent", "good.png --output file/sub", "a file is in the way"),
]
TRAIN = [
    ("missing data", "nowhere", "no such data set"),
    ("empty zip", "empty.zip", "the zip is empty"),
    ("zip that leads out", "climbs.zip", "refused as unsafe"),
    ("size mismatch", "mismatch", "expected labels of 64 × 96 px like the image, found 56 × 96"),
    ("truncated image", "cut_set", "b.png: the PNG is truncated"),
    ("architecture", "set.zip --set model.architecture=Unett --set model.encoder=resnet18", "Did you mean Unet or "),
    ("encoder", "set.zip --set model.architecture=Unet --set model.encoder=resnet81", "Did you mean resnet18 or "),
    ("timm encoder", "set.zip --set model.architecture=Unet --set model.encoder=tu-resnet81", "Did you mean tu-resnet"),
    ("wrong channel count", "set.zip --set model.in_channels=2", "model.in_channels: Input should be 1 or 3, found 2"),
    ("misspelt key", "set.zip --set training.epoch=1", "unknown parameter 'training.epoch'. Did you mean 'epochs'"),
    ("misspelt section", "set.zip --set trainings.epochs=1", "unknown parameter 'trainings'. Did you mean 'training'"),
    ("no value", "set.zip --set training.epochs", "Expected key=value such as training.epochs=3"),
    ("out of range", "set.zip --set training.batch_size=0", "training.batch_size: .* greater than 0, found 0"),
    ("no YAML", "set.zip --set training.epochs=[1", "is not valid YAML"),
    ("unknown network", "set.zip --network papr --params params.yaml", "has no pretrain.papr; it has paper"),
    ("no parameter file", "set.zip --network paper --params nowhere.yaml", "nowhere.yaml not found"),
    ("both --val and --split", "set.zip --val set.zip --split s.csv", "Give --val or --split, not both"),
    ("no split file", "set.zip --split nowhere.csv", "nowhere.csv: no such split table"),
    pytest.param("no such device", "set.zip --set training.device=cuda", "device is 'cuda', which this machine",
                 marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")),
    ("a file in the way", "set.zip --output file/sub", "a file is in the way"),
    ("a file as output", "set.zip --output file", "was not written by SomaNet.* would be replaced"),
    ("a folder of other things", "set.zip --output album", "contains files that SomaNet did not write"),
]  # fmt: skip
FINETUNE = [
    ("no checkpoint", "set.zip --start nothing_in_it", "No checkpoint at"),
    ("wrong hash", "set.zip --start damaged", "expected sha256"),
    ("unknown variant", "set.zip --start model --variant last --params params.yaml", "has no finetune.last"),
    ("no number of blocks", "set.zip --start model --blocks most", "training.trainable_blocks.*'most'"),
    ("too many blocks", "set.zip --start model --blocks 99", "trainable_blocks is 99, but the network has 14 blocks"),
]
EVALUATE = [
    ("missing truth", "--predictions part --truth nowhere", "no such data set"),
    ("missing folder", "--predictions nowhere --truth set.zip", "nowhere is not a folder"),
    ("missing prediction", "--predictions part --truth set.zip", r"lacks 1 of 3 label images, such as c\.tif"),
    ("wrong size", "--predictions small --truth set.zip", r"a\.tif has 56 × 96 px, the ground truth of 'a' 64 × 96"),
    ("mismatch in the truth", "--predictions part --truth mismatch", "found 56 × 96"),
    ("neither", "--truth set.zip", "either --predictions FOLDER or --model FOLDER"),
    ("both", "--truth set.zip --predictions part --model model", "either --predictions FOLDER or --model FOLDER"),
    ("panels", "--truth set.zip --predictions part --panels p.png", "--panels needs the images"),
    ("a file in the way", "--truth mismatch/labels --predictions mismatch/labels --output file/m.json", "in the way"),
]
COMPARE = [
    ("missing", "nowhere.json", "nowhere.json not found"),
    ("folder without metrics", "nothing_in_it", "metrics.json not found"),
    ("no scores", "empty.json", "holds no scores"),
    ("a list", "list.json", "list.json holds a list; expected scores that `somanet evaluate` wrote"),
    ("cut short", "cut.json", "is not JSON"),
    ("an image", "good.png", "is not JSON"),
    ("without edge objects only", "edge.json", "was scored with --ignore-edge"),
]
OTHERS = [
    ("check", "data check nowhere", "no such data set"),
    ("check zip", "data check climbs.zip", "refused as unsafe"),
    ("check movie", "data check cut_movie.tif", "1 of 1 were rejected"),
    ("check strictly", "data check mismatch --strict", "1 of 2 were rejected"),
    ("check everything", "data check text.png --strict", "1 of 1 were rejected"),
    ("simulate scale", "simulate --output sim --pixel-size-um 0", "Pixel size .* must be a positive number"),
    ("simulate time", "simulate --output sim --frame-interval-min -1", "Frame interval .* must be a positive number"),
    ("simulate into a file", "simulate --output file", "a file is in the way"),
]  # fmt: skip
DEFAULTS = {
    "predict": ["--model", "model", "--output", "out"],
    "train": ["--output", "out", *ONE_EPOCH],
    "finetune": ["--output", "out", *ONE_EPOCH],
    "evaluate": ["--output", "metrics.json"],
    "compare": ["--output", "out"],
}


def table() -> list:
    rows = []
    for command, cases in (
        ("predict", PREDICT), ("train", TRAIN), ("finetune", FINETUNE), ("evaluate", EVALUATE), ("compare", COMPARE),
        ("", OTHERS),
    ):  # fmt: skip
        for case in cases:
            values, marks = (case.values, case.marks) if hasattr(case, "marks") else (case, ())
            name, rest, words = values
            rows.append(pytest.param(command, rest, words, id=f"{command or 'other'}: {name}", marks=marks))
    return rows


def tree(folder: Path) -> dict[str, bytes]:
    """All files with their bytes; what the tracking store does with its own is another matter."""
    files = (p for p in folder.rglob("*") if p.is_file() and "mlruns" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def error_of(command: list[str], cwd: Path) -> str:
    """The error line of a command that must fail without leaving or changing a file."""
    before = tree(cwd)
    with mlflow_may_warn():
        error = somanet(*command, cwd=cwd)
    assert error is not None, "succeeded"
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert tree(cwd) == before
    return error


@pytest.fixture
def project(bad: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bad folder as a project with a store."""
    folder = make_project(tmp_path / "project", tmp_path_factory.getbasetemp())
    shutil.copytree(bad, folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize(("command", "rest", "words"), table())
def test_one_line_and_nothing_written(request: pytest.FixtureRequest, command: str, rest: str, words: str) -> None:
    reaches_mlflow = words.startswith(("trainable_blocks is", "device is"))
    folder = request.getfixturevalue("project" if reaches_mlflow else "bad")
    given = rest.split()
    defaults = DEFAULTS.get(command, [])
    if command == "predict" and "--model" in given:
        defaults = defaults[2:]
    if "--output" in given:
        defaults = defaults[:-2] if command != "train" else list(ONE_EPOCH)
    error = error_of([*([command] if command else []), *given, *defaults], folder)
    assert re.search(words, error), error


def test_two_files_of_one_name_cannot_be_compared(bad: Path, tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.json").write_text('{"interval95": {}, "interior": {}}')
    error = error_of(["compare", "x/same.json", "y/same.json", "--output", "out"], tmp_path)
    assert "Two networks share a name" in error


def test_an_older_checkpoint_is_replaced_and_only_that(chain: Path, tmp_path: Path) -> None:
    """The rule that protects other folders lets a training be repeated."""
    (tmp_path / "empty").mkdir()
    for place in (
        chain / "models" / "nuclei",
        chain / "models" / "nuclei_report",
        tmp_path / "empty",
        tmp_path / "new",
    ):
        with guarded(outputs=[place], command="train"):
            check_write(place)
    for command in ("finetune", "export-video"):
        with (
            guarded(outputs=[chain / "models"], command=command),
            pytest.raises(SomaNetError, match="what `somanet train` wrote"),
        ):
            check_write(chain / "models" / "nuclei")


# A full disk, a store that refuses


@pytest.mark.parametrize(
    "command",
    [
        "predict good.png --model model --output out",
        "evaluate --truth mismatch/labels --predictions mismatch/labels --output new.json",
        "data check set.zip --output new.csv",
        "simulate --output sim --nuclei 1 --crops 0 --frames 0",
        "train set.zip --output out --set training.epochs=1 --set training.size_px=32",
    ],
    ids=lambda command: command.split()[0],
)
def test_a_full_disk(project: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("somanet.core.files.os.fsync", full)
    assert "the disk is full" in error_of(command.split(), project)


TRAIN_WITH_LITTLE_SPACE = """
import resource, sys
from somanet import cli
import somanet.training.experiments
original = somanet.training.experiments.run_training
def run_training(*arguments, **options):
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))  # the weights alone have 8 MB
    return original(*arguments, **options)
somanet.training.experiments.run_training = run_training
sys.argv = ["somanet", "train", "set.zip", "--output", "out", "--set", "training.epochs=1"]
cli.main()
"""


@pytest.mark.slow
def test_a_disk_that_really_refuses_the_weights(project: Path) -> None:
    """The system's limit for a file's size stands in for the full disk."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_WITH_LITTLE_SPACE], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_locked_database(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database.check_database.__kwdefaults__, "wait_s", 0.1)
    holder = sqlite3.connect(project / "mlruns" / "mlflow.db")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        assert "is locked by another process" in error_of(["train", "set.zip", "--output", "out"], project)
    finally:
        holder.rollback()
        holder.close()


def test_a_database_of_a_newer_mlflow(project: Path) -> None:
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()
    error = error_of(["train", "set.zip", "--output", "out"], project)
    assert "was written by a newer MLflow: found revision ffffffffffff" in error


def test_a_tracking_store_that_is_a_folder(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path))
    assert "MLflow 3.13 and later need a database" in error_of(["train", "set.zip", "--output", "out"], project)


def test_a_bad_image_among_good_ones_leaves_the_labels_of_before(bad: Path, tmp_path: Path) -> None:
    """An image that is damaged now does not cost the labels that it has from before; in a new folder, only itself."""
    for name, source in (("a.png", "good.png"), ("b.png", "good.png")):
        shutil.copyfile(bad / source, tmp_path / name)
    command = ("predict", "a.png", "b.png", "--model", bad / "model", "--output", "out")
    assert somanet(*command, cwd=tmp_path) is None
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    shutil.copyfile(bad / "cut.png", tmp_path / "b.png")
    error = somanet(*command, cwd=tmp_path)
    assert error is not None
    assert "b.png: the PNG is truncated" in error
    assert "Earlier labels of b are in out and would be lost, so nothing was changed." in error
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    error = somanet(*command[:-1], "new", cwd=tmp_path)
    assert error is not None
    assert "1 of 2 inputs could not be segmented, for the reasons above: b. The others are done" in error
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.tif", "objects.csv", "predictions.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "new", "out"]


# Missing calibration


def test_a_movie_without_a_scale(bad: Path) -> None:
    with open_movie(bad / "movie.tif") as movie:
        scale = movie.file_calibration
    with pytest.raises(SomaNetError, match="lacks it and --pixel-size-um and --frame-interval-min were not given"):
        scale.complete()
    with pytest.raises(SomaNetError, match="lacks it and --frame-interval-min was not given"):
        scale.complete(pixel_size_um=1.28)
    assert scale.complete(pixel_size_um=1.28, frame_interval_min=12).frame_interval_h == 0.2


def test_a_given_scale_goes_before_the_file_s() -> None:
    """The user's values override the file's metadata."""
    scale = FileCalibration(2.0, 30.0).complete(pixel_size_um=1.0)
    assert (scale.pixel_area_um2, scale.frame_interval_h) == (1.0, 0.5)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SomaNetError, match="must be a positive number"):
            FileCalibration(2.0, 30.0).complete(pixel_size_um=wrong)
