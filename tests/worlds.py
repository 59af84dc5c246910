"""Small worlds with known answers: drawn images, a network of known output, a project with a store."""

from __future__ import annotations

import contextlib
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from somanet import cli
from somanet.evaluation.scores import bootstrap_intervals
from somanet.io.datasets.layouts import LabelledImage
from somanet.provenance.mlflow import ensure_store
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from somanet.segmentation.network.unet import PaperUNet

SCALE = 8
TWO_SOMAS = """
    ............
    .aaa....bb..
    .aaa....bb..
    .aaa....bb..
    ........bb..
    ............
    ............
    ............
"""  # 64 × 96 px


def draw(world: str, scale: int = SCALE) -> np.ndarray:
    """A label image YX: `.` is background, `a` is 1, `b` is 2 …; every character is a square of `scale` px."""
    rows = [[0 if c == "." else ord(c) - ord("a") + 1 for c in row] for row in world.split()]
    return np.kron(np.array(rows, np.int32), np.ones((scale, scale), np.int32))


def photograph(labels: np.ndarray, dtype: type = np.uint8) -> np.ndarray:
    """An image in which exactly the labelled pixels are brighter than half of the range."""
    return np.where(labels > 0, np.iinfo(dtype).max // 10 * 9, np.iinfo(dtype).max // 10).astype(dtype)


def scene(name: str = "scene", world: str = TWO_SOMAS) -> LabelledImage:
    labels = draw(world)
    return LabelledImage(name, photograph(labels), labels)


def bright_network() -> PaperUNet:
    """A paper U-Net with one wire through its uppermost level: logit = 20 (intensity − 0.5) at each pixel."""
    network = PaperUNet()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for block in (network.down1, network.get_submodule("up1")):
            for layer in block:
                if isinstance(layer, torch.nn.BatchNorm2d):
                    layer.weight.fill_(1.0)
                elif isinstance(layer, torch.nn.Conv2d):
                    layer.weight[0, 0, 1, 1] = 1.0
        network.down1[0].weight[0, :, 1, 1] = 1 / 3
        network.head.weight[0, 0] = 20.0
        network.head.bias.fill_(-10.0)
    return network


def save_bright_network(folder: Path) -> Path:
    save_checkpoint(folder, bright_network(), ModelSpec(), {})
    return folder


def make_project(folder: Path, base: Path) -> Path:
    """A project folder with a store of its own. Creating one costs seconds: the session makes one and copies it."""
    template = base / "store_template"
    if not template.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # errors in SomaNet's code, not inside MLflow
            ensure_store(template)
    shutil.copytree(template, folder)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    return folder


@contextlib.contextmanager
def mlflow_may_warn() -> Iterator[None]:
    """Warnings are errors in SomaNet's code, not inside MLflow, SQLAlchemy and torch's exporter."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


def somanet(*arguments: object, cwd: Path) -> str | None:
    """Run the command line in this process as the `somanet` script does: its error line, or None if it succeeded."""
    may_warn = mlflow_may_warn() if arguments[0] in ("train", "finetune") else contextlib.nullcontext()
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(cwd), may_warn:
        patch.setattr(sys, "argv", ["somanet", *map(str, arguments)])
        patch.setitem(bootstrap_intervals.__kwdefaults__, "resamples", 50)  # 2000 take seconds
        with pytest.raises(SystemExit) as ended:
            cli.main()
    code = ended.value.code
    assert code in (0, None) or isinstance(code, str), f"a usage error, see the output: {code!r}"
    return code if isinstance(code, str) else None
