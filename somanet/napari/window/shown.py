"""The movie that is open in napari: its files, layers and corrections, which begin and end together."""

from __future__ import annotations

from collections.abc import Callable

from napari import Viewer

from somanet.core.errors import SomaNetError
from somanet.napari.opening import Opened
from somanet.napari.session import Session
from somanet.napari.splitting import YX
from somanet.napari.window.actions import Actions
from somanet.napari.window.editor import Editor
from somanet.napari.window.layers import MovieLayers, ResultLayers
from somanet.napari.window.mouse import Mouse


class Shown:
    """An open movie in the viewer.

    Attributes:
        opened: its files.
        layers: its layers.
        editor: what is corrected in it; None if it has no results yet.
        actions: what the keys do; None likewise.
    """

    def __init__(
        self,
        viewer: Viewer,
        opened: Opened,
        session: Session | None,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None],
        draw: Callable[[int, YX], None],
    ) -> None:
        """Add the layers.

        Args:
            viewer: napari's.
            opened: the movie.
            session: the corrections of its results.
            say, changed: see :class:`somanet.napari.window.editor.Editor`.
            draw: see :class:`somanet.napari.window.mouse.Mouse`.
        """
        self.opened = opened
        self.editor: Editor | None = None
        self.actions: Actions | None = None
        size_um = opened.scale.pixel_size_um
        if session is None or opened.results is None:
            self.layers = MovieLayers(viewer, opened.frames, size_um)
            return
        layers = ResultLayers(viewer, opened.frames, size_um, session)
        self.layers = layers
        self.editor = Editor(layers, session, opened.results, say=say, changed=changed)
        self.actions = Actions(self.editor, Mouse(self.editor, draw))

    def close(self) -> str:
        """Close the files and remove the layers.

        Returns:
            where corrections were kept that their file did not take, or that they could not be; empty if all are in it.
        """
        if self.editor is not None and self.actions is not None:
            self.editor.close()
            self.actions.close()
        self.layers.close()
        try:
            return "" if self.editor is None else _close(self.editor.session)
        finally:
            self.opened.close()


def _close(session: Session) -> str:
    try:
        rescued = session.close()
    except SomaNetError as error:
        return str(error)
    return "" if rescued is None else f"{session.problem} All corrections were kept in {rescued}."
