"""Work in another thread, while the window stays alive."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QProgressBar

from somanet.core.errors import SomaNetError, first_line
from somanet.core.progress import told_to

POLL_MS = 50


class Job(QObject):
    """One piece of work. All callbacks are called in the window's own thread.

    The thread does not keep the program alive: what it writes is swapped in as a whole, or not at all.
    """

    def __init__(
        self,
        parent: QObject,
        work: Callable[[], Any],
        *,
        stepped: Callable[[str, int, int], None],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Start the work.

        Args:
            parent: with which it ends: a window that is closed is not called back.
            work: what is done.
            stepped: takes what is done, the steps done and all steps.
            done: takes what ``work`` returned.
            failed: takes what it raised.
        """
        super().__init__(parent)
        self._work, self._stepped, self._done, self._failed = work, stepped, done, failed
        self._steps: queue.SimpleQueue[tuple[str, int, int]] = queue.SimpleQueue()
        self._outcome: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._timer.start(POLL_MS)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            with told_to(lambda *step: self._steps.put(step)):
                self._outcome.put((self._work(), None))
        except Exception as error:  # whatever it is, it is said in the window
            self._outcome.put((None, error))

    def _poll(self) -> None:
        step = None
        while not self._steps.empty():
            step = self._steps.get()
        if step is not None:
            self._stepped(*step)
        if self._outcome.empty():
            return
        self._timer.stop()
        value, error = self._outcome.get()
        if error is None:
            self._done(value)
        else:
            self._failed(error)
        self.deleteLater()


class Work(QProgressBar):
    """Starts work, and is the bar of what the person has to wait for.

    Attributes:
        busy: there is such work.
    """

    def __init__(self, *, changed: Callable[[], None], say: Callable[[str], None]) -> None:
        """Make the bar; it shows while work is waited for.

        Args:
            changed: is called when :attr:`busy` has changed.
            say: takes an error as a line for the person.
        """
        super().__init__()
        self._changed, self._say = changed, say
        self.busy = False
        self.hide()

    def start(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        *,
        failed: Callable[[Exception], None] | None = None,
        blocks: bool = True,
    ) -> None:
        """Do work in a thread.

        Args:
            work: what is done.
            done: takes what ``work`` returned; an error of its own is said.
            failed: takes what ``work`` raised; by default it is said.
            blocks: the person waits for it.
        """

        def stepped(words: str, n: int, total: int) -> None:
            if blocks:
                self.setMaximum(total)
                self.setValue(n)
                self.setFormat(f"{words}: {n} of {total}")

        def over() -> None:
            if blocks:
                self.busy = False
                self.hide()
                self._changed()

        def succeeded(value: Any) -> None:
            over()
            try:
                done(value)
            except SomaNetError as error:
                self._say(str(error))

        def broke(error: Exception) -> None:
            over()
            if failed is not None:
                failed(error)
            else:
                self._say(str(error) if isinstance(error, SomaNetError) else first_line(error))

        if blocks:
            self.busy = True
            self.setMaximum(0)
            self.setFormat("")
            self.show()
            self._changed()
        Job(self, work, stepped=stepped, done=succeeded, failed=broke)
