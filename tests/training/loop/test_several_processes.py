"""A training that several processes share equals that of one, and ends in all of them if one fails."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from somanet.io.datasets.layouts import LabelledImage
from somanet.training.loop.batch_norm import _kinds
from somanet.training.loop.settings import TrainSettings
from tests.training.loop import trainings
from tests.training.loop.trainings import assert_equal, run, settings

ROOT = Path(__file__).resolve().parents[3]
MODULE = "tests.training.loop.one_of_several"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", MODULE]

pytestmark = pytest.mark.slow


def plan(folder: Path, items: Sequence[LabelledImage], choice: TrainSettings, **what: Any) -> None:
    """Write what the processes read."""
    tensors = [(item.name, torch.from_numpy(item.image), torch.from_numpy(item.labels)) for item in items]
    torch.save(tensors, folder / "items.pt")
    (folder / "settings.json").write_text(choice.model_dump_json())
    (folder / "plan.json").write_text(json.dumps({"network": "tiny", **what}))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **more}


def start_pair(folder: Path) -> list[subprocess.Popen[str]]:
    """Both processes as a cluster's batch system starts them: nothing ends one when the other fails."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, "-m", MODULE, str(folder)],
            cwd=ROOT,
            env=environment(**common, RANK=str(rank), LOCAL_RANK=str(rank)),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]


def results(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize(
    ("network", "unlabelled"),
    [("tiny", None), ("shared", None), ("shared", {"batch_size": 4, "ramp_fraction": 0.5}), ("encoder", None)],
    ids=["plain", "batch norm", "unlabelled", "timm's batch norm, parts without use"],
)
def test_two_processes_share_a_batch_and_agree_with_one(
    items: list[LabelledImage], tmp_path: Path, network: str, unlabelled: dict[str, float] | None
) -> None:
    """The mean of two half batches' gradients is the whole batch's if both are normalised by the whole batch.

    They differ by rounding only. Where each process normalised by its own half, the first losses would differ by 1 %.
    """
    choice = settings(epochs=4, learning_rate=0.01, ema_decay=0.5 if unlabelled else 0, unlabelled=unlabelled)
    if network == "encoder":  # rounding grows by chance from step to step where weights move as far as Adam moves them
        choice = choice.model_copy(update={"epochs": 1, "learning_rate": 1e-4})
    plan(tmp_path, items, choice, network=network)
    # on a CPU `accelerate launch --num_processes 2` starts one process only; torchrun starts both
    done = subprocess.run(
        [*TORCHRUN, str(tmp_path)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = results(tmp_path)
    assert first["processes"] == 2
    assert_equal(first["weights"], second["weights"])
    assert (first["seen"], second["seen"]) == (choice.epochs, 0)  # only the main process reports
    assert first["loss"] == second["loss"]

    frames = [item.image for item in items] if unlabelled else []
    single = run(getattr(trainings, network)(), items, choice, seed=5, unlabelled=frames)
    if unlabelled:
        np.testing.assert_allclose(first["consistency"], [epoch.consistency for epoch in single.history], rtol=1e-3)
    np.testing.assert_allclose(first["loss"], [epoch.train_loss for epoch in single.history], rtol=1e-4)
    np.testing.assert_allclose(first["val_iou"], [epoch.val_iou for epoch in single.history], atol=0.02)
    # a weight whose gradient is nothing but rounding goes either way by the learning rate in each of Adam's steps
    n_steps = choice.epochs * math.ceil(len(items) / choice.batch_size)
    apart = 2 * choice.learning_rate * n_steps if network == "encoder" else 1e-4
    for name, value in single.model.state_dict().items():
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-3, atol=apart)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("how", ["kill", "error", "mistake"])
def test_if_one_process_fails_the_other_ends_and_both_resume(
    items: list[LabelledImage], tmp_path: Path, rank: int, how: str
) -> None:
    """In the third epoch of four, while the other waits for its gradients; the second epoch's state is on disk."""
    choice = settings(epochs=4, learning_rate=0.01)
    plan(tmp_path, items, choice, network="shared", rank=rank, how=how, epoch=3)
    pair = start_pair(tmp_path)
    failed, other = pair[rank], pair[1 - rank]
    failed_text = failed.communicate(timeout=240)[1]
    began = time.monotonic()
    text = other.communicate(timeout=120)[1]
    assert time.monotonic() - began < 30
    assert (failed.returncode, other.returncode) == (-signal.SIGKILL if how == "kill" else 1, 1)
    [line] = [line for line in text.splitlines() if line.startswith("error:")]
    what = {
        "kill": "was killed",
        "error": "failed: The image c is damaged.",
        "mistake": "failed: a mistake in the code.",
    }
    assert line.startswith(f"error: Process {rank + 1} of 2 of this training {what[how]}")
    assert "Traceback" not in text
    if how == "error":
        assert failed_text.splitlines()[-1] == "error: The image c is damaged. Restore it."
    assert torch.load(tmp_path / "state.pt", weights_only=True)["epoch"] == 2

    plan(tmp_path, items, choice, network="shared")
    pair = start_pair(tmp_path)
    again = [process.communicate(timeout=240)[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], again
    first, second = results(tmp_path)
    assert_equal(first["weights"], second["weights"])
    single = run(trainings.shared(), items, choice, seed=5)
    assert (first["seen"], len(first["loss"])) == (2, 4)
    for name, value in single.model.state_dict().items():
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-3, atol=1e-4)


def test_a_loss_that_is_not_finite_in_one_process_ends_both_with_the_same_error(
    items: list[LabelledImage], tmp_path: Path
) -> None:
    """Without batch norm the other process' loss is finite in that step, the last of the epoch."""
    plan(tmp_path, items, settings(), rank=1, how="not finite", epoch=2)
    pair = start_pair(tmp_path)
    lines = [process.communicate(timeout=240)[1].splitlines()[-1] for process in pair]
    assert [process.returncode for process in pair] == [1, 1]
    assert lines[0] == lines[1]
    assert lines[0].startswith("error: The training loss became nan in epoch 2: the learning rate 0.001 is probably")


def test_on_graphics_cards_torch_shares_the_statistics() -> None:
    """Of its own batch norm and of timm's, which is followed by an activation."""
    from timm.layers.norm_act import BatchNormAct2d

    kinds = _kinds(on_cpu=False)
    assert issubclass(kinds[torch.nn.BatchNorm2d], torch.nn.SyncBatchNorm)
    assert issubclass(kinds[BatchNormAct2d], torch.nn.SyncBatchNorm)
    layer = BatchNormAct2d(3).eval()
    layer.process_group = None
    image = torch.randn(2, 3, 4, 5)
    expected = layer(image)
    layer.__class__ = kinds[BatchNormAct2d]
    torch.testing.assert_close(layer(image), expected)
    assert expected.min() == 0  # its ReLU acts
