"""Training: the same seed gives the same weights, whatever interrupts it; what is kept is the best epoch."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from somanet.data.layouts import LabelledImage
from somanet.errors import SomaNetError
from somanet.segmentation.losses import bce
from somanet.segmentation.saved_state import training_key
from somanet.segmentation.settings import ModelSpec, TrainSettings
from somanet.segmentation.training import Epoch, TrainingResult, train
from somanet.segmentation.unet import PaperUNet
from somanet.segmentation.validation import validate

ROOT = Path(__file__).resolve().parents[2]
SPEC = ModelSpec()
Weights = dict[str, torch.Tensor]


def tiny(seed: int = 0) -> nn.Module:
    """Two convolutions: trains in milliseconds."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 1))


def normed(seed: int = 0) -> nn.Module:
    """The same with a batch norm, whose statistics are state as well."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 1, 1))


def paper_unet(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return PaperUNet()


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"size_px": 32, "batch_size": 2, "epochs": 3, "device": "cpu", "weight_decay": 0, **changes})


@pytest.fixture(scope="session")
def items(draw_discs: Any) -> list[LabelledImage]:
    places = [[(12, 14, 7)], [(20, 30, 9), (8, 44, 5)], [(25, 12, 6)], [(15, 40, 8)]]
    return [draw_discs(f"image{n}", (40, 56), discs) for n, discs in enumerate(places)]


def run(
    model: nn.Module, items: Sequence[LabelledImage], choice: TrainSettings, *, seed: int = 0, **more: Any
) -> TrainingResult:
    more.setdefault("val_items", items[:2])
    return train(model, SPEC, items, settings=choice, seed=seed, progress=False, **more)


def weights(model: nn.Module) -> Weights:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(a: Weights, b: Weights) -> None:
    assert list(a) == list(b)
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def inverted(item: LabelledImage) -> LabelledImage:
    """A truth that training moves away from: every pixel but the somas'."""
    return LabelledImage(item.name, item.image, (item.labels == 0).astype(np.int32))


# Determinism


@pytest.mark.parametrize(
    ("mode", "build"), [("none", "paper_unet"), ("none", "normed"), ("paper", "normed"), ("online", "normed")]
)
def test_the_same_seed_gives_the_same_weights_bit_for_bit(items: list[LabelledImage], mode: str, build: str) -> None:
    network = {"paper_unet": paper_unet, "normed": normed}[build]
    choice = settings(
        epochs=2, augment={"mode": mode}, loss="bce+dice", ema_decay=0.5, schedule="cosine", gradient_clip=1.0
    )
    first = run(network(), items, choice, seed=3)
    torch.rand(5)  # what the process drew before has no say
    again = run(network(), items, choice, seed=3)
    assert_equal(weights(first.model), weights(again.model))
    assert first.history == again.history
    if build == "normed":
        assert run(normed(), items, choice, seed=4).history != first.history


@pytest.mark.slow
def test_helper_processes_change_nothing(items: list[LabelledImage]) -> None:
    alone, helped = (
        run(tiny(), items, settings(augment={"mode": "online"}, workers=workers), seed=1) for workers in (0, 1)
    )
    assert_equal(weights(alone.model), weights(helped.model))


# What is kept


def test_the_best_epochs_weights_are_kept(items: list[LabelledImage]) -> None:
    """Scored against the opposite of what it is taught, the network is best early and ever worse later."""
    model, seen = tiny(), {}
    result = run(
        model,
        items,
        settings(epochs=12, learning_rate=0.02),
        val_items=[inverted(items[0])],
        on_epoch=lambda epoch: seen.update({epoch.epoch: weights(model)}),
    )
    ious = [epoch.val_iou for epoch in result.history]
    assert result.best_epoch == 1 + int(np.argmax(ious)) < 12
    assert result.best_val_iou == max(ious) > ious[-1]
    assert_equal(weights(result.model), seen[result.best_epoch])
    assert not result.model.training
    _, again = validate(result.model, SPEC, [inverted(items[0])], bce)
    assert again == result.best_val_iou


def test_early_stopping_waits_its_epochs_and_no_longer(items: list[LabelledImage]) -> None:
    choice = settings(epochs=60, learning_rate=0.02, early_stopping_epochs=3)
    result = run(tiny(), items, choice, val_items=[inverted(items[0])])
    assert len(result.history) == result.best_epoch + 3 < 60


def test_the_moving_average_is_what_is_kept(items: list[LabelledImage]) -> None:
    """One step per epoch: the first average is the first weights, then a = d a + (1 - d) w."""
    decay, model = 0.8, tiny()
    averages: list[Weights] = []

    def follow(_: Epoch) -> None:
        now = weights(model)
        last = averages[-1] if averages else now
        averages.append({name: decay * last[name] + (1 - decay) * now[name] for name in now})

    choice = settings(epochs=5, batch_size=4, ema_decay=decay, learning_rate=0.05)
    result = run(model, items, choice, on_epoch=follow)
    kept = weights(result.model)
    for name, expected in averages[result.best_epoch - 1].items():
        torch.testing.assert_close(kept[name], expected)


def test_the_moving_average_includes_batch_norm_statistics(items: list[LabelledImage]) -> None:
    plain, averaged = (run(paper_unet(), items, settings(epochs=2, ema_decay=decay)).model for decay in (0.0, 0.9))
    assert not torch.equal(plain.get_buffer("down1.1.running_mean"), averaged.get_buffer("down1.1.running_mean"))


def test_frozen_blocks_come_out_as_they_went_in(items: list[LabelledImage]) -> None:
    model = paper_unet()
    before = weights(model)
    result = run(model, items, settings(trainable_blocks=3, ema_decay=0.5, weight_decay=0.1))
    assert result.trainable_blocks == ("head", "up1", "upsample1")
    changed = {name for name, value in result.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.partition(".")[0] in result.trainable_blocks}
    assert result.trainable_parameters == sum(
        p.numel() for name, p in result.model.named_parameters() if name in changed
    )


# Optimisation


def test_tensors_instead_of_blocks_train_as_the_authors_did(items: list[LabelledImage]) -> None:
    """Only the last tensors change, and the statistics of every layer."""
    model = paper_unet()
    before = weights(model)
    result = run(model, items, settings(trainable_tensors=12))
    assert len(result.trainable_blocks) == 12
    after = weights(result.model)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    statistics = {name for name in before if "running" in name or "num_batches" in name}
    assert changed == set(result.trainable_blocks) | statistics


def test_tensors_and_blocks_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="stands instead of trainable_blocks"):
        TrainSettings(trainable_tensors=12, trainable_blocks=3)


def test_it_learns_one_simple_image(draw_discs: Any) -> None:
    item = draw_discs("one", (64, 96), [(30, 40, 12)])
    choice = settings(epochs=12, samples_per_epoch=4, batch_size=2, size_px=64, learning_rate=0.01)
    result = run(paper_unet(), [item], choice, val_items=[item])
    assert result.best_val_iou > 0.8
    assert result.history[-1].train_loss < result.history[0].train_loss / 2


def test_gradients_are_clipped(items: list[LabelledImage]) -> None:
    """Adam's first step is lr·g/(|g| + 1e-8): the learning rate itself, or next to nothing for a gradient of 1e-10."""
    steps = []
    for clip in (None, 1e-10):
        model = tiny()
        before = weights(model)
        after = weights(run(model, items, settings(epochs=1, batch_size=4, gradient_clip=clip)).model)
        steps.append(max(float((after[name] - before[name]).abs().max()) for name in after))
    assert steps[0] == pytest.approx(1e-3, rel=0.02)
    assert steps[1] < 2e-5


def test_learning_rates_follow_warm_up_and_cosine(items: list[LabelledImage]) -> None:
    """Ten steps, two of warm-up: after steps 1…10 the factor is 2/2, then 1, cos over 8 steps down to 0."""
    result = run(
        tiny(),
        items[:2],
        settings(epochs=10, schedule="cosine", warmup_fraction=0.2, learning_rate=0.1),
    )
    expected = [1.0, *(0.5 * (1 + np.cos(np.pi * k / 8)) for k in range(9))]
    np.testing.assert_allclose([epoch.learning_rate for epoch in result.history], 0.1 * np.array(expected), atol=1e-12)


def test_validation_may_be_rarer(items: list[LabelledImage]) -> None:
    result = run(tiny(), items, settings(epochs=5, validate_every=2))
    assert [bool(np.isfinite(epoch.val_iou)) for epoch in result.history] == [False, True, False, True, True]
    assert result.best_epoch in (2, 4, 5)


def test_validation_scores_whole_images(draw_discs: Any) -> None:
    """A network that answers 0.5 everywhere: loss ln 2; IoU the soma's share; 1 where it and the truth are empty."""
    model = tiny()
    for p in model.parameters():
        nn.init.zeros_(p)
    item, empty = draw_discs("one", (40, 56), [(12, 14, 7)]), draw_discs("none", (33, 47), [])
    loss, iou = validate(model, SPEC, [item], bce)
    assert loss == pytest.approx(np.log(2), rel=1e-6)
    assert iou == pytest.approx(np.count_nonzero(item.labels) / (40 * 56))
    strict = SPEC.model_copy(update={"instances": SPEC.instances.model_copy(update={"threshold": 0.6})})
    assert validate(model, strict, [empty], bce)[1] == 1
    assert validate(model, strict, [item, empty], bce)[1] == pytest.approx(0.5)


# What cannot be trained


def test_a_loss_that_runs_away(items: list[LabelledImage]) -> None:
    with pytest.raises(
        SomaNetError, match=r"training loss became (nan|inf) in epoch 1: .* Lower it or set gradient_cl"
    ):
        run(tiny(), items, settings(learning_rate=1e30))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_on_a_cpu(items: list[LabelledImage], precision: str) -> None:
    with pytest.raises(SomaNetError, match=f"precision {precision} on a CPU .* Use precision: float32"):
        run(tiny(), items, settings(precision=precision))


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(items: list[LabelledImage], device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SomaNetError, match=f"device is '{device}', which this machine"):
        run(tiny(), items, settings(device=device))


def test_no_images(items: list[LabelledImage]) -> None:
    with pytest.raises(SomaNetError, match="no validation images"):
        run(tiny(), items, settings(), val_items=[])
    with pytest.raises(SomaNetError, match="no training images"):
        run(tiny(), [], settings(), val_items=items)


# Names and resumption


def test_a_training_is_named_by_all_that_determines_it(items: list[LabelledImage]) -> None:
    def key(
        model: nn.Module | None = None,
        spec: ModelSpec = SPEC,
        train_items: Sequence[LabelledImage] = items[1:],
        val_items: Sequence[LabelledImage] = items[:1],
        choice: TrainSettings | None = None,
        seed: int = 0,
        unlabelled: Sequence[np.ndarray] = (),
    ) -> str:
        choice = choice or settings()
        return training_key(model or tiny(), spec, train_items, val_items, choice, seed=seed, unlabelled=unlabelled)

    brighter = dataclasses.replace(items[1], image=items[1].image + 1)
    relabelled = dataclasses.replace(items[0], labels=items[0].labels * 2)
    keys = [
        key(),
        key(model=tiny(1)),
        key(spec=ModelSpec(input="contrasts")),
        key(train_items=items[2:]),
        key(train_items=[brighter, *items[2:]]),
        key(val_items=[relabelled]),
        key(choice=settings(epochs=4)),
        key(seed=1),
        key(unlabelled=[items[0].image]),
        key(unlabelled=[items[0].image + 1]),
        key(unlabelled=[items[0].image, items[0].image]),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


KILLED_MIDWAY = """
import sys
import time
from pathlib import Path

import torch
from torch import nn

from somanet.data.layouts import LabelledImage
from somanet.segmentation import training
from somanet.segmentation.settings import ModelSpec, TrainSettings

torch.set_num_threads(1)
folder = Path(sys.argv[1])
saved = torch.load(folder / "items.pt", weights_only=True)
items = [LabelledImage(name, image.numpy(), labels.numpy()) for name, image, labels in saved]
steps = 0
count_iou = training.batch_iou

def wait_in_the_middle(*arguments):
    global steps
    steps += 1
    if steps == 6:  # two steps an epoch: the last of the third, its weights moved and not yet saved
        print("waiting", flush=True)
        time.sleep(600)
    return count_iou(*arguments)

training.batch_iou = wait_in_the_middle
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 1, 1))
training.train(
    model, ModelSpec(), items, items[:2],
    TrainSettings.model_validate_json((folder / "settings.json").read_text()),
    seed=5, state_file=folder / "state.pt", progress=False,
)
"""


def test_killed_and_resumed_it_ends_the_same(items: list[LabelledImage], tmp_path: Path) -> None:
    """SIGKILL in the third epoch of five; the state on disk is the second's; resumed, every bit is the same."""
    choice = settings(
        epochs=5,
        augment={"mode": "online"},
        loss="bce+dice",
        optimizer="adamw",
        schedule="cosine",
        warmup_fraction=0.2,
        ema_decay=0.6,
        gradient_clip=1.0,
        weight_decay=0.01,
    )
    torch.save(
        [(item.name, torch.from_numpy(item.image), torch.from_numpy(item.labels)) for item in items],
        tmp_path / "items.pt",
    )
    (tmp_path / "settings.json").write_text(choice.model_dump_json())
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED_MIDWAY, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    state_file = tmp_path / "state.pt"
    assert torch.load(state_file, weights_only=True)["epoch"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.pt", "settings.json", "state.pt"]

    epochs: list[int] = []
    resumed = run(
        normed(), items, choice, seed=5, state_file=state_file, on_epoch=lambda epoch: epochs.append(epoch.epoch)
    )
    assert epochs == [3, 4, 5]
    whole = run(normed(), items, choice, seed=5)
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    assert_equal(weights(resumed.model), weights(whole.model))


def test_a_finished_training_is_not_run_again(items: list[LabelledImage], tmp_path: Path) -> None:
    state_file = tmp_path / "state.pt"
    first = run(tiny(), items, settings(), state_file=state_file)
    epochs: list[Epoch] = []
    again = run(tiny(9), items, settings(), state_file=state_file, on_epoch=epochs.append)
    assert epochs == []
    assert again.history == first.history
    assert_equal(weights(again.model), weights(first.model))


@pytest.mark.parametrize("damage", ["cut", "not a state"])
def test_a_state_that_cannot_be_resumed(items: list[LabelledImage], tmp_path: Path, damage: str) -> None:
    state_file = tmp_path / "state.pt"
    run(tiny(), items, settings(epochs=1), state_file=state_file)
    if damage == "cut":
        state_file.write_bytes(state_file.read_bytes()[:-700])
    elif damage == "not a state":
        torch.save({"epoch": 3}, state_file)
    with pytest.raises(SomaNetError, match=r"Cannot resume from .*state\.pt .*Delete it to start this training afresh"):
        run(tiny(), items, settings(), state_file=state_file)


# Several processes

TWO_PROCESSES = """
import sys
from pathlib import Path

import torch
from torch import nn

from somanet.data.layouts import LabelledImage
from somanet.segmentation.settings import ModelSpec, TrainSettings
from somanet.segmentation.training import train

torch.set_num_threads(1)
folder = Path(sys.argv[1])
saved = torch.load(folder / "items.pt", weights_only=True)
items = [LabelledImage(name, image.numpy(), labels.numpy()) for name, image, labels in saved]
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 1))
seen = []
settings = TrainSettings.model_validate_json((folder / "settings.json").read_text())
result = train(
    model, ModelSpec(), items, items[:2], settings, unlabelled=[item.image for item in items if settings.unlabelled],
    seed=5, state_file=folder / "state.pt", progress=False, on_epoch=seen.append,
)
size = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
rank = torch.distributed.get_rank() if size > 1 else 0
torch.save(
    {"weights": result.model.state_dict(), "loss": [e.train_loss for e in result.history],
     "val_iou": [e.val_iou for e in result.history], "consistency": [e.consistency for e in result.history],
     "seen": len(seen), "processes": size},
    folder / f"rank{rank}.pt",
)
if size > 1:
    torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize("unlabelled", [None, {"batch_size": 4, "ramp_fraction": 0.5}], ids=["labels", "unlabelled"])
def test_two_processes_share_a_batch_and_agree_with_one(
    items: list[LabelledImage], tmp_path: Path, unlabelled: dict[str, float] | None
) -> None:
    """Without batch norm the mean of two half batches' gradients is the whole batch's: the same but for rounding."""
    choice = settings(epochs=4, learning_rate=0.01, ema_decay=0.5 if unlabelled else 0, unlabelled=unlabelled)
    torch.save(
        [(item.name, torch.from_numpy(item.image), torch.from_numpy(item.labels)) for item in items],
        tmp_path / "items.pt",
    )
    (tmp_path / "settings.json").write_text(choice.model_dump_json())
    (tmp_path / "script.py").write_text(TWO_PROCESSES)
    # on a CPU `accelerate launch --num_processes 2` starts one process only; torchrun starts both
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(tmp_path / "script.py"), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["processes"] == 2
    assert_equal(first["weights"], second["weights"])
    assert (first["seen"], second["seen"]) == (4, 0)  # only the main process reports
    assert first["loss"] == second["loss"]

    frames = [item.image for item in items] if unlabelled else []
    single = run(tiny(), items, choice, seed=5, unlabelled=frames)
    if unlabelled:
        np.testing.assert_allclose(first["consistency"], [epoch.consistency for epoch in single.history], rtol=1e-3)
    np.testing.assert_allclose(first["loss"], [epoch.train_loss for epoch in single.history], rtol=1e-4)
    np.testing.assert_allclose(first["val_iou"], [epoch.val_iou for epoch in single.history], atol=0.02)
    for name, value in single.model.state_dict().items():
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-3, atol=1e-4)
