"""The model card of an exported network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.checkpoint import read_config

CARD = "README.md"
"""The model card beside a checkpoint's two files."""


@dataclass(frozen=True)
class Card:
    """The model card of a package.

    Attributes:
        name: 5 to 128 letters, digits, spaces, dashes, underscores and brackets.
        description: one sentence.
        authors: names.
        licence: SPDX identifier such as MIT or CC-BY-4.0.
        text: Markdown: training data, intended use and accuracy of the network.
    """

    name: str
    description: str
    authors: tuple[str, ...]
    licence: str
    text: str


def make_card(checkpoint: Path, *, name: str, authors: Sequence[str], licence: str | None) -> Card:
    """The card of a checkpoint: the model card beside it, else a summary of the training in its `config.json`.

    Raises:
        SomaNetError: authors or licence are missing, which only the author can choose.
    """
    if not authors or not licence:
        raise SomaNetError(
            "A package for others must name its authors and its licence: give --author NAME, once for each, and "
            "--license, such as CC-BY-4.0."
        )
    file = checkpoint / CARD
    text = file.read_text(encoding="utf-8") if file.is_file() else _card_from_config(read_config(checkpoint), name)
    return Card(name, "Somas and nuclei in 2-D microscope images.", tuple(authors), licence, _without_local_links(text))


def _card_from_config(config: dict[str, Any], name: str) -> str:
    model, training = config["model"], config.get("training") or {}
    encoder = f", encoder {model['encoder']}" if model.get("encoder") else ""
    lines = [f"# {name}", "", f"{model['architecture']}{encoder}, outputs {', '.join(model['outputs'])}."]
    if training:
        lines.append(f"Trained for {training.get('epochs')} epochs with the loss {training.get('loss')}.")
    if "best_val_iou" in config:
        lines += [
            "",
            "## Validation",
            "",
            f"IoU on its validation images: {config['best_val_iou']:.3f}.",
        ]
    return "\n".join(lines) + "\n"


def _without_local_links(text: str) -> str:
    """Markdown with links to neighbouring files, which a package does not include, replaced by their text."""
    return re.sub(r"!?\[([^\]]*)\]\((?!https?://)[^)]*\)", r"\1", text)
