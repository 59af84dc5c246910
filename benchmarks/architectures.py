"""Which architectures and encoders of segmentation-models-pytorch train here: the table of docs/networks.md.

python -m benchmarks.architectures                    # 128 px; writes build/architectures.md
python -m benchmarks.architectures --size-px 256 --encoder resnet18 --encoder mit_b0

Each network trains two epochs on simulated nuclei, is written and loaded again, and must then predict the same labels.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage

TIMM = ("tu-regnety_002", "tu-convnext_atto", "tu-vit_tiny_patch16_224", "tu-swin_tiny_patch4_window7_224")
"""Encoders of timm, of which there are a thousand: a usual one, a recent one, and two kinds of transformer."""


def architectures() -> list[str]:
    """The names of smp's architectures."""
    import segmentation_models_pytorch as smp

    return [kind.__name__ for kind in smp.MODEL_ARCHITECTURES_MAPPING.values()]


def encoders() -> list[str]:
    """The smallest encoder of each family that smp has, by the number in its name, and some of timm."""
    import segmentation_models_pytorch as smp

    families: dict[type, list[str]] = {}
    for name in smp.encoders.get_encoder_names():
        families.setdefault(smp.encoders.encoders[name]["encoder"], []).append(name)
    return [*(min(names, key=_number) for names in families.values()), *TIMM]


def _number(name: str) -> int:
    return int((re.findall(r"\d+", name) or ["0"])[0])


def problem_with(architecture: str, encoder: str, items: Sequence[LabelledImage], *, size_px: int) -> str:
    """Why a network cannot be trained, in one line; empty if it trains and predicts the same after loading."""
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.network.checkpoint import load_checkpoint, save_checkpoint
    from somanet.segmentation.network.models import check_sizes
    from somanet.segmentation.network.settings import ModelSpec
    from somanet.training.loop.settings import TrainSettings
    from somanet.training.loop.start import start_network
    from somanet.training.loop.task import TrainingTask
    from somanet.training.loop.training import train

    settings = TrainSettings(epochs=2, batch_size=2, size_px=size_px, device="cpu")
    try:
        model, spec, _ = start_network(ModelSpec(architecture=architecture, encoder=encoder), seed=0)
        check_sizes(model, spec, patch_px=size_px)
        result = train(TrainingTask(model, spec, items, items[:1], settings, seed=0), progress=False)
    except SomaNetError as error:
        return str(error)
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "network", result.model, spec, {})
        loaded = load_checkpoint(Path(folder) / "network")
    expected, found = (Segmenter.of(one, spec).probabilities(items[0].image) for one in (result.model, loaded.model))
    if not np.array_equal(expected, found):
        raise AssertionError(f"{architecture} with {encoder} predicts otherwise after loading")
    return ""


def as_markdown(rows: Iterable[dict[str, str]]) -> str:
    """A row per encoder, a column per architecture, and below it each reason once."""
    table = pd.DataFrame(list(rows))
    kinds = {reason: number for number, reason in enumerate(filter(None, dict.fromkeys(table["reason"])), start=1)}
    table["cell"] = [f"{kinds[reason]}" if reason else "✓" for reason in table["reason"]]
    wide = table.pivot_table(
        index="encoder", columns="architecture", values="cell", aggfunc="first", sort=False
    ).fillna("")
    lines = ["| encoder | " + " | ".join(wide.columns) + " |", "| --- |" + " --- |" * len(wide.columns)]
    lines += [
        f"| `{encoder}` | " + " | ".join(cells) + " |" for encoder, cells in zip(wide.index, wide.values, strict=True)
    ]
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in kinds.items())]) + "\n"


def reason_of(problem: str) -> str:
    """A refusal without the names that its row and column give, and without the way out."""
    middle = problem.partition(": ")[2].partition(" Set ")[0] or problem
    return re.sub(r"`[\w-]+`|encoder_name=[\w-]+|'[\w-]+' models|got [\w-]+|found [\w-]+", "…", middle)


def main() -> None:
    """Try all, write the table."""
    from somanet.simulation import simulate_nuclei

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-px", type=int, default=128)
    parser.add_argument("--encoder", action="append", help="only this one; may be repeated")
    parser.add_argument("--output", type=Path, default=Path("build/architectures.md"))
    given = parser.parse_args()
    items = simulate_nuclei(n_images=2, shape_YX=(given.size_px, given.size_px + 32), seed=0)
    rows = []
    for encoder in given.encoder or encoders():
        for architecture in architectures():
            began = time.perf_counter()
            problem = problem_with(architecture, encoder, items, size_px=given.size_px)
            print(
                f"{architecture:14} {encoder:34} {time.perf_counter() - began:5.1f} s  {problem or 'trains'}",
                flush=True,
            )
            rows.append({"encoder": encoder, "architecture": architecture, "reason": reason_of(problem)})
            given.output.parent.mkdir(parents=True, exist_ok=True)
            given.output.write_text(as_markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
