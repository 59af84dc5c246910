"""`somanet export` and `somanet import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from somanet.core.errors import SomaNetError
from somanet.core.typed import typed

if TYPE_CHECKING:
    from somanet.segmentation.network.intended_use import IntendedUse


def export(
    output: Annotated[Path, typer.Option(help="Folder (safetensors, openvino) or file (.onnx; .zip of bioimageio).")],
    model: Annotated[
        str | None,
        typer.Argument(help="Checkpoint folder, run id, alias (champion) or URI; default: the bundled model."),
    ] = None,
    to: Annotated[
        Literal["safetensors", "onnx", "openvino", "bioimageio"],
        typer.Option("--format", help="A checkpoint of half the size, or a file for other programs."),
    ] = "safetensors",
    author: Annotated[
        list[str] | None, typer.Option(help="Author of a bioimageio package; repeat for several.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Licence of a bioimageio package: CC-BY-4.0, …")
    ] = None,
    modality: Annotated[
        Literal["fluorescence"] | None,
        typer.Option(help="Intended use of a checkpoint: its microscopy; predict and analyze then refuse others."),
    ] = None,
    diameters: Annotated[
        str | None,
        typer.Option(metavar="LOW-HIGH", help="Intended use of a checkpoint: soma diameters (px), as 8-48."),
    ] = None,
) -> None:
    """Export a network, with the name of the run that trained it, and check that its outputs are the same."""
    from somanet.analysis.network import BUNDLED, network_folder
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import training_of
    from somanet.segmentation import export as exporting
    from somanet.segmentation.network.checkpoint import load_checkpoint, read_config

    if to != "safetensors" and (modality or diameters):
        raise SomaNetError("--modality and --diameters are written into a checkpoint: leave --format at safetensors.")
    checkpoint = network_folder(model)
    sha256 = read_config(checkpoint)["weights"]["sha256"]
    run = training_of(sha256, root=project_root()) or read_config(checkpoint).get("mlflow_run")
    if to == "safetensors":
        intended_use = _intended_use(modality, diameters, load_checkpoint(checkpoint).intended_use)
        exporting.export_half(checkpoint, output, mlflow_run=run, intended_use=intended_use)
        typer.echo(f"Written: {output} ({_megabytes(output):.1f} MB)")
        typer.echo(f"Next: {typed('analyze', 'MOVIE', '--model', output, '--output', 'results')}")
        return
    if to == "onnx":
        difference = exporting.export_onnx(checkpoint, output, mlflow_run=run)
    elif to == "openvino":
        difference = exporting.export_openvino(checkpoint, output, mlflow_run=run)
    else:
        own = checkpoint.resolve() == BUNDLED
        name = "SomaNet network" if own else f"SomaNet network {checkpoint.resolve().name}"
        author, licence = (author or ["SomaNet contributors"], licence or "MIT") if own else (author, licence)
        card = exporting.make_card(checkpoint, name=name, authors=author or (), licence=licence)
        difference = exporting.export_bioimageio(checkpoint, output, card=card, mlflow_run=run)
    typer.echo(f"Written: {output} ({_megabytes(output):.1f} MB); its outputs differ from torch's by {difference:.1g}")


def import_network(
    program: Annotated[
        Literal["unet-pytorch"],
        typer.Argument(help="Whose network: unet-pytorch, a U-Net of the paper's widths."),
    ],
    source: Annotated[Path, typer.Argument(help="Its weights: a state_dict saved by torch (.pt, .pth).")],
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint.")],
) -> None:
    """Turn another program's weights into a checkpoint, whose outputs are the same."""
    from somanet.segmentation.importing import import_unet_pytorch

    digest = import_unet_pytorch(source, output)
    typer.echo(f"Written: {output} ({_megabytes(output):.1f} MB, of {program}, weights {digest[:12]}…)")
    typer.echo(f"Next: {typed('evaluate', '--truth', 'SET', '--model', output, '--output', 'scores.json')}")


def _intended_use(modality: str | None, diameters: str | None, before: IntendedUse) -> IntendedUse | None:
    """The intended use of a checkpoint: the recorded one, updated by the options; None if there is neither."""
    from pydantic import ValidationError

    from somanet.segmentation.network.intended_use import IntendedUse

    if modality is None and diameters is None:
        return None
    values: dict[str, Any] = before.model_dump()
    values |= {} if modality is None else {"modality": modality}
    values |= {} if diameters is None else {"diameter_px": tuple(diameters.split("-"))}
    try:
        return IntendedUse.model_validate(values)
    except ValidationError as error:
        raise SomaNetError(
            f"--diameters {diameters}: expected the smallest and the largest diameter in pixels, such as 8-48."
        ) from error


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
