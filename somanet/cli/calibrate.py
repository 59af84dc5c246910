"""`somanet calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from somanet.cli.options import Binary, Device, OneModel, OnlyClass, Part, Split
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.segmentation.inference.choosing import Setting


def calibrate(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="Labelled images that the network was not trained on.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the calibrated checkpoint; may be the network's own.")],
    model: OneModel = None,
    device: Device = "auto",
    split: Split = None,
    part: Part = "val",
    threshold: Annotated[
        bool,
        typer.Option("--threshold", help="Also choose the threshold with the most accurate labels: masks change size."),
    ] = False,
    peak_height: Annotated[
        bool,
        typer.Option(
            "--peak-height", help="Also choose the peak height that separates touching somas most accurately."
        ),
    ] = False,
    refine: Annotated[
        bool,
        typer.Option("--refine", help="Also choose whether and how outlines are refined by the image (Chan–Vese)."),
    ] = False,
    confidence: Annotated[
        bool,
        typer.Option("--confidence", help="Also fit how often objects are right, for the confidence in each."),
    ] = False,
    binary: Binary = None,
    only_class: OnlyClass = None,
) -> None:
    """Temperature scaling: of pixels with probability 0.8, 8 in 10 are soma.

    Labels change only with --threshold, --peak-height or --refine. One number, the temperature, is fitted and stored
    in `config.json` as `calibration`; the weights are unchanged. With --confidence, of objects with
    confidence 0.8, 8 in 10 are right.
    """
    from somanet.analysis.network import network_folder
    from somanet.io.datasets.layouts import notes_on_labels, open_dataset
    from somanet.io.datasets.splits import read_part
    from somanet.segmentation.inference.choosing import in_words
    from somanet.segmentation.inference.fitting import fit_checkpoint

    if split is not None and len(data) > 1:
        raise SomaNetError(f"--split applies to one data set, found {len(data)}. Leave it out, or name one set.")
    sets = []
    for path in data:
        dataset = open_dataset(path, binary=binary, only_class=only_class)
        names = dataset.names if split is None else read_part(split, part, names=dataset.names)
        sets.append([dataset.load(name) for name in names])
    for note in notes_on_labels([item for items in sets for item in items]):
        typer.echo(f"note: {note}", err=True)
    wanted: dict[Setting, bool] = {"threshold": threshold, "peak_height": peak_height, "refine": refine}
    settings = [setting for setting, chosen in wanted.items() if chosen]
    network = network_folder(model, updates=True)
    done = fit_checkpoint(network, sets, output, settings=settings, confidence=confidence, device=device)
    found = done.temperature
    typer.echo(f"temperature {found.temperature:.3g}, from {counted(found.images, 'image')}")
    typer.echo(f"cross entropy per pixel  {found.nll_before:.4f} before, {found.nll_after:.4f} after")
    typer.echo(f"calibration error        {found.ece_before:.4f} before, {found.ece_after:.4f} after")
    for setting, (before, now) in done.chosen.items():
        typer.echo(f"{setting:<24} {in_words(before.value)} before, {in_words(now.value)} now")
        typer.echo(f"accuracy, IoU 0.5 to 0.9 {before.accuracy:.3f} before, {now.accuracy:.3f} now")
        typer.echo(f"predicted / true area        {before.size_bias:.2f} before, {now.size_bias:.2f} now")
        typer.echo(f"split somas per image    {before.splits:.2f} before, {now.splits:.2f} now")
        typer.echo(f"merged somas per image   {before.merges:.2f} before, {now.merges:.2f} now")
    if done.confidence is not None:
        fitted = done.confidence
        typer.echo(f"confidence               {fitted.intercept:g} + {fitted.slope:g} x mean logit")
        typer.echo(f"right objects            {fitted.right:.0%} of {fitted.objects}")
    typer.echo(f"Written: {output}")
