"""`somanet napari`: see and correct somas and tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.cli.options import Axes, Channel, FrameInterval, OneModel, PixelSize, Plane, Position


def napari(
    path: Annotated[Path, typer.Argument(metavar="RESULTS_OR_MOVIE", help="Folder of results, or a movie without.")],
    movie: Annotated[
        Path | None, typer.Option(help="Where the movie of the results is, if it is not beside them.")
    ] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="File to record corrections into; default: corrections.jsonl in the results.")
    ] = None,
    pixel_size_um: PixelSize = None,
    frame_interval_min: FrameInterval = None,
    channel: Channel = None,
    z: Plane = None,
    axes: Axes = None,
    position: Position = None,
    model: OneModel = None,
) -> None:
    """Correct masks and tracks in napari; measure anew; add what was corrected to a training set."""
    from somanet.core.extras import require
    from somanet.core.guard import release
    from somanet.napari.display import check_display
    from somanet.napari.jobs import Choices
    from somanet.napari.opening import check_openable

    reading = {
        "channel": channel,
        "pixel_size_um": pixel_size_um,
        "frame_interval_min": frame_interval_min,
        "z": z,
        "axes": axes,
        "position": position,
    }
    choices = Choices(reading, corrections=corrections, model=model)
    check_openable(path, movie, reading)
    require("napari", purpose="`somanet napari`")
    check_display()
    from somanet.napari.window.showing import show

    release(path)  # results are measured anew in their folder
    show(path, movie=movie, choices=choices)
