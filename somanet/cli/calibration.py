"""`somanet calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.errors import SomaNetError


def calibrate(
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Labelled images the network did not learn.")],
    output: Annotated[Path, typer.Option(help="Folder for the calibrated checkpoint; the network's own is allowed.")],
    model: Annotated[
        str | None,
        typer.Option(help="Checkpoint folder, run id, alias (champion) or URI; SomaNet's own network unless told."),
    ] = None,
    split: Annotated[Path | None, typer.Option(help="CSV image_id,split of one data set: use only a part.")] = None,
    part: Annotated[str, typer.Option(help="Which part of --split.")] = "val",
) -> None:
    """Fit a network's temperature: how sure it says it is becomes how often it is right. Labels do not change.

    Weights stay as they are; `config.json` gets the section `calibration`.
    """
    from somanet.analysis.network import network_folder
    from somanet.data.layouts import open_dataset
    from somanet.data.splits import read_split
    from somanet.segmentation.calibrating import calibrate_checkpoint

    if split is not None and len(data) > 1:
        raise SomaNetError(f"--split names the images of one set, found {len(data)}. Leave it out, or name one set.")
    items = []
    for path in data:
        dataset = open_dataset(path)
        names = dataset.names
        if split is not None:
            parts = read_split(split, names=names)
            if part not in parts:
                raise SomaNetError(f"{split} has no part {part!r}; it has {', '.join(sorted(parts))}.")
            names = parts[part]
        items += [dataset.load(name) for name in names]
    found = calibrate_checkpoint(network_folder(model), items, output)
    typer.echo(f"temperature {found.temperature:.3g}, from {found.images} images")
    typer.echo(f"cross entropy per pixel  {found.nll_before:.4f} before, {found.nll_after:.4f} after")
    typer.echo(f"calibration error        {found.ece_before:.4f} before, {found.ece_after:.4f} after")
    typer.echo(f"Written: {output}")
