"""Results that another program corrected, taken back as edits of the results that it was given."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from somanet.analysis import names
from somanet.analysis.base import Base, open_base
from somanet.analysis.correction_notes import NOUNS
from somanet.analysis.next_steps import correcting
from somanet.analysis.stages.files import read_tracks_of, scale_of
from somanet.analysis.stages.given_tracks import check_inside
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.corrections import Corrected, Edit, Recorder, apply, read
from somanet.corrections.comparing import edits_from_labels, edits_from_tracks
from somanet.corrections.edits import PROGRAM
from somanet.io.label_movies import open_label_movie
from somanet.io.movies import open_movie

_LABEL_SUFFIXES = (".tif", ".tiff", ".zarr")


class NothingCorrected(SomaNetError):
    """What came back is what was exported."""


@dataclass(frozen=True)
class Returned:
    """What came back.

    Attributes:
        path: a file of corrections, earlier ones included.
        edits: those that were added.
    """

    path: Path
    edits: tuple[Edit, ...]

    @property
    def in_words(self) -> str:
        """How many edits of which kind."""
        kinds: Counter[str] = Counter(edit.kind for edit in self.edits)
        listed = ", ".join(f"{NOUNS[kind]}: {kinds[kind]}" for kind in NOUNS if kinds[kind])
        return f"{counted(len(self.edits), 'edit')} ({listed})" if self.edits else "no difference"


@contextmanager
def taking_back(result: Path, file: Path, earlier: Path | None, *, movie: Path | None = None) -> Iterator[Returned]:
    """Yield corrections of results by which they become what another program made of them.

    Args:
        result: the folder of results that were exported.
        file: what came back: tracks in any format, a Cell Tracking Challenge folder, or a label movie.
        earlier: corrections that it was exported with; if None, those that the results show.
        movie: where the movie is, for messages.

    Raises:
        SomaNetError: it is not from these results, or cannot be read; or there are corrections beside the results that
            they do not show.
    """
    base = open_base(result)
    earlier = _shown_in(result, file, movie) if earlier is None else earlier
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        path = Path(scratch) / names.CORRECTIONS
        header = base.header
        edits: tuple[Edit, ...] = ()
        if earlier is not None:
            recorded = read(earlier, movie_sha256=base.about["sha256"], position=base.position)
            header, edits = recorded.header, recorded.edits
            shutil.copyfile(earlier, path)
        labels = None if base.labels is None else stack.enter_context(open_movie(base.labels, labels=True))
        same = (header.labels_sha256, header.tracks_sha256) == (base.header.labels_sha256, base.header.tracks_sha256)
        corrected = apply(labels, read_tracks_of(base.tracks.parent), edits, same=same)
        new = _differences(base, corrected, file, stack)
        with Recorder(path, header) as recorder:
            if not new and earlier is None:
                raise NothingCorrected(f"{file} is what {result} has: nothing was corrected in it. Was it saved?")
            stamped = recorder.append_all(new)
        yield Returned(path, stamped)


def _shown_in(result: Path, file: Path, movie: Path | None) -> Path | None:
    """The corrections that results show; the others only say what is typed next.

    Raises:
        SomaNetError: there are corrections beside them that they do not show.
    """
    shown, beside = result / names.AUTOMATIC / names.CORRECTIONS, result / names.CORRECTIONS
    applied = shown.read_bytes() if shown.is_file() else b""
    if beside.is_file() and beside.read_bytes() != applied:
        raise SomaNetError(
            f"{beside} has corrections that these results do not show, so that it cannot be told what was exported. "
            f"Apply them first (`{correcting(result, movie=movie)}`) and export from there; or, if the export shows "
            f"them, name them: `{correcting(result, beside, '--from', file, movie=movie)}`."
        )
    return shown if shown.is_file() else None


def _differences(base: Base, corrected: Corrected, file: Path, stack: ExitStack) -> list[Edit]:
    from somanet.tracking.ctc import CtcMasks, cells_of_ctc
    from somanet.tracking.formats import Given, open_tracks, recognise
    from somanet.tracking.recognition import ctc_folder

    name = str(file)
    if file.suffix.lower() in _LABEL_SUFFIXES:
        opened = stack.enter_context(open_label_movie(file))
        return edits_from_labels(_with_labels(corrected, base), _Integers(opened, name), source=name, program=_by(file))
    kind = recognise(file).kind
    if kind == "ctc":
        folder = ctc_folder(file)
        masks, cells = CtcMasks(folder), cells_of_ctc(folder)
        own = _with_labels(corrected, base)
        return edits_from_labels(own, masks, source=name, program=_by(file), cells=cells)
    shape = (int(base.about["shape_YX"][0]), int(base.about["shape_YX"][1]))
    given = Given(Given.of(scale_of(base.about)).scale, n_frames=base.about["n_frames"], shape_YX=shape)
    found = open_tracks(file, given)
    check_inside(found.tracks, base.about, file)
    return edits_from_tracks(corrected, found.tracks, source=name, program=f"{_by(file)}, {kind}")


def _with_labels(corrected: Corrected, base: Base) -> Corrected:
    if not len(corrected):
        raise SomaNetError(f"{base.result} has no label movie to compare with. Give corrected tracks instead.")
    return corrected


def _by(file: Path) -> str:
    return f"{PROGRAM} from {file.name[:80]}"


class _Integers(Sequence[Any]):
    """A label movie that another program saved, perhaps as whole floating-point numbers."""

    def __init__(self, frames: Any, source: str) -> None:
        self._frames, self._source = frames, source

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        frame = np.asarray(self._frames[t])
        if frame.dtype.kind == "f":
            whole = frame.astype(np.int64)
            if not np.array_equal(whole, frame):
                raise SomaNetError(
                    f"{self._source}: frame {t} has values that are no whole numbers; expected label images. Was it "
                    "saved as the movie, or interpolated?"
                )
            return whole
        return frame
