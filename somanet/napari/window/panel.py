"""SomaNet's panel in napari: open, analyse, step through suspicious places, correct, measure anew, train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QVBoxLayout, QWidget

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.corrections import NAME
from somanet.napari import jobs
from somanet.napari.opening import Opened, Results, find_and_open
from somanet.napari.session import Session
from somanet.napari.splitting import YX
from somanet.napari.window.boxes import (
    MASK_KEYS,
    TRACK_KEYS,
    UNDO_KEYS,
    AnalysisBox,
    ButtonBox,
    PlacesBox,
    key_buttons,
    two_columns,
)
from somanet.napari.window.editor import Editor
from somanet.napari.window.shown import Shown
from somanet.napari.window.tasks import Tasks
from somanet.napari.window.widgets import OnClose, button, wrapped_label
from somanet.napari.window.working import Work


class SomaNetPanel(QWidget):
    """The panel. One movie is open in it at a time.

    Attributes:
        viewer: napari's.
        shown: the movie that is open; None if there is none.
        tasks: what takes long.
        told: the last line that was said.
        rescued: where corrections were kept that their file did not take; empty if there were none.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        """Build the panel."""
        super().__init__()
        jobs.leave_out_triton()
        self.viewer = napari_viewer
        self.shown: Shown | None = None
        self.told = ""
        self.rescued = ""
        self._work = Work(changed=self._show, say=self.say)
        self.tasks = Tasks(self, self._work, say=self.say, is_shown=lambda editor: editor is self.editor)
        self._build()
        self._watch_closing()
        self._show()

    @property
    def editor(self) -> Editor | None:
        """What is corrected; None if no movie with results is open."""
        return None if self.shown is None else self.shown.editor

    # The panel.

    def _build(self) -> None:
        column = QVBoxLayout(self)
        self._about = wrapped_label("")
        self._status = wrapped_label("")
        self._status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._open_button = button("Open results or a movie …", self._ask_for_path, "")
        self._analysis = AnalysisBox(self.analyse)
        self._places = PlacesBox(self._run, self._go_to)
        self._measure_button = button("Measure anew", self.measure, "numbers and report of the corrected tracks")
        self._save_button = button(
            "Save elsewhere …", self._ask_where_to_save, "record the corrections into another file"
        )
        self._add_button = button(
            "Add to training set", self.add_to_training_set, "the crop around the selected soma, as it is corrected now"
        )
        self._retrain_button = button("Retrain …", self.retrain, "fine-tune the network on the training set")
        results = (self._measure_button, self._save_button, self._add_button, self._retrain_button)
        self._corrections = QWidget()
        inside = QVBoxLayout(self._corrections)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self._places)
        inside.addWidget(ButtonBox("Masks (P paints, E erases)", key_buttons(MASK_KEYS, self._run)))
        inside.addWidget(ButtonBox("Tracks", key_buttons(TRACK_KEYS, self._run)))
        inside.addWidget(ButtonBox("", key_buttons(UNDO_KEYS, self._run)))
        inside.addWidget(ButtonBox("Results", two_columns(results)))
        for part in (
            self._open_button, self._about, self._analysis, self._corrections, self._work, self._status
        ):  # fmt: skip
            column.addWidget(part)
        column.addStretch()

    def _show(self) -> None:
        """Bring the panel up to date."""
        editor = self.editor
        self._analysis.setVisible(self.shown is not None and editor is None)
        self._corrections.setVisible(editor is not None)
        for widget in (self._analysis, self._corrections, self._open_button):
            widget.setEnabled(not self._work.busy)
        if editor is None:
            return
        session = editor.session
        unsaved = f"; {len(session.unsaved)} NOT SAVED: {session.problem}" if session.unsaved else ""
        self._about.setText(
            f"{session.header.movie}: {counted(session.n_active, 'correction')} in {session.path.name}{unsaved}"
        )
        self._places.show_places(editor.suspicious)

    def say(self, words: str) -> None:
        """Show a line in the panel and in napari's status bar."""
        self.told = words
        self._status.setText(words)
        self.viewer.status = words

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except SomaNetError as error:
            self.say(str(error))

    # Opening and closing.

    def _ask_for_path(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "A folder of results (Cancel: choose a movie)")
        if not chosen:
            chosen, _ = QFileDialog.getOpenFileName(self, "A movie")
        if chosen:
            self._try(lambda: self.open(Path(chosen)))

    def open(self, path: Path, *, movie: Path | None = None, choices: jobs.Choices | None = None) -> None:
        """Open a movie, or a folder of results with its movie; what was open is closed.

        Args:
            path: the movie or the folder.
            movie: where the folder's movie is, if it is not beside it.
            choices: the person's choices on the command line.

        Raises:
            SomaNetError: it cannot be opened.
        """
        self.close_movie()
        self.tasks.choices = choices or self.tasks.choices
        opened = find_and_open(path, movie, self.tasks.choices.reading)
        session = None
        try:
            if (results := opened.results) is not None:
                self._check_movie(opened, results)
                place = self.tasks.choices.corrections or results.folder / NAME
                session = Session(results.frames(), results.tracks, results.base.header, place)
            self.shown = Shown(
                self.viewer, opened, session, say=self.say, changed=self._show, draw=self._draw
            )  # fmt: skip
        except BaseException:
            if session is not None:
                session.close()
            opened.close()
            raise
        self._analysis.show_scale(opened.scale)
        self.say(_greeting(session))
        self._about.setText(opened.source.name)
        self._show()
        if self.editor is not None:
            self.tasks.find_contacts(self.editor)

    def _check_movie(self, opened: Opened, results: Results) -> None:
        def other_movie(error: Exception) -> None:
            if self.shown is not None and self.shown.opened is opened:
                self.close_movie()
                self.say(str(error))

        self.tasks.check_movie(opened, results, other_movie)

    def close_movie(self) -> None:
        """Close what is open; unsaved corrections are written, or kept elsewhere and said where."""
        if self.shown is None:
            return
        shown, self.shown = self.shown, None
        if problem := shown.close():
            self.rescued = problem
            self.say(problem)
        self._about.setText("")
        self._show()

    def _watch_closing(self) -> None:
        self._closing = OnClose(self.close_movie)
        window = getattr(self.viewer.window, "_qt_window", None)
        if window is not None:
            window.installEventFilter(self._closing)
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close_movie)

    # What the buttons and the mouse begin.

    def _run(self, name: str) -> None:
        if self.shown is not None and self.shown.actions is not None:
            self.shown.actions.run(name)

    def _go_to(self, number: int) -> None:
        if (editor := self.editor) is not None:
            self._try(lambda: editor.look_at(editor.suspicious.go_to(number)))

    def _with_editor(self, do: Callable[[Opened, Editor], None]) -> None:
        """Do something to the movie with results that is open, if there is one; a refusal is said."""
        if self.shown is not None and self.shown.editor is not None:
            opened, editor = self.shown.opened, self.shown.editor
            self._try(lambda: do(opened, editor))

    def _draw(self, t: int, at_yx: YX) -> None:
        self._with_editor(lambda opened, editor: self.tasks.draw(opened, editor, t, at_yx))

    def analyse(self) -> None:
        """Analyse the movie in a thread, then open the results."""
        if self.shown is not None:
            opened = self.shown.opened
            self.tasks.analyse(opened, self._analysis.scale, lambda folder, movie: self.open(folder, movie=movie))

    def measure(self) -> None:
        """Measure the corrected tracks anew, in a thread, and say how far the numbers moved."""
        self._with_editor(self.tasks.measure)

    def add_to_training_set(self) -> None:
        """Add the crop around the selected soma, or around the middle of what is seen, to the training set."""
        self._with_editor(self.tasks.add_to_training_set)

    def retrain(self) -> None:
        """Fine-tune the network on the training set in a thread, and ask whether to use the new one."""
        self._with_editor(lambda _, editor: self.tasks.retrain(editor))

    def _ask_where_to_save(self) -> None:
        if self.editor is None:
            return
        chosen, _ = QFileDialog.getSaveFileName(self, "Record the corrections into", NAME, "*.jsonl")
        if chosen:
            self._try(lambda: self.save_to(Path(chosen)))

    def save_to(self, path: Path) -> None:
        """Record all corrections into another file from here on.

        Raises:
            SomaNetError: it is there already, or cannot be written.
        """
        assert self.editor is not None
        session = self.editor.session
        session.save_to(path)
        self.say(f"All corrections ({session.n_active}) are in {path}, and new ones go there")
        self._show()


def _greeting(session: Session | None) -> str:
    if session is None:
        return "No results yet: check the scale, then analyse."
    if session.problem:
        return f"Corrections cannot be saved yet: {session.problem}"
    misfits = session.corrected.misfits
    if misfits:
        unfit = counted(len(misfits), "correction does", "corrections do")
        return f"{unfit} not fit these results; the first: {misfits[0].reason}"
    return "Press . for the most suspicious place."
