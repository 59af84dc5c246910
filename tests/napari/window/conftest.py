"""Windows under a display, which `make test-napari` makes where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def person(world: Path, qtbot: Any) -> Iterator[Any]:
    """Someone who has opened the results."""
    import napari

    from somanet.napari.window.panel import SomaNetPanel
    from tests.napari.window.events import Person

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 800)
    panel = SomaNetPanel(viewer)
    viewer.window.add_dock_widget(panel, name="SomaNet")
    panel.open(world / "results")
    found = Person(panel)
    found.wait(0.5)
    yield found
    panel.close_movie()
    with suppress(RuntimeError):  # its window was closed by the test
        viewer.close()
