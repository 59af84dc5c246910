"""Networks as commands open them: with notes to the user, for the files that were named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from somanet.segmentation.inference.input_files import Input
    from somanet.segmentation.inference.segmenter import Segmenter


def open_for_files(models: Sequence[str] | None, inputs: Sequence[Input], **options: Any) -> Segmenter:
    """The networks, opened for these inputs: frames of a movie are processed in parallel, images one by one.

    Args:
        models: names of networks; none = the bundled model.
        inputs: what is segmented.
        options: further ones of :func:`somanet.analysis.network.open_networks`.

    Raises:
        SomaNetError: as there.
    """
    from somanet.analysis.network import open_networks
    from somanet.core.machine import available_processors
    from somanet.segmentation.inference.video import usual_workers

    movies = any(one.read is None for one in inputs)
    opened = open_networks(
        models,
        **options,
        threads=1 if movies else available_processors(),
        at_once=usual_workers() if movies else 1,
    )
    for note in opened.notes:
        typer.echo(f"note: {note}", err=True)
    return opened.segmenter
