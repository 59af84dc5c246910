"""Ensembles, test-time augmentation, and confidence: `--model`, `--tta`, `calibrate`."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from somanet.analysis.source import MovieSource
from somanet.analysis.stages.files import read_tracks_of
from somanet.analysis.stages.segment import segment_movie
from somanet.analysis.stages.track import track_movie
from somanet.core.calibration import Calibration
from somanet.core.hashing import sha256_file
from somanet.core.schema import OBJECTS, SOMAS
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import read_labels, write_image
from somanet.io.movies import write_movie
from somanet.provenance.trace.trace import trace
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint, save_checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from somanet.tracking.settings import TrackSettings
from tests.analysis.worlds import N_FRAMES, save_movie
from tests.worlds import TWO_SOMAS, bright_network, draw, make_project, photograph, scene, somanet

QUICK = ("--no-report", "--no-overlay")
BRIGHT, DARK = 225 / 255, 25 / 255  # of `photograph`


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """Networks: `model`; `other`, whose logits are 6 lower; one with two outputs; one whose weights are damaged."""
    folder = make_project(tmp_path_factory.mktemp("lab") / "project", tmp_path_factory.getbasetemp())
    shutil.copytree(bright, folder / "model")
    network = bright_network()
    with torch.no_grad():
        network.head.bias -= 6
    save_checkpoint(folder / "other", network, ModelSpec(), {})
    spec = ModelSpec(outputs=("soma", "distance"))
    save_checkpoint(folder / "distance", build_model(spec), spec, {})
    shutil.copytree(folder / "other", folder / "damaged")
    with (folder / "damaged" / "model.safetensors").open("r+b") as file:
        file.seek(-8, 2)
        file.write(b"\1" * 8)
    write_image(folder / "cells.png", photograph(draw(TWO_SOMAS)))
    write_pairs(folder / "set", [scene("a"), scene("b")])
    save_movie(folder / "movie.ome.tif")
    return folder


def objects(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "objects.csv")


def record(folder: Path) -> dict:
    return json.loads((folder / "predictions.json").read_text(encoding="utf-8"))


def test_predict_writes_a_row_per_soma(lab: Path, tmp_path: Path) -> None:
    """Confidence is the probability of the intensity of all its pixels: sigmoid(20 (0.882 − 0.5))."""
    assert somanet("predict", "cells.png", "--model", "model", "--output", tmp_path, cwd=lab) is None
    table = objects(tmp_path)
    assert tuple(table.columns) == OBJECTS.names
    assert table["image"].tolist() == ["cells", "cells"]
    assert table["frame"].isna().all()
    labels = read_labels(tmp_path / "cells.tif")
    for row in table.to_dict("records"):
        mask = labels == row["label"]
        y, x = np.nonzero(mask)
        assert (row["area_px"], row["y_px"], row["x_px"]) == (mask.sum(), y.mean(), x.mean())
    assert table["confidence"].tolist() == pytest.approx([sigmoid(20 * (BRIGHT - 0.5))] * 2, abs=1e-5)
    told = record(tmp_path)
    assert (told["symmetries"], told["temperature"]) == (1, 1.0)
    assert "ensemble" not in told


def test_predict_writes_frames_of_movies_and_images_without_somas(lab: Path, tmp_path: Path) -> None:
    labels = draw(TWO_SOMAS)
    frames = photograph(np.stack([labels, np.where(labels == 1, 1, 0), labels]), np.uint16)
    write_movie(tmp_path / "movie.tif", frames, Calibration(1.28, 12.0))
    write_image(tmp_path / "dark.png", np.full((40, 72), 30, np.uint8))
    inputs = ("dark.png", "movie.tif")
    assert somanet("predict", *inputs, "--model", lab / "model", "--output", "out", cwd=tmp_path) is None
    table = objects(tmp_path / "out")
    assert table["image"].tolist() == ["movie"] * 5
    assert table[["frame", "label"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [2, 1], [2, 2]]
    assert somanet("predict", "dark.png", "--model", lab / "model", "--output", "none", cwd=tmp_path) is None
    assert (tmp_path / "none" / "objects.csv").read_text() == ",".join(OBJECTS.names) + "\n"


@pytest.mark.parametrize("option", ["--tta", "--symmetries"])
def test_predict_averages_networks_and_tta(lab: Path, tmp_path: Path, option: str) -> None:
    """By the option's name, and by the old one, an alias for this version."""
    networks = ("--model", "model", "--model", "other", option, 8)
    assert somanet("predict", "cells.png", *networks, "--output", tmp_path, cwd=lab) is None
    logit = 20 * (BRIGHT - 0.5)
    expected = (sigmoid(logit) + sigmoid(logit - 6)) / 2
    assert objects(tmp_path)["confidence"].tolist() == pytest.approx([expected] * 2, abs=1e-4)
    np.testing.assert_array_equal(read_labels(tmp_path / "cells.tif") > 0, draw(TWO_SOMAS) > 0)
    told = record(tmp_path)
    hashes = [sha256_file(lab / name / "model.safetensors") for name in ("model", "other")]
    assert told["symmetries"] == 8
    assert told["model_sha256"] == hashes[0]
    assert [one["model_sha256"] for one in told["ensemble"]] == hashes
    chain = trace(tmp_path / "cells.tif", root=lab)
    assert {f"network {sha256}" for sha256 in hashes} <= {one.id for one in chain.links}


def test_evaluate_scores_an_ensemble(lab: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.json"
    networks = ("--model", "other", "--model", "model", "--tta", 4)
    assert somanet("evaluate", "--truth", "set", *networks, "--output", output, cwd=lab) is None
    metrics = json.loads(output.read_text(encoding="utf-8"))
    assert metrics["iou"] == 1.0
    hashes = [sha256_file(lab / name / "model.safetensors") for name in ("other", "model")]
    assert metrics["provenance"]["symmetries"] == 4
    assert [one["model_sha256"] for one in metrics["provenance"]["ensemble"]] == hashes
    chain = trace(output, root=lab)
    assert {f"network {sha256}" for sha256 in hashes} <= {one.id for one in chain.links}


def test_analyze_records_the_networks_and_their_confidence(lab: Path, tmp_path: Path) -> None:
    """Each frame's somas are its brightest pixels: an intensity of 1 for the network, as each is scaled by itself."""
    networks = ("--model", "model", "--model", "other", "--tta", 4)
    assert somanet("analyze", "movie.ome.tif", *networks, "--output", tmp_path / "out", *QUICK, cwd=lab) is None
    somas, tracks = (pd.read_csv(tmp_path / "out" / name) for name in ("somas.csv", "tracks.csv"))
    assert tuple(somas.columns) == SOMAS.names
    assert somas.groupby("frame").size().tolist() == [2] * N_FRAMES
    found = tracks.merge(somas, on=["frame", "y_px", "x_px"], suffixes=("", "_of_soma"))
    assert len(found) == len(tracks) == 2 * N_FRAMES
    np.testing.assert_array_equal(found["confidence"], found["confidence_of_soma"])
    assert tracks["confidence"].between(0.9, 1).all()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    hashes = [sha256_file(lab / name / "model.safetensors") for name in ("model", "other")]
    told = manifest["model"]["ensemble"]
    assert [(one["sha256"], one["name"]) for one in told] == list(zip(hashes, ("model", "other"), strict=True))
    assert {"spec", "engine", "temperature", "mlflow_run"} <= set(told[1])
    assert manifest["parameters"]["segment"] == {
        "rescale": 1.0,
        "symmetries": 4,
        "haze": None,
        "any_modality": False,
    }
    chain = trace(tmp_path / "out" / "tracks.csv", root=lab)
    assert {f"network {sha256}" for sha256 in hashes} <= {one.id for one in chain.links}


def test_masks_of_an_older_version_are_tracked_without_confidence(lab: Path, tmp_path: Path) -> None:
    source = MovieSource(lab / "movie.ome.tif", "movie")
    segment_movie(source, Segmenter((load_checkpoint(lab / "model"),)), tmp_path)
    for lacking in (False, True):
        if lacking:
            (tmp_path / "somas.csv").unlink()
        track_movie(source, tmp_path, tmp_path, TrackSettings())
        assert ("confidence" in read_tracks_of(tmp_path)) is not lacking


def test_results_with_given_tracks_hold_no_somas_of_an_analysis_before(lab: Path, tmp_path: Path) -> None:
    assert somanet("analyze", "movie.ome.tif", "--model", "model", "--output", tmp_path / "o", *QUICK, cwd=lab) is None
    shutil.copyfile(tmp_path / "o" / "tracks.csv", tmp_path / "t.csv")
    given = ("--tracks", tmp_path / "t.csv", "--output", tmp_path / "o")
    assert somanet("analyze", "movie.ome.tif", *given, *QUICK, cwd=lab) is None
    assert not (tmp_path / "o" / "somas.csv").exists()


EVALUATE = ("evaluate", "--truth", "set", "--output", "m.json")
PREDICT = ("predict", "cells.png", "--output", "none")
ANALYZE = ("analyze", "movie.ome.tif", "--output", "none")


@pytest.mark.parametrize("command", [PREDICT, ANALYZE, EVALUATE], ids=["predict", "analyze", "evaluate"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--model", "model", "--tta", 3),
            "Expected 1, 4 (flips) or 8 (flips and turns) test-time augmentations",
        ),
        (("--model", "model", "--model", "damaged"), "The weights in damaged are not those its config.json names"),
        (
            ("--model", "model", "--model", "distance"),
            "the same outputs; one has soma, another soma, distance",
        ),
        (("--model", "model", "--model", "other", "--model", "model"), "model has the same weights as model"),
        (("--model", "model", "--model", "nowhere"), "nowhere"),
    ],
    ids=["symmetries", "damaged", "outputs", "twice", "missing"],
)
def test_what_cannot_answer_is_refused(
    lab: Path, command: tuple[object, ...], arguments: tuple[object, ...], said: str
) -> None:
    error = somanet(*command, *arguments, cwd=lab)
    assert error is not None
    assert said in error
    assert "\n" not in error
    assert not (lab / "none").exists()
    assert not (lab / "m.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "model", "--tta", 4, "--record", "neurons"), "give one --model, without --tta"),
        (("--model", "model", "--model", "other", "--record", "neurons"), "give one --model, without --tta"),
        (("--predictions", "set/labels", "--tta", 4), "--tta is test-time augmentation of a network"),
    ],
)
def test_only_a_networks_own_scores_are_recorded(lab: Path, arguments: tuple[object, ...], said: str) -> None:
    error = somanet(*EVALUATE, *arguments, cwd=lab)
    assert error is not None
    assert said in error


def test_calibrate_writes_a_temperature_that_predict_uses(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the validation part's image a soma is dim: the network was overconfident. Labels stay, confidence falls."""
    hard = scene("hard")
    dim = np.where(hard.labels == 1, 102, hard.image).astype(np.uint8)
    write_pairs(tmp_path / "hard", [LabelledImage("hard", dim, hard.labels), scene("easy")])
    (tmp_path / "split.csv").write_text("image_id,split\nhard,val\neasy,train\n")
    arguments = ("--model", lab / "model", "--split", "split.csv", "--output", "calibrated")
    assert somanet("calibrate", "hard", *arguments, cwd=tmp_path) is None
    assert "from 1 image\n" in capsys.readouterr().out
    checkpoint = load_checkpoint(tmp_path / "calibrated")
    assert checkpoint.sha256 == load_checkpoint(lab / "model").sha256
    assert checkpoint.temperature > 1
    image = lab / "cells.png"
    for model, output in ((lab / "model", "before"), ("calibrated", "after")):
        assert somanet("predict", image, "--model", model, "--output", output, cwd=tmp_path) is None
    before, after = (read_labels(tmp_path / name / "cells.tif") for name in ("before", "after"))
    np.testing.assert_array_equal(before, after)
    expected = sigmoid(20 * (BRIGHT - 0.5) / checkpoint.temperature)
    assert objects(tmp_path / "after")["confidence"].tolist() == pytest.approx([expected] * 2, abs=1e-4)
    assert record(tmp_path / "after")["temperature"] == checkpoint.temperature


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set",), "right about every pixel"),
        (("set", "set", "--split", "split.csv"), "--split applies to one data set, found 2"),
        (("set", "--split", "split.csv", "--part", "other"), "has no part 'other'; it has val, test"),
        (("nowhere",), "nowhere"),
    ],
)
def test_calibrate_refuses_what_tells_nothing(lab: Path, arguments: tuple[object, ...], said: str) -> None:
    (lab / "split.csv").write_text("image_id,split\na,val\nb,test\n")
    error = somanet("calibrate", *arguments, "--model", "model", "--output", "nothing", cwd=lab)
    assert error is not None
    assert said in error
    assert "\n" not in error
    assert not (lab / "nothing").exists()
