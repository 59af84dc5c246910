"""The trainings of a session: the paper's U-Net to its end, then another network until it is as good."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.peers.contenders import HERE
from benchmarks.peers.session import Found, Session
from benchmarks.peers.training import reached
from somanet.core.errors import SomaNetError


def race(arguments: argparse.Namespace, session: Session, folder: Path) -> tuple[Found | None, Path | None]:
    """Run the requested trainings.

    Returns:
        The record for `peers.json`, none without a training; and the checkpoint of the paper's U-Net, if any.

    Raises:
        SomaNetError: the recorded session has no training, or a training failed.
    """
    if not arguments.train_minutes:
        return None, arguments.paper_model
    trained = None
    if arguments.recorded:
        reference = _recorded(arguments.recorded)
    else:
        trained = arguments.environments / "paper-unet"
        reference = _train(arguments, session, folder, "paper", aim=None, checkpoint=trained)
    aim = reference["val_iou"]
    if aim is None or aim != aim:
        raise SomaNetError("The paper's U-Net was not validated within --train-minutes: raise it.")
    other = _train(arguments, session, folder, "other", aim=aim, checkpoint=None)
    training = {
        "title": f"{arguments.recipe.name}: {arguments.network}",
        "recorded": arguments.recorded.name if arguments.recorded else None,
        "reference": reference,
        "reference_first": reached(reference["epochs"], aim),
        "contender": other,
    }
    return training, arguments.paper_model or trained


def _recorded(file: Path) -> Found:
    try:
        found: Found = json.loads(file.read_text(encoding="utf-8"))["training"]["reference"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SomaNetError(
            f"{file} has no training of the paper's U-Net: expected the peers.json of a session with --train-minutes."
        ) from error
    return found


def _train(
    arguments: argparse.Namespace,
    session: Session,
    folder: Path,
    who: str,
    *,
    aim: float | None,
    checkpoint: Path | None,
) -> Found:
    recipe, network = {
        "paper": (arguments.paper_recipe, arguments.paper_network),
        "other": (arguments.recipe, arguments.network),
    }[who]
    job = {
        "task": "train",
        "recipe": str(recipe.resolve()),
        "network": network,
        "data": str(arguments.data.resolve()) if arguments.data else "",
        "train_images": arguments.train_images,
        "val_images": arguments.train_val_images,
        "budget_s": 60 * arguments.train_minutes,
        "aim": aim,
        "checkpoint": str(checkpoint.resolve()) if checkpoint else "",
    }
    try:
        return session.run(HERE, job, folder)
    except RuntimeError as error:
        raise SomaNetError(f"The training of {network} ({recipe}) failed: {error}") from error
