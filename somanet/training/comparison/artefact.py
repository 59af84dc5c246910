"""The comparison's three files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_paths, write_json, write_text
from somanet.core.foreign import parsing
from somanet.core.plots import save_figure
from somanet.evaluation.image_tables import SCORES
from somanet.evaluation.paired import Difference
from somanet.training.comparison.figure import comparison_figure
from somanet.training.comparison.networks import SPEED, ComparedNetwork
from somanet.training.comparison.page import comparison_markdown
from somanet.training.comparison.pairing import DECIDING, Pairing, pair_networks

_NEEDED = (*SCORES, "size_bias", "noise_per_image", "n_images", "interval95", "interior")
FILES = ("comparison.json", "comparison.md", "comparison.png")


def write_comparison(
    networks: Sequence[ComparedNetwork],
    folder: Path,
    *,
    reference: str | None = None,
    deciding: str = DECIDING,
    data: str = "",
    nuclei: Mapping[str, Mapping[str, Any]] | None = None,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write `comparison.json`, `comparison.md` and `comparison.png`; return their paths.

    Equal scores give equal bytes.

    Args:
        networks: the networks to compare, all scored on the same images.
        folder: the folder to write to.
        reference, deciding: see :func:`somanet.training.comparison.pairing.pair_networks`.
        data, nuclei: see :func:`somanet.training.comparison.page.comparison_markdown`.
        notes: further sentences to add to the page.

    Raises:
        SomaNetError: the networks were not scored on the same images, or the reference or score does not exist.
    """
    for network in networks:
        if lacking := [name for name in _NEEDED if name not in network.metrics]:
            raise SomaNetError(
                f"The scores of {network.name} lack {', '.join(lacking)}; expected a file that `somanet evaluate` "
                "wrote. Was it cut or edited? Evaluate again."
            )
    with parsing("The networks to compare", "scores that `somanet evaluate` wrote", remedy="Was a file edited?"):
        pairing = pair_networks(networks, reference=reference, deciding=deciding)
        _check_numbers_of_images(networks)
        page = comparison_markdown(networks, pairing, data=data, nuclei=nuclei, notes=notes)
        figure = comparison_figure(networks, pairing)
    files = [folder / name for name in FILES]
    with atomic_paths(*files) as (numbers_file, page_file, figure_file):
        write_json(numbers_file, comparison_numbers(networks, pairing))
        write_text(page_file, page)
        save_figure(figure, figure_file)
    return files


def comparison_numbers(networks: Sequence[ComparedNetwork], pairing: Pairing | None) -> dict[str, dict[str, Any]]:
    """Network -> its numbers, each under its own name, as `dvc metrics diff` compares them."""
    return {network.name: _numbers(network, pairing) for network in networks}


def _numbers(network: ComparedNetwork, pairing: Pairing | None) -> dict[str, Any]:
    metrics, cost = network.metrics, network.cost
    costs = {
        "trainable_parameters": cost.trainable_parameters,
        "train_seconds": cost.train_seconds,
        SPEED: cost.inference_mpx_per_s,
    }
    numbers: dict[str, Any] = {
        **{name: metrics[name] for name in (*SCORES, "size_bias", "noise_per_image")},
        "n_images": metrics["n_images"],
        "n_seeds": metrics.get("n_seeds", 1),
        **{name: _whole(value) for name, value in costs.items() if value == value},
        "interval95": {
            name: dict(zip(("low", "high"), metrics["interval95"][name], strict=True))
            for name in SCORES
            if name in metrics["interval95"]
        },
    }
    if pairing is not None and network.name in pairing.names:
        numbers["mean_rank"] = pairing.mean_rank(network.name)
        numbers["rank_spread"] = pairing.rank_spread(network.name)
    if pairing is not None and network.name in pairing.differences:
        numbers["difference"] = {
            "from": pairing.reference,
            **{score: _of_difference(found) for score, found in pairing.differences[network.name].items()},
        }
    return numbers


def _of_difference(found: Difference) -> dict[str, float]:
    return {name: getattr(found, name) for name in ("value", "low", "high", "p", "p_holm")}


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _check_numbers_of_images(networks: Sequence[ComparedNetwork]) -> None:
    """Without per-image scores, at least the number of images must agree."""
    first, *others = networks
    for network in others:
        a, b = first.metrics["n_images"], network.metrics["n_images"]
        if a != b:
            raise SomaNetError(
                f"{first.name} was scored on {a} images, {network.name} on {b}: their scores cannot be "
                "compared. Score both on the same data set."
            )
