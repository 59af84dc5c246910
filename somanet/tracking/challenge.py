"""A Cell Tracking Challenge folder as cells: its labels joined over gaps, and the lineage of each cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.foreign import file_text
from somanet.core.limits import TABLE_BYTES
from somanet.tracking.ctc import TABLES, CtcMasks, read_ctc
from somanet.tracking.recognition import ctc_folder
from somanet.tracking.relabel import relabel_movie


class CtcCells:
    """The label movie of a Cell Tracking Challenge folder, value = cell, read frame by frame, also repeatedly.

    In the files a cell that was missed continues under a new label; here it keeps its first.

    Args:
        folder: folder of a result, or of a reference with its subfolder ``TRA``.
        calibration: the physical scale; without it the µm and h of ``tracks`` are meaningless.

    Attributes:
        tracks: as from :func:`somanet.tracking.ctc.read_ctc`.
        mothers: cell → the mother cell it divided from.

    Raises:
        SomaNetError: as for :func:`somanet.tracking.ctc.read_ctc`.
    """

    def __init__(self, folder: Path | str, calibration: Calibration | None = None) -> None:
        self._folder = ctc_folder(folder)
        self.tracks = read_ctc(self._folder, calibration or Calibration(1.0, 1.0))
        self.mothers = self._mothers()

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return relabel_movie(CtcMasks(self._folder), self.tracks)

    def _mothers(self) -> dict[int, int]:
        cells = dict(zip(self.tracks["label"].tolist(), self.tracks["track_id"].tolist(), strict=True))
        path = next(path for name in TABLES if (path := self._folder / name).is_file())
        text = file_text(path, "a table of tracks", TABLE_BYTES)
        rows = [line.split() for line in text.splitlines() if line.strip()]
        born = [(cells[int(label)], cells[int(parent)]) for label, _, _, parent in rows if int(parent)]
        return {cell: mother for cell, mother in born if cell != mother}
