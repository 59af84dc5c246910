"""`--engine` and `somanet export` as a user runs them; what they refuse, in one line."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from somanet.analysis.network import BUNDLED
from somanet.core.extras import missing
from somanet.io.images import read_labels, write_image
from tests.segmentation.engines.worlds import FAST
from tests.worlds import TWO_SOMAS, draw, photograph, somanet

LABELS = draw(TWO_SOMAS)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    shutil.copytree(bright, folder / "model")
    write_image(folder / "image.tif", photograph(LABELS))
    return folder


@pytest.mark.parametrize(("engine", "extra"), [("torch", None), ("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_labels_are_the_same_and_name_their_engine(lab: Path, engine: str, extra: str | None) -> None:
    if extra and missing(extra):
        pytest.skip(f"{engine} is not installed")
    command = ["predict", "image.tif", "--model", "model", "--output", engine, "--engine", engine]
    assert somanet(*command, cwd=lab) is None
    np.testing.assert_array_equal(read_labels(lab / engine / "image.tif"), LABELS)
    told = json.loads((lab / engine / "predictions.json").read_text(encoding="utf-8"))
    assert told["engine"]["name"] == engine


def test_an_analysis_names_its_engine(lab: Path) -> None:
    from tests.analysis.worlds import save_movie

    if missing("onnx"):
        pytest.skip("onnxruntime is not installed")
    save_movie(lab / "movie.ome.tif")
    quick = ("--no-report", "--no-overlay", "--engine", "onnxruntime")
    assert somanet("analyze", "movie.ome.tif", "--output", "out", "--model", "model", *quick, cwd=lab) is None
    manifest = json.loads((lab / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["model"]["engine"]["name"] == "onnxruntime"


def test_without_a_fast_engine_a_line_says_so(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, find=importlib.util.find_spec: None if name in FAST else find(name)
    )
    assert somanet("predict", "image.tif", "--model", "model", "--output", "auto", cwd=lab) is None
    assert "note: segmenting with torch" in capsys.readouterr().err
    error = somanet("predict", "image.tif", "--model", "model", "--output", "no", "--engine", "openvino", cwd=lab)
    assert error is not None
    assert "pip install 'somanet[openvino]'" in error
    assert not (lab / "no").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("network.onnx", "network.onnx is an ONNX file for other programs; expected the checkpoint folder"),
        ("network.xml", "is an OpenVINO file"),
        ("package.zip", "is a zip, such as a bioimage.io package"),
        ("model/config.json", "is a file; expected a checkpoint folder .*: model\\.$"),
        ("image.tif", "is a file; expected a checkpoint folder"),
    ],
)
def test_a_file_is_no_network(lab: Path, name: str, words: str) -> None:
    (lab / name).parent.mkdir(exist_ok=True)
    if not (lab / name).exists():
        (lab / name).write_bytes(b"anything")
    error = somanet("predict", "image.tif", "--model", name, "--output", "no", cwd=lab)
    assert error is not None
    assert re.search(words, error)
    assert not (lab / "no").exists()


def test_the_network_that_comes_along_is_refused_when_damaged(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(BUNDLED, lab / "bundled")
    monkeypatch.setattr("somanet.analysis.network.BUNDLED", lab / "bundled")
    assert somanet("predict", "image.tif", "--output", "whole", "--engine", "torch", cwd=lab) is None
    weights = bytearray((lab / "bundled" / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (lab / "bundled" / "model.safetensors").write_bytes(weights)
    error = somanet("predict", "image.tif", "--output", "no", cwd=lab)
    assert error is not None
    assert "are not those its config.json names: expected sha256" in error
    assert not (lab / "no").exists()


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ("--format onnx --output n.onnx", "n.onnx"),
        ("--format openvino --output vino", "vino"),
        ("--format bioimageio --author Cajal --license MIT --output zoo.zip", "zoo.zip"),
        ("--output half", "half"),
    ],
)
def test_export_writes_each_format(lab: Path, arguments: str, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("bioimageio.spec", "onnxruntime", "openvino"):
        pytest.importorskip(package)
    assert somanet("export", "model", *arguments.split(), cwd=lab) is None
    assert f"Written: {written}" in capsys.readouterr().out
    assert (lab / written).exists()


def test_a_package_of_ones_own_network_asks_for_its_licence(lab: Path) -> None:
    error = somanet("export", "model", "--format", "bioimageio", "--output", "mine.zip", cwd=lab)
    assert error is not None
    assert "--license" in error


@pytest.mark.parametrize("command", ["predict", "analyze", "evaluate", "calibrate"])
def test_commands_say_that_there_is_no_such_device(
    command: str, tmp_path: Path, bright: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from somanet.io.datasets.layouts import LabelledImage
    from somanet.io.datasets.writers import write_pairs
    from tests.analysis.worlds import save_movie

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    labels = draw(TWO_SOMAS)
    write_pairs(tmp_path / "data", [LabelledImage("one", photograph(labels), labels)])
    save_movie(tmp_path / "movie.ome.tif")
    arguments = {
        "predict": ["data/images", "--output", "out"],
        "analyze": ["movie.ome.tif", "--output", "out"],
        "evaluate": ["--truth", "data", "--output", "out"],
        "calibrate": ["data", "--output", "out"],
    }[command]
    error = somanet(command, *arguments, "--model", str(bright), "--device", "cuda:3", cwd=tmp_path)
    assert error is not None
    assert "--device cuda:3: expected such a device, found no CUDA devices" in error
    assert not (tmp_path / "out").exists()


def test_eight_bits_are_for_the_bundled_network_on_the_processor(lab: Path) -> None:
    for arguments, words in (
        (["--model", "model"], "model: --engine onnxruntime-int8 computes the bundled network"),
        (["--device", "cuda"], "--device cuda: --engine onnxruntime-int8 computes on the processor only"),
    ):
        error = somanet("predict", "image.tif", "--output", "no", "--engine", "onnxruntime-int8", *arguments, cwd=lab)
        assert error is not None
        assert words in error
        assert "\n" not in error.strip()
        assert not (lab / "no").exists()
