"""The contenders, where they run, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

HERE = "somanet"
"""The environment of the benchmark itself."""
AS_BUILT = "as built"
"""Torch layer by layer in the memory order NCHW, its default."""
NETWORK_ONLY = "its own preparation, tiles and network; post-processing of the network's output is not included"


@dataclass(frozen=True)
class Contender:
    """One way to segment an image.

    Attributes:
        name: prefix of its files.
        title: display name.
        kind: `somanet` (a checkpoint of SomaNet's, or the paper's network), `classic`, or the foreign program's name.
        environment: the one whose interpreter runs it.
        model: folder of the checkpoint; none means random weights, so that only the speed counts.
        engine: inference engine, for kind `somanet`.
        settings: for kind `classic`, as chosen on validation images.
        note: remark on its numbers for the reader.
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
        """Whether its labels are meaningful."""
        return self.kind == "classic" or self.model is not None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values, for ``Contender(**...)``."""
        return asdict(self)


@dataclass(frozen=True)
class Loaded:
    """A contender ready to run.

    Attributes:
        label: image as stored → labels YX; for another program, its network's output.
        network: the network alone, for an image of the measured size; none if there is no network.
        flops: operations of that forward pass.
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
    """All contenders, in the order of the tables.

    Args:
        paper: checkpoint of the paper's U-Net; none for random weights.
        bundled: the bundled model.
        others: further checkpoints to compare, with the engine `auto`.
        classic: settings by method, see :func:`benchmarks.peers.classic.choose`.
    """
    trained = str(paper.resolve()) if paper else None
    note = "" if paper else "random weights"
    rows = [
        Contender("threshold_opening", "Threshold and opening", "classic", settings=classic["threshold_opening"]),
        Contender("otsu_watershed", "Otsu and distance watershed", "classic", settings=classic["otsu_watershed"]),
        Contender("chan_vese", "Chan–Vese from Otsu's objects", "classic", settings=classic["chan_vese"]),
        Contender("paper", "Paper's U-Net, as built", "somanet", model=trained, engine=AS_BUILT, note=note),
    ]
    for engine in ("torch", "onnxruntime", "openvino"):
        title = f"Paper's U-Net, {engine}"
        rows.append(Contender(f"paper_{engine}", title, "somanet", model=trained, engine=engine, note=note))
    rows.append(Contender("somanet", "SomaNet, bundled model", "somanet", model=str(bundled.resolve()), engine="auto"))
    for folder in others:
        name = folder.resolve().name
        rows.append(
            Contender(f"model_{name}", f"SomaNet, {name}", "somanet", model=str(folder.resolve()), engine="auto")
        )
    return [*rows, *FOREIGN]
