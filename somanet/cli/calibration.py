"""`somanet calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.cli.options import OneModel
from somanet.errors import SomaNetError


def calibrate(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="Labelled images that the network did not learn from.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the calibrated checkpoint; the network's own is allowed.")],
    model: OneModel = None,
    split: Annotated[Path | None, typer.Option(help="CSV image_id,split of one data set: use only a part.")] = None,
    part: Annotated[str, typer.Option(help="Which part of --split.")] = "val",
    threshold: Annotated[
        bool, typer.Option("--threshold", help="Also choose the threshold whose labels agree best: masks change size.")
    ] = False,
) -> None:
    """Make a network's probabilities true: of pixels given 0.8, 8 in 10 are soma. Labels stay without --threshold.

    One number, the temperature, is fitted. `config.json` gets it as section `calibration`; weights stay as they are.
    """
    from somanet.analysis.network import network_folder
    from somanet.data.layouts import open_dataset
    from somanet.data.splits import read_part
    from somanet.labelling.calibrating import calibrate_checkpoint

    if split is not None and len(data) > 1:
        raise SomaNetError(f"--split names the images of one set, found {len(data)}. Leave it out, or name one set.")
    items = []
    for path in data:
        dataset = open_dataset(path)
        names = dataset.names if split is None else read_part(split, part, names=dataset.names)
        items += [dataset.load(name) for name in names]
    done = calibrate_checkpoint(network_folder(model), items, output, choose_threshold=threshold)
    found = done.temperature
    typer.echo(f"temperature {found.temperature:.3g}, from {found.images} images")
    typer.echo(f"cross entropy per pixel  {found.nll_before:.4f} before, {found.nll_after:.4f} after")
    typer.echo(f"calibration error        {found.ece_before:.4f} before, {found.ece_after:.4f} after")
    if (before := done.before) and (now := done.now):
        typer.echo(f"threshold                {before.threshold:g} before, {now.threshold:g} now")
        typer.echo(f"accuracy, IoU 0.5 to 0.9 {before.accuracy:.3f} before, {now.accuracy:.3f} now")
        typer.echo(f"found / true area        {before.size_bias:.2f} before, {now.size_bias:.2f} now")
    typer.echo(f"Written: {output}")
