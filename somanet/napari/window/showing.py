"""Napari with SomaNet's panel, until the person closes it."""

from __future__ import annotations

from pathlib import Path

import napari

from somanet.core.errors import SomaNetError
from somanet.napari.jobs import Choices
from somanet.napari.window.panel import SomaNetPanel


def show(path: Path, *, movie: Path | None, choices: Choices) -> None:
    """Open napari with a movie, or with results, and wait until it is closed.

    Args:
        path: the movie, or the folder of results.
        movie: where the movie of the results is, if it is not beside them.
        choices: the person's choices.

    Raises:
        SomaNetError: it cannot be opened; or corrections had to be kept in another file than theirs.
    """
    viewer = napari.Viewer(title=f"SomaNet: {path.name}")
    panel = SomaNetPanel(viewer)
    viewer.window.add_dock_widget(panel, name="SomaNet", area="right")
    try:
        panel.open(path, movie=movie, choices=choices)
    except BaseException:
        viewer.close()
        raise
    napari.run()
    if panel.rescued:
        raise SomaNetError(panel.rescued)
