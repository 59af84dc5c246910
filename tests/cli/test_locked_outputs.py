"""A place that takes no files is refused before the work, by every command, with old results there as without."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from somanet.provenance.mlflow.client import open_client
from tests.cli.test_inputs_are_safe import COMMANDS, world
from tests.worlds import somanet

__all__ = ["world"]  # a fixture: every kind of input

WORK = (
    "somanet.segmentation.inference.prediction.predict_logits",
    "somanet.training.loop.validation.predict_logits",
    "somanet.training.loop.training.train",
)
INPUTS = {
    "predict": "raw", "evaluate": "pairs", "evaluate predictions": "pred", "evaluate per image": "pairs",
    "evaluate panels": "pairs", "train": "set.zip", "train val": "pairs", "finetune": "set.zip",
    "finetune start": "model", "finetune test": "pairs",
    "calibrate": "pairs", "export": "model", "export file": "model",
    "import": "unet.pt",
    "analyze": "movie.ome.tif", "analyze tracks": "tracks.csv", "analyze times": "times.csv",
    "analyze conditions": "conditions.csv", "analyze corrections": "corrections.jsonl",
    "correct": "result", "correct corrections": "corrections.jsonl", "correct from": "result/tracks.csv",
    "data check": "pairs", "data select": "set.zip", "data select ignore": "regions.json", "data yolo": "set.zip",
    "data rois": "pairs", "data rois images": "raw/a.png", "data rois selections": "rois.zip",
    "label propose": "raw", "label propose crops": "crops.csv", "label suggest": "movie.ome.tif",
    "label suggest movie": "movie.ome.tif", "label agreement": "pairs", "label agreement per image": "pred",
    "tracks convert": "tracks.csv",
    "export-video": "labelled", "export-video movie": "movie.ome.tif",
    "processes": "labelled", "processes movie": "movie.ome.tif",
    "tracks measure": "tracks.csv", "tracks score": "tracks.csv", "compare": "scores.json", "cohort": "conditions.csv",
}  # fmt: skip
FILES = {
    "evaluate": "out.json", "evaluate predictions": "out.json", "evaluate per image": "out.csv",
    "export file": "out.onnx", "tracks convert": "out.csv", "tracks score": "out.json", "data check": "out.csv",
    "label agreement": "out.json", "label agreement per image": "out.csv",
}  # fmt: skip
REPLACED_WHOLE = (
    "train",
    "train val",
    "finetune",
    "finetune start",
    "finetune test",
    "data select",
    "data select ignore",
    "data yolo",
    "data rois",
    "data rois images",
    "data rois selections",
    "import",
    "export-video",
    "export-video movie",
    "processes",
    "processes movie",
)
"""Commands that put a new folder in an old one's place, rather than files into it."""


@contextlib.contextmanager
def as_a_user() -> Iterator[None]:
    """Without root's power to write anywhere: the kernel then holds root to the modes of its own files."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may write everywhere")
    libc = ctypes.CDLL(None, use_errno=True)
    version_3_of_this_thread = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable of capabilities 0–31, then of the others
    assert libc.capget(version_3_of_this_thread, sets) == 0
    before = list(sets)
    sets[0] &= ~0b1110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    assert libc.capset(version_3_of_this_thread, sets) == 0
    try:
        yield
    finally:
        assert libc.capset(version_3_of_this_thread, (ctypes.c_uint32 * 6)(*before)) == 0


@pytest.fixture
def locked(world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that takes no files, and no work that may begin."""
    folder = world / "locked"
    folder.mkdir()

    def begin(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    for name in WORK:
        monkeypatch.setattr(name, begin)
    yield folder
    folder.chmod(0o700)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def refused(world: Path, locked: Path, command: str, *options: str) -> None:
    locked.chmod(0o500)
    before = sorted(world.rglob("*"))
    line = COMMANDS[command].replace("{in}", INPUTS[command]).replace("{out}", f"locked/{FILES.get(command, 'out')}")
    with as_a_user():
        error = somanet(*line.split(), *options, cwd=world)
    assert error is not None
    assert "permission denied or read-only folder" in error
    assert "\n" not in error
    assert sorted(world.rglob("*")) == before
    if (train := open_client(world).get_experiment_by_name("train")) is not None:
        assert open_client(world).search_runs([train.experiment_id]) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_new_output_in_a_locked_folder(command: str, world: Path, locked: Path) -> None:
    refused(world, locked, command)


@pytest.mark.parametrize("command", [*FILES, *REPLACED_WHOLE])
def test_an_old_output_in_a_locked_folder(command: str, world: Path, locked: Path) -> None:
    """The output itself may be written, but nothing may take its place."""
    for name in [FILES[command]] if command in FILES else ["out", "out_report"]:
        (locked / name).touch() if command in FILES else (locked / name).mkdir()
    refused(world, locked, command, "--replace")


def test_every_command_has_its_input() -> None:
    assert set(INPUTS) == set(COMMANDS)


def test_a_user_is_held_to_the_modes_of_files(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with as_a_user(), pytest.raises(PermissionError):
        (tmp_path / "locked" / "a").touch()
    if os.geteuid() == 0:
        (tmp_path / "locked" / "a").touch()
