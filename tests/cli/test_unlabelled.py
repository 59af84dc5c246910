"""`somanet finetune … --unlabelled`: a movie's frames are used and recorded, and invalid options give one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import FileCalibration
from somanet.io.datasets.writers import write_pairs
from somanet.io.movies import write_movie
from somanet.provenance.mlflow import read_run
from somanet.segmentation.network.checkpoint import load_checkpoint
from tests.worlds import make_project, save_bright_network, scene, somanet

TINY = ("training.size_px=32", "training.epochs=2", "training.samples_per_epoch=4", "training.ema_decay=0.5")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four labelled images, a network, and a movie of 5 frames of 40 x 70 px."""
    project = make_project(tmp_path_factory.mktemp("unlabelled") / "project", tmp_path_factory.getbasetemp())
    write_pairs(project / "crops", [scene(name) for name in "abcd"])
    save_bright_network(project / "model")
    frames = np.random.default_rng(0).integers(100, 4000, (5, 40, 70)).astype(np.uint16)
    write_movie(project / "movie.tif", frames, FileCalibration())
    return project


def finetune(project: Path, *options: object, settings: tuple[str, ...] = TINY) -> str | None:
    assignments = [word for setting in settings for word in ("--set", setting)]
    fixed = ["finetune", "crops", "--val", "crops", "--start", "model", *assignments]
    return somanet(*fixed, *options, cwd=project)


def test_frames_take_part_and_are_on_record(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named without any settings, they are used with the default ones; others can be set beside."""
    options = ("--unlabelled", "movie.tif", "--unlabelled-frames", 3, "--unlabelled-columns", "0:50")
    assert finetune(project, *options, "--output", "models/a") is None
    assert "4 training, 3 unlabelled and 4 validation images" in capsys.readouterr().out
    assert load_checkpoint(project / "models/a").metadata["training"]["unlabelled"]["batch_size"] == 4
    history = pd.read_csv(project / "models/a_report/history.csv")
    assert (history["consistency"] > 0).all()
    run = read_run(project / "models/a_report/mlflow_run.json", root=project)
    assert set(run.datasets) == {"crops", "movie.tif"}
    assert run.params["training.unlabelled.batch_size"] == "4"
    assert "consistency" in run.metrics

    more = ("--set", "training.unlabelled.batch_size=2")
    assert finetune(project, *options, *more, "--output", "models/b") is None
    assert load_checkpoint(project / "models/b").metadata["training"]["unlabelled"]["batch_size"] == 2


def test_how_labels_were_read_is_on_record(project: Path) -> None:
    """Where it was said: masks and outlines become other labels by it."""
    quick = (*TINY, "training.epochs=1")
    assert finetune(project, "--binary", "--output", "models/masks", settings=quick) is None
    params = read_run(project / "models/masks_report/mlflow_run.json", root=project).params
    assert params["binary"] == "True"
    assert "class" not in params


def test_some_of_the_images_can_be_drawn(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = ("--set", "images=2", "--set", "images_drawn=by_seed")
    assert finetune(project, *drawn, "--output", "models/c") is None
    assert "2 training and 4 validation images" in capsys.readouterr().out
    error = somanet(
        "finetune", "crops", "crops", "--val", "crops", "--start", "model", *drawn, "--output", "models/d", cwd=project
    )
    assert error is not None
    assert "`images` limits the images of one training set, found 2 sets" in error


@pytest.mark.parametrize(
    ("options", "settings", "words"),
    [
        (
            ["--unlabelled", "movie.tif"],
            TINY[:3],
            "needs a moving average of the weights as its teacher: set ema_decay",
        ),
        ([], (*TINY, "training.unlabelled.weight=2"), "but there are no images without labels. Give some"),
        (["--unlabelled-columns", "0:50"], TINY, "need --unlabelled: give it as well"),
        (["--unlabelled-channel", "1"], TINY, "need --unlabelled: give it as well"),
        (["--unlabelled", "movie.tif", "--unlabelled-columns", "0-50"], TINY, "0-50: expected FIRST:END in pixels"),
        (["--unlabelled", "movie.tif", "--unlabelled-columns", "0:71"], TINY, "within 0:70, its width, found 0:71"),
        (["--unlabelled", "nowhere.tif"], TINY, "nowhere.tif"),
        (["--unlabelled", "movie.tif"], (*TINY, "training.unlabelled.wait=2"), "Did you mean 'weight'?"),
        (["--unlabelled", "movie.tif"], (*TINY, "training.unlabelled.confidence=0.4"), "greater than or equal to 0.5"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    project: Path, options: list[str], settings: tuple[str, ...], words: str
) -> None:
    error = finetune(project, *options, "--output", "models/refused", settings=settings)
    assert error is not None
    assert words in error
    assert "\n" not in error
    assert not list((project / "models").glob("refused*"))
