"""Train a network of libreyolo for a given time, in the Python of libreyolo's own environment.

python -m benchmarks.yolo.learning --data data.yaml --output FOLDER --network yolo9-t --budget-s 1800

Times cover the optimisation from the first batch to the last, including decoding and saving, but not imports and
set-up. Only this file and `inference.py` use libreyolo; they communicate with the others through files only.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch


class Detector(NamedTuple):
    """libreyolo's module and class of a network."""

    family: str
    model: str
    trainer: str
    size: str
    task: str = "detect"


NETWORKS = {
    "yolo9-t": Detector("yolo9", "LibreYOLO9", "YOLO9Trainer", "t"),
    "yolox-n": Detector("yolox", "LibreYOLOX", "YOLOXTrainer", "n"),
    "dfine-n-seg": Detector("dfine", "LibreDFINE", "DFINETrainer", "n", "segment"),
}
"""The two smallest YOLOs that it trains, and the smallest network that it trains with masks, which is not a YOLO."""
SCHEDULE_EPOCHS = 10_000
"""The budget in parts: libreyolo's own schedule runs over these instead of over passes through the data."""
WARMUP, UNDISTORTED = 0.1, 0.1
"""Shares of the budget for the learning rate's warm-up, and, at the end, for training without mosaics."""
CLOCKS = ("wall_s", "processor_s")
PLACES = ("project", "name", "exist_ok")


class Clock:
    """The part of a budget spent, in wall or processor seconds, including earlier processes."""

    def __init__(self, budget_s: float, kind: str, spent: dict[str, float]) -> None:
        self.budget_s, self.kind, self._before = budget_s, kind, spent
        self._began: tuple[float, float] | None = None

    def start(self) -> None:
        """Start counting, if not yet started."""
        if self._began is None:
            self._began = time.perf_counter(), time.process_time()

    def spent(self) -> dict[str, float]:
        """Seconds so far by both clocks."""
        wall, processor = self._began or (time.perf_counter(), time.process_time())
        return {
            "wall_s": self._before.get("wall_s", 0.0) + time.perf_counter() - wall,
            "processor_s": self._before.get("processor_s", 0.0) + time.process_time() - processor,
        }

    def share(self) -> float:
        """Share of the budget spent, from 0; above 1 once it is used up."""
        return self.spent()[f"{self.kind}_s"] / self.budget_s


class ByTime:
    """A schedule of libreyolo driven by the share of the budget spent instead of the number of steps."""

    def __init__(self, schedule: Any, clock: Clock) -> None:
        self._schedule, self._clock = schedule, clock

    def update_lr(self, iters: int) -> float:
        """The current learning rate."""
        return float(self._schedule.update_lr(self._now()))

    def update_momentum(self, iters: int) -> float | None:
        """The current momentum; None if the family has no schedule for it."""
        update = getattr(self._schedule, "update_momentum", None)
        return update(self._now()) if callable(update) else None

    def _now(self) -> int:
        return int(min(self._clock.share(), 1.0) * self._schedule.total_iters)


class UntilSpent:
    """A data loader that ends with the budget, and switches mosaics off shortly before."""

    def __init__(self, loader: Any, clock: Clock, count: Callable[[int], None], calm: Callable[[], None]) -> None:
        self._loader, self._clock, self._count, self._calm = loader, clock, count, calm
        self._calmed = False

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __iter__(self) -> Iterator[Any]:
        self._clock.start()
        for batch in self._loader:
            if self._clock.share() >= 1:
                return
            if not self._calmed and self._clock.share() >= 1 - UNDISTORTED:
                self._calmed = True
                self._calm()
            yield batch
            self._count(len(batch[0]))


def timed_trainer(trainer: type, clock: Clock, state: dict[str, Any], state_file: Path) -> type:
    """A trainer of libreyolo whose budget is time."""

    def count(images: int) -> None:
        state["images"] = state.get("images", 0) + images
        state["steps"] = state.get("steps", 0) + 1

    class Timed(trainer):  # type: ignore[misc]
        def setup(self) -> None:
            ready = self._is_setup
            super().setup()
            if not ready:
                self.train_loader = UntilSpent(self.train_loader, clock, count, self.on_mosaic_disable)
                self.callbacks.append(self.passed)

        def create_scheduler(self, iters_per_epoch: int) -> ByTime:
            return ByTime(super().create_scheduler(iters_per_epoch), clock)

        def passed(self, event: Any) -> None:
            """Called after each pass through the data, once its weights are saved."""
            state.update(clock.spent())
            state["passes"] = event.epoch
            state["loss"] = event.train_loss
            write_json(state_file, state)
            print(f"pass {event.epoch}: {clock.share():.0%} of the time, loss {event.train_loss:.3f}", flush=True)
            self._stop_training = clock.share() >= 1

    return Timed


def train(arguments: argparse.Namespace) -> None:
    """Train from random weights for a given time; a stopped training resumes."""
    network = NETWORKS[arguments.network]
    output: Path = arguments.output
    last, state_file = output / "weights" / "last.pt", output / "spent.json"
    resumed = last.exists() and state_file.exists()
    state: dict[str, Any] = json.loads(state_file.read_text()) if resumed else {}
    clock = Clock(arguments.budget_s, arguments.clock, {name: state.get(name, 0.0) for name in CLOCKS})
    module = importlib.import_module(f"libreyolo.models.{network.family}.trainer")
    setattr(module, network.trainer, timed_trainer(getattr(module, network.trainer), clock, state, state_file))
    make = getattr(importlib.import_module(f"libreyolo.models.{network.family}.model"), network.model)
    model = make(
        str(last) if resumed else None, size=network.size, nb_classes=1, device=arguments.device, task=network.task
    )
    settings: dict[str, Any] = {
        "epochs": SCHEDULE_EPOCHS,
        "warmup_epochs": round(WARMUP * SCHEDULE_EPOCHS),
        "no_aug_epochs": round(UNDISTORTED * SCHEDULE_EPOCHS),
        "batch": arguments.batch,
        "imgsz": arguments.image_px,
        "seed": arguments.seed,
        "device": arguments.device,
        "workers": 0,
        "amp": False,
        "val": False,
        "patience": 0,
        "save_period": 0,
        "project": str(output.parent),
        "name": output.name,
        "exist_ok": True,
        **{name: json.loads(value) for name, value in (pair.split("=", 1) for pair in arguments.set)},
    }
    start = {"resume": str(last)} if resumed else {"pretrained": False}
    if clock.share() < 1:
        model.train(data=str(arguments.data), **start, **settings)
    write_json(
        output / "training.json",
        {
            "network": arguments.network,
            "libreyolo": version("libreyolo"),
            "torch": version("torch"),
            # YOLOv9's auxiliary branch is used in training only.
            "parameters": sum(
                weight.numel() for name, weight in model.model.named_parameters() if not name.startswith("aux")
            ),
            "budget_s": arguments.budget_s,
            "clock": arguments.clock,
            "threads": torch.get_num_threads(),
            "machine": machine(arguments.device),
            "settings": {name: value for name, value in settings.items() if name not in PLACES},
            **state,
        },
    )


def machine(device: str) -> str:
    """The training hardware: the GPU's name, or the kind of processor."""
    return str(torch.cuda.get_device_name(device)) if device.startswith("cuda") else platform.machine()


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def quieten(threads: int) -> None:
    """Set logging to warnings only, and the number of threads."""
    logging.disable(logging.INFO)
    torch.set_num_threads(threads)
    cv2.setNumThreads(0)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--budget-s", type=float, required=True)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--image-px", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="of libreyolo's settings, as JSON")
    arguments = parser.parse_args()
    quieten(arguments.threads)
    train(arguments)


if __name__ == "__main__":
    main()
