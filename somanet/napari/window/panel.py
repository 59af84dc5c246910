"""SomaNet's panel in napari: open, analyse, step through suspicious places, correct, measure anew, train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QListWidget,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.corrections import NAME
from somanet.napari import jobs
from somanet.napari.keys import KEYS
from somanet.napari.opening import (
    MOST_HASHED_AT_ONCE,
    Opened,
    check_same_movie,
    find_and_open,
    n_bytes,
)
from somanet.napari.session import Session
from somanet.napari.training_set import add_crop, crop_of
from somanet.napari.window.editor import Editor
from somanet.napari.window.widgets import OnClose, button, number_box, wrapped_label
from somanet.napari.window.working import Work

MASK_KEYS = ("new_soma", "paint_new", "merge", "split", "delete")
TRACK_KEYS = ("join", "cut", "swap", "delete_track", "not_a_soma")
PLACE_KEYS = ("next_place", "previous_place", "dismiss_place")
SHOWN_PLACES = 200


class SomaNetPanel(QWidget):
    """The panel. One movie is open in it at a time.

    Attributes:
        viewer: napari's.
        editor: the layers and edits; None while no movie is open.
        told: the last line that was said.
        rescued: where corrections were kept that their file did not take; empty if there were none.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        """Build the panel."""
        super().__init__()
        jobs.leave_out_triton()
        self.viewer = napari_viewer
        self.editor: Editor | None = None
        self.told = ""
        self.rescued = ""
        self._key_buttons: dict[str, QPushButton] = {}
        self._choices = jobs.Choices()
        self._movie: Path | None = None
        self._drawer: jobs.SomaDrawer | None = None
        self._build()
        self._watch_closing()
        self._show()

    # The panel.

    def _build(self) -> None:
        column = QVBoxLayout(self)
        self._about = wrapped_label("")
        self._status = wrapped_label("")
        self._status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._work = Work(changed=self._show, say=self.say)
        self._open_button = button("Open results or a movie …", self._ask_for_path, "")
        column.addWidget(self._open_button)
        column.addWidget(self._about)
        self._analysis = self._analysis_box()
        column.addWidget(self._analysis)
        self._corrections = QWidget()
        inside = QVBoxLayout(self._corrections)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self._places_box())
        inside.addWidget(self._keys_box("Masks (P paints, E erases)", MASK_KEYS))
        inside.addWidget(self._keys_box("Tracks", TRACK_KEYS))
        inside.addWidget(self._keys_box("", ("undo", "redo")))
        inside.addWidget(self._results_box())
        column.addWidget(self._corrections)
        column.addWidget(self._work)
        column.addWidget(self._status)
        column.addStretch()

    def _analysis_box(self) -> QGroupBox:
        box = QGroupBox("Analyse")
        form = QFormLayout(box)
        self._pixel = number_box("µm", 0.0, 20.0, 4)
        self._interval = number_box("min", 0.0, 240.0, 3)
        form.addRow("pixel size", self._pixel)
        form.addRow("frame interval", self._interval)
        self._analyse_button = button("Analyse this movie", self.analyse, "find and track the somas, measure migration")
        form.addRow(self._analyse_button)
        return box

    def _places_box(self) -> QGroupBox:
        box = QGroupBox("Suspicious places")
        column = QVBoxLayout(box)
        self._list = QListWidget()
        self._list.setMaximumHeight(140)
        self._list.itemActivated.connect(lambda item: self._go_to(self._list.row(item)))
        self._list.itemClicked.connect(lambda item: self._go_to(self._list.row(item)))
        column.addWidget(self._list)
        column.addLayout(self._buttons(PLACE_KEYS))
        return box

    def _keys_box(self, title: str, names: tuple[str, ...]) -> QGroupBox:
        box = QGroupBox(title)
        box.setLayout(self._buttons(names))
        return box

    def _buttons(self, names: tuple[str, ...]) -> QGridLayout:
        grid = QGridLayout()
        for i, name in enumerate(names):
            key, words = KEYS[name]
            label = f"{_short(name)}  [{key.replace('Control', 'Ctrl')}]"
            self._key_buttons[name] = button(label, lambda _=None, n=name: self._run(n), words)
            grid.addWidget(self._key_buttons[name], i // 2, i % 2)
        return grid

    def _results_box(self) -> QGroupBox:
        box = QGroupBox("Results")
        grid = QGridLayout(box)
        self._save_button = button(
            "Save elsewhere …", self._ask_where_to_save, "record the corrections into another file"
        )
        self._measure_button = button("Measure anew", self.measure, "numbers and report of the corrected tracks")
        self._add_button = button(
            "Add to training set", self.add_to_training_set, "the crop around the selected soma, as it is corrected now"
        )
        self._retrain_button = button("Retrain …", self._ask_retrain, "fine-tune the network on the training set")
        for i, one in enumerate((self._measure_button, self._save_button, self._add_button, self._retrain_button)):
            grid.addWidget(one, i // 2, i % 2)
        return box

    def _show(self) -> None:
        """Bring the panel up to date."""
        editor = self.editor
        session = None if editor is None else editor.session
        self._analysis.setVisible(editor is not None and session is None)
        self._corrections.setVisible(session is not None)
        for widget in (self._analysis, self._corrections, self._open_button):
            widget.setEnabled(not self._work.busy)
        if editor is None or session is None:
            return
        unsaved = f"; {len(session.unsaved)} NOT SAVED: {session.problem}" if session.unsaved else ""
        self._about.setText(
            f"{session.header.movie}: {counted(session.n_active, 'correction')} in {session.path.name}{unsaved}"
        )
        self._list.blockSignals(True)
        self._list.clear()
        shown, current = editor.suspicious.places[:SHOWN_PLACES], editor.suspicious.current
        for place in shown:
            self._list.addItem(f"{place.score:.2f}  frame {place.frame}: {'; '.join(place.reasons)}")
        if current is not None and current in shown:
            self._list.setCurrentRow(shown.index(current))
        self._list.blockSignals(False)

    def say(self, words: str) -> None:
        """Show a line in the panel and in napari's status bar."""
        self.told = words
        self._status.setText(words)
        self.viewer.status = words

    def _run(self, name: str) -> None:
        if self.editor is not None:
            self.editor.run(name)

    def _go_to(self, number: int) -> None:
        if self.editor is not None:
            self.editor.go_to(number)

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
        self._choices = choices or self._choices
        opened = find_and_open(path, movie, self._choices.reading)
        session = None
        try:
            if opened.results is not None:
                self._check_movie(opened)
                place = self._choices.corrections or opened.results.folder / NAME
                session = Session(opened.results.frames(), opened.results.tracks, opened.results.base.header, place)
            self.editor = Editor(
                self.viewer, opened, session, say=self.say, changed=self._show, draw=self._draw
            )  # fmt: skip
        except BaseException:
            if session is not None:
                session.close()
            opened.close()
            raise
        self._movie = movie
        self._pixel.setValue(opened.scale.pixel_size_um or 0.0)
        self._interval.setValue(opened.scale.frame_interval_min or 0.0)
        self.say(self._greeting(session))
        self._about.setText(opened.source.name)
        self._show()
        if session is not None:
            self._find_contacts()

    def _greeting(self, session: Session | None) -> str:
        if session is None:
            return "No results yet: check the scale, then analyse."
        if session.problem:
            return f"Corrections cannot be saved yet: {session.problem}"
        misfits = session.corrected.misfits
        if misfits:
            return f"{len(misfits)} corrections do not fit these results; the first: {misfits[0].reason}"
        return "Press . for the most suspicious place."

    def _check_movie(self, opened: Opened) -> None:
        assert opened.results is not None
        if n_bytes(opened.source) <= MOST_HASHED_AT_ONCE:
            check_same_movie(opened.source, opened.results)
            return

        def other_movie(error: Exception) -> None:
            if self.editor is not None and self.editor.opened is opened:
                self.close_movie()
                self.say(str(error))

        results = opened.results
        self._work.start(
            lambda: check_same_movie(opened.source, results), lambda _: None, failed=other_movie, blocks=False
        )

    def close_movie(self) -> None:
        """Close what is open; unsaved corrections are written, or kept elsewhere and said where."""
        if self.editor is None:
            return
        editor, self.editor = self.editor, None
        editor.close()
        try:
            if editor.session is not None and (rescued := editor.session.close()) is not None:
                self.rescued = f"{editor.session.problem} All corrections were kept in {rescued}."
                self.say(self.rescued)
        except SomaNetError as error:
            self.rescued = str(error)
        finally:
            editor.opened.close()
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

    # Work in other threads.

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except SomaNetError as error:
            self.say(str(error))

    def _draw(self, t: int, at_yx: tuple[float, float]) -> None:
        editor = self.editor
        if editor is None or editor.session is None:
            return
        if self._drawer is None:
            assert editor.opened.results is not None
            self._drawer = jobs.SomaDrawer(editor.opened.results.base.analysis["provenance"], self._choices.model)
        drawer, image, labels_YX = self._drawer, editor.opened.frames.frame(t).copy(), editor.session.frame(t)

        def done(drawn: Any) -> None:
            if self.editor is editor:
                editor.add_soma(t, drawn.mask_YX, drawn.how)

        self._work.start(lambda: drawer.draw(image, labels_YX, at_yx, editor.diameter_px), done)

    def _find_contacts(self) -> None:
        editor = self.editor
        if editor is None or editor.session is None:
            return

        def done(contacts: Any) -> None:
            if self.editor is editor:
                editor.contacts = contacts
                editor.find_places()

        assert editor.opened.results is not None
        results = editor.opened.results
        self._work.start(lambda: jobs.find_contacts(results, editor.diameter_px), done, blocks=False)

    def analyse(self) -> None:
        """Analyse the movie in a thread, then open the results."""
        editor = self.editor
        if editor is None:
            return
        scale = (self._pixel.value() or None, self._interval.value() or None)
        source = jobs.with_scale(editor.opened.source, *scale)
        folder = self._choices.output or jobs.results_beside(source)
        movie = source.path
        self._work.start(
            lambda: jobs.analyse(source, folder, self._choices.model),
            lambda _: self.open(folder, movie=movie),
        )

    def measure(self) -> None:
        """Measure the corrected tracks anew, in a thread, and say how far the numbers moved."""
        editor = self.editor
        if editor is None or editor.session is None or editor.opened.results is None:
            return
        session, results, source = editor.session, editor.opened.results, editor.opened.source
        session.save()
        session.pause()

        def done(moved: Any) -> None:
            session.resume()
            self.say(moved)

        def failed(error: Exception) -> None:
            session.resume()
            self.say(str(error))

        self._work.start(lambda: jobs.measure(results, source, session.path), done, failed=failed)

    def add_to_training_set(self) -> None:
        """Add the crop around the selected soma, or around the middle of what is seen, to the training set."""
        editor = self.editor
        if editor is None or editor.session is None or editor.opened.results is None:
            return
        t = editor.frame
        centre = editor.viewer.camera.center
        scale = editor.image.scale
        at_yx = (float(centre[-2] / scale[-2]), float(centre[-1] / scale[-1]))
        points = editor.session.points
        rows = points[(points["frame"] == t) & points["track_id"].isin(editor.selected)]
        if len(rows):
            at_yx = (float(rows["y_px"].iloc[0]), float(rows["x_px"].iloc[0]))
        folder = self._choices.training_set or jobs.training_set_beside(editor.opened.results.folder)
        image, labels_YX = editor.opened.frames.frame(t), editor.session.frame(t)

        def add() -> None:
            crop = crop_of(image, labels_YX, at_yx, movie=editor.opened.source.name, t=t)
            n = add_crop(folder, crop)
            self.say(f"Added {crop.item.name} to {folder}, which has {counted(n, 'crop')} now")

        self._try(add)

    def _ask_retrain(self) -> None:
        editor = self.editor
        if editor is None or editor.opened.results is None:
            return
        folder = self._choices.training_set or jobs.training_set_beside(editor.opened.results.folder)
        output = jobs.network_beside(folder)
        self._work.start(
            lambda: jobs.retrain(folder, output, self._choices.model),
            lambda done: self._ask_use(done.checkpoint, jobs.verdict(done)),
        )

    def _ask_use(self, network: Path, sentence: str) -> None:
        answer = QMessageBox.question(
            self, "Use the new network?", f"{sentence}\n\nUse {network} for new somas and analyses from here on?"
        )
        if answer == QMessageBox.StandardButton.Yes:
            self._choices = self._choices.using(network)
            self._drawer = None
            self.say(f"{network} is used from here on. {sentence}")
        else:
            self.say(f"{network} is kept, and not used. {sentence}")

    def _ask_where_to_save(self) -> None:
        session = None if self.editor is None else self.editor.session
        if session is None:
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
        assert self.editor.session is not None
        self.editor.session.save_to(path)
        self.say(f"All {self.editor.session.n_active} corrections are in {path}, and new ones go there")
        self._show()


def _short(name: str) -> str:
    return {"next_place": "Next", "previous_place": "Previous", "dismiss_place": "Is right", "new_soma": "New by click",
            "paint_new": "Paint new", "split": "Split by line", "delete": "Delete here", "cut": "Cut here",
            "swap": "Swap from here"}.get(name, name.replace("_", " ").capitalize())  # fmt: skip
