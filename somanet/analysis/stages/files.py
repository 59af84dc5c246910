"""What the stages share: reading the files that earlier stages wrote."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.core.calibration import Calibration
from somanet.core.files import make_folder, read_json
from somanet.core.schema import DRIFT, TRACKS, check_tracks
from somanet.io.frame_store import keeping
from somanet.io.movies import Movie, open_movie
from somanet.io.tables import read_table


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata that an earlier stage wrote.

    Raises:
        SomaNetError: as in :func:`somanet.core.files.read_json`.
    """
    return read_json(path, expected="a movie's metadata, written by an earlier stage")


def scale_of(metadata: dict[str, Any]) -> Calibration:
    """The physical scale in `movie.json`."""
    times = metadata.get("times_h")  # versions that knew even times only wrote none
    return Calibration(
        metadata["pixel_size_um"], metadata["frame_interval_min"], None if times is None else tuple(times)
    )


def frames_without_data(metadata: dict[str, Any], segmentation: dict[str, Any]) -> tuple[int, ...]:
    """Frames in which no cell can be seen: blank ones, and those that repeat the one before."""
    return tuple(sorted({*segmentation["blank_frames"], *metadata.get("repeated_frames", ())}))


@contextmanager
def open_labels(folder: Path, *, scratch: Path | None = None) -> Iterator[Movie | None]:
    """The label movie in a folder of results; None if the tracks came without one.

    With a folder ``scratch`` each frame is decoded once, and kept in a temporary file there.
    """
    for name in (names.LABELS_TIFF, names.LABELS_ZARR):
        if (folder / name).exists():
            opened = open_movie(folder / name, labels=True)
            with opened if scratch is None else keeping(opened, scratch, compressed=True) as labels:
                yield labels
            return
    yield None


def read_tracks_of(folder: Path) -> pd.DataFrame:
    """The tracks in a folder of results."""
    path = folder / names.TRACKS
    return check_tracks(read_table(path, TRACKS), str(path))


def read_drift_of(folder: Path) -> pd.DataFrame | None:
    """The stage's drift in a folder of results; None if an older version wrote them, which did not measure it."""
    path = folder / names.DRIFT
    return read_table(path, DRIFT) if path.exists() else None


def copy_metadata(source: Path, folder: Path) -> None:
    """Copy the metadata of earlier stages, if the folders differ."""
    for name in names.STAGE_FILES:
        if (source / name).exists() and source.resolve() != folder.resolve():
            shutil.copyfile(source / name, make_folder(folder) / name)
