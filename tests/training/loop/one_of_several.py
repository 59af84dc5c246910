"""One process of a training that several share: `python -m tests.training.loop.one_of_several FOLDER`.

FOLDER holds `items.pt`, `settings.json` and `plan.json`: the network, and what happens to which process in which epoch.
Each process writes `rankN.pt`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.training.loop import training
from somanet.training.loop.samples import TrainingSamples
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.task import TrainingTask
from tests.training.loop import trainings


def prepare_mishap(how: str, epoch: int) -> None:
    """In the middle of an epoch, while another process waits for this one's gradients, or before it joins."""
    read = TrainingSamples.__getitem__

    def sample(self: TrainingSamples, position: int) -> object:
        if self.epoch == epoch and position >= 2:  # not in the first step
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "error":
                raise SomaNetError("The image c is damaged. Restore it.")
            if how == "mistake":
                raise ZeroDivisionError("a mistake in the code")
            inputs, targets = read(self, position)
            return torch.full_like(inputs, torch.nan), targets
        return read(self, position)

    TrainingSamples.__getitem__ = sample  # type: ignore[method-assign]


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    plan = json.loads((folder / "plan.json").read_text())
    rank = int(os.environ.get("RANK", "0"))
    if plan.get("rank") == rank:
        prepare_mishap(plan["how"], plan["epoch"])
    saved = torch.load(folder / "items.pt", weights_only=True)
    items = [LabelledImage(name, image.numpy(), labels.numpy()) for name, image, labels in saved]
    choice = TrainSettings.model_validate_json((folder / "settings.json").read_text())
    unlabelled = [item.image for item in items] if choice.unlabelled else []
    model = getattr(trainings, plan["network"])()
    kinds = [type(layer) for layer in model.modules()]
    seen: list[training.Epoch] = []
    task = TrainingTask(model, trainings.SPEC, items, items[:2], choice, seed=5, unlabelled=unlabelled)
    try:
        result = training.train(task, state_file=folder / "state.pt", progress=False, on_epoch=seen.append)
    except SomaNetError as error:
        sys.exit(f"error: {error}")
    assert [type(layer) for layer in result.model.modules()] == kinds
    joined = torch.distributed.is_initialized()
    torch.save(
        {
            "weights": result.model.state_dict(),
            "loss": [epoch.train_loss for epoch in result.history],
            "val_iou": [epoch.val_iou for epoch in result.history],
            "consistency": [epoch.consistency for epoch in result.history],
            "seen": len(seen),
            "processes": torch.distributed.get_world_size() if joined else 1,
        },
        folder / f"rank{rank}.pt",
    )
    if joined:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
