"""What takes long, or writes more than an edit: analyse, draw a soma, measure anew, add crops, retrain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QMessageBox, QWidget

from somanet.core.counting import counted
from somanet.napari import jobs
from somanet.napari.opening import MOST_HASHED_AT_ONCE, Opened, Results, check_same_movie, n_bytes
from somanet.napari.splitting import YX
from somanet.napari.training_set import add_crop, crop_of
from somanet.napari.window.editor import Editor
from somanet.napari.window.working import Work


class Tasks:
    """The tasks of a panel. Those that take long are done in a thread, and the window stays alive.

    Attributes:
        choices: of the person, on the command line and since.
    """

    def __init__(
        self, parent: QWidget, work: Work, *, say: Callable[[str], None], is_shown: Callable[[Editor], bool]
    ) -> None:
        """Take what the tasks need of the panel.

        Args:
            parent: under which questions are asked.
            work: does work in threads.
            say: takes a line for the person.
            is_shown: whether an editor's movie is still open.
        """
        self._parent, self._work, self._say, self._is_shown = parent, work, say, is_shown
        self.choices = jobs.Choices()
        self._drawer: jobs.SomaDrawer | None = None

    def check_movie(self, opened: Opened, results: Results, other_movie: Callable[[Exception], None]) -> None:
        """Compare a movie's hash with that of its results; a large movie's while it is shown.

        Args:
            opened: the movie.
            results: those that are shown with it.
            other_movie: takes the refusal of a large one.

        Raises:
            SomaNetError: it is another movie.
        """
        if n_bytes(opened.source) <= MOST_HASHED_AT_ONCE:
            check_same_movie(opened.source, results)
        else:
            self._work.start(
                lambda: check_same_movie(opened.source, results), lambda _: None, failed=other_movie, blocks=False
            )

    def find_contacts(self, editor: Editor) -> None:
        """Find the somas that touch."""

        def done(contacts: Any) -> None:
            if self._is_shown(editor):
                editor.take_contacts(contacts)

        results, diameter_px = editor.results, editor.diameter_px
        self._work.start(lambda: jobs.find_contacts(results, diameter_px), done, blocks=False)

    def draw(self, opened: Opened, editor: Editor, t: int, at_yx: YX) -> None:
        """Let the network draw a soma at a click."""
        if self._drawer is None:
            self._drawer = jobs.SomaDrawer(editor.results.base.analysis["provenance"], self.choices.model)
        drawer, image, labels_YX = self._drawer, opened.frames.frame(t).copy(), editor.session.frame(t)

        def done(drawn: Any) -> None:
            if self._is_shown(editor):
                edit = editor.session.new(t, drawn.mask_YX)
                words = f"New soma: track {edit.ids[0]} in frame {t}, drawn by {drawn.how}"
                editor.edited(edit, words, selected=edit.ids[:1])

        self._work.start(lambda: drawer.draw(image, labels_YX, at_yx, editor.diameter_px), done)

    def analyse(
        self, opened: Opened, scale: tuple[float | None, float | None], done: Callable[[Path, Path], None]
    ) -> None:
        """Analyse a movie.

        Args:
            opened: the movie.
            scale: µm of a pixel and minutes between frames, as far as the person knows them.
            done: takes the folder of results and the movie.
        """
        source = jobs.with_scale(opened.source, *scale)
        folder = self.choices.output or jobs.results_beside(source)
        model = self.choices.model
        self._work.start(lambda: jobs.analyse(source, folder, model), lambda _: done(folder, source.path))

    def measure(self, opened: Opened, editor: Editor) -> None:
        """Measure the corrected tracks anew, and say how far the numbers moved.

        Raises:
            SomaNetError: the corrections cannot be saved.
        """
        session, results, source = editor.session, editor.results, opened.source
        session.save()
        session.pause()

        def done(moved: Any) -> None:
            session.resume()
            self._say(moved)

        def failed(error: Exception) -> None:
            session.resume()
            self._say(str(error))

        self._work.start(lambda: jobs.measure(results, source, session.path), done, failed=failed)

    def add_to_training_set(self, opened: Opened, editor: Editor) -> None:
        """Add the crop around the selected soma, or around the middle of what is seen, to the training set.

        Raises:
            SomaNetError: as for :func:`somanet.napari.training_set.crop_of` and ``add_crop``.
        """
        t = editor.frame
        at_yx = editor.layers.centre_yx
        points = editor.session.points
        rows = points[(points["frame"] == t) & points["track_id"].isin(editor.selected)]
        if len(rows):
            at_yx = (float(rows["y_px"].iloc[0]), float(rows["x_px"].iloc[0]))
        folder = self._training_set(editor)
        crop = crop_of(opened.frames.frame(t), editor.session.frame(t), at_yx, movie=opened.source.name, t=t)
        n = add_crop(folder, crop)
        self._say(f"Added {crop.item.name} to {folder}, which has {counted(n, 'crop')} now")

    def retrain(self, editor: Editor) -> None:
        """Fine-tune the network on the training set, and ask whether the new one is to be used."""
        folder = self._training_set(editor)
        output, model = jobs.network_beside(folder), self.choices.model
        self._work.start(
            lambda: jobs.retrain(folder, output, model),
            lambda done: self._ask_use(done.checkpoint, jobs.verdict(done), better=jobs.is_better(done)),
        )

    def _training_set(self, editor: Editor) -> Path:
        return self.choices.training_set or jobs.training_set_beside(editor.results.folder)

    def _ask_use(self, network: Path, sentence: str, *, better: bool) -> None:
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        words = f"{sentence}\n\nUse {network} for new somas and analyses from here on?"
        answer = QMessageBox.question(self._parent, "Use the new network?", words, yes | no, yes if better else no)
        if answer == yes:
            self.choices = self.choices.using(network)
            self._drawer = None
            self._say(f"{network} is used from here on. {sentence}")
        else:
            self._say(f"{network} is kept, and not used. {sentence}")
