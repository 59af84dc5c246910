"""Who takes part, where it runs, and what its figures mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

HERE = "somanet"
"""The environment that the benchmark itself runs in."""
AS_BUILT = "as built"
"""Torch layer by layer in the memory order NCHW: what a network gets when nobody asks for more."""
NETWORK_ONLY = "its own preparation, tiles and network; what turns the network's answer into masks is not counted"


@dataclass(frozen=True)
class Contender:
    """One way to segment an image.

    Attributes:
        name: of its files.
        title: for people.
        kind: `somanet` (a checkpoint of SomaNet's, or the paper's network), `classic`, or the foreign program's name.
        environment: whose interpreter runs it.
        model: folder of the checkpoint; none means random weights, so that only the speed counts.
        engine: for kind `somanet`.
        settings: for kind `classic`, as chosen on validation images.
        note: what a reader of its figures must know.
    """

    name: str
    title: str
    kind: str
    environment: str = HERE
    model: str | None = None
    engine: str | None = None
    settings: Mapping[str, Any] | None = None
    note: str = ""

    @property
    def segments(self) -> bool:
        """Whether its labels mean something."""
        return self.kind == "classic" or self.model is not None

    def as_dict(self) -> dict[str, Any]:
        """For JSON, and back by ``Contender(**...)``."""
        return asdict(self)


@dataclass(frozen=True)
class Loaded:
    """A contender that can be asked.

    Attributes:
        label: image as stored → labels YX; of a foreign program, its network's answer.
        network: the network alone, for an image of the measured size; none where there is none.
        flops: operations of that answer.
        about: versions and the like, for the record.
    """

    label: Callable[[NDArray[Any]], Any]
    network: Callable[[], object] | None = None
    flops: int | None = None
    about: dict[str, Any] = field(default_factory=dict)


FOREIGN = (
    Contender(
        name="stardist",
        title="StarDist 2D",
        kind="stardist",
        environment="stardist",
        note=f"random weights, the configuration of its published models (32 rays, grid 2); {NETWORK_ONLY}",
    ),
    Contender(
        name="cellpose3",
        title="Cellpose 3",
        kind="cellpose3",
        environment="cellpose3",
        note=f"random weights, the residual U-Net of cyto3 and nuclei, no resizing; {NETWORK_ONLY}",
    ),
    Contender(
        name="cellpose4",
        title="Cellpose-SAM",
        kind="cellpose4",
        environment="cellpose4",
        note=f"random weights, float32 (its own choice, bfloat16, is for graphics cards); {NETWORK_ONLY}",
    ),
)


def contenders(
    *,
    paper: Path | None,
    bundled: Path,
    others: Sequence[Path],
    classic: Mapping[str, Mapping[str, Any]],
) -> list[Contender]:
    """Everybody, in the order of the tables.

    Args:
        paper: checkpoint of the paper's U-Net; none for random weights.
        bundled: the network that comes with SomaNet.
        others: further checkpoints to be shown, through the engine `auto`.
        classic: settings by method, see :func:`benchmarks.peers.classic.choose`.
    """
    trained = str(paper.resolve()) if paper else None
    note = "" if paper else "random weights"
    rows = [
        Contender("threshold_opening", "Threshold and opening", "classic", settings=classic["threshold_opening"]),
        Contender("otsu_watershed", "Otsu and distance watershed", "classic", settings=classic["otsu_watershed"]),
        Contender("paper", "Paper's U-Net, as built", "somanet", model=trained, engine=AS_BUILT, note=note),
    ]
    for engine in ("torch", "onnxruntime", "openvino"):
        title = f"Paper's U-Net, {engine}"
        rows.append(Contender(f"paper_{engine}", title, "somanet", model=trained, engine=engine, note=note))
    rows.append(Contender("somanet", "SomaNet, as it comes", "somanet", model=str(bundled.resolve()), engine="auto"))
    for folder in others:
        name = folder.resolve().name
        rows.append(
            Contender(f"model_{name}", f"SomaNet, {name}", "somanet", model=str(folder.resolve()), engine="auto")
        )
    return [*rows, *FOREIGN]
