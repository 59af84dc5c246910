"""Networks as commands open them: with notes to the user, for the files that were named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from somanet.segmentation.inference.input_files import Input
    from somanet.segmentation.inference.segmenter import Segmenter


def open_for_files(
    models: Sequence[str] | None, inputs: Sequence[Input], *, images_at_once: bool = False, **options: Any
) -> Segmenter:
    """The networks, opened for these inputs: frames of a movie are processed in parallel.

    Args:
        models: names of networks; none = the bundled model.
        inputs: what is segmented.
        images_at_once: several images are processed in parallel, too; otherwise one by one.
        options: further ones of :func:`somanet.analysis.opening.open_for_movies`.

    Raises:
        SomaNetError: as there.
    """
    from somanet.analysis.opening import open_for_images, open_for_movies

    parallel = any(one.read is None for one in inputs) or (images_at_once and len(inputs) > 1)
    opened = (open_for_movies if parallel else open_for_images)(models, **options)
    for note in opened.notes:
        typer.echo(f"note: {note}", err=True)
    return opened.segmenter
