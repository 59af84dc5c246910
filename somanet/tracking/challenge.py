"""A Cell Tracking Challenge folder as cells: its labels joined over gaps, and the lineage of each cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.schema import PARENT
from somanet.tracking.ctc import CtcMasks, read_ctc
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
        if PARENT.name not in self.tracks:
            return {}
        born = self.tracks.dropna(subset=[PARENT.name]).drop_duplicates("track_id")
        return dict(zip(born["track_id"].tolist(), born[PARENT.name].tolist(), strict=True))
