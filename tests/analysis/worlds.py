"""A movie with known cells, and results of movies made from known tracks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from somanet.analysis import names
from somanet.analysis.stages.migrate import migrate_movie
from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.files import make_folder, read_json, write_json
from somanet.core.hashing import sha256_file
from somanet.core.result_records import hashes_of
from somanet.core.schema import TRACKS
from somanet.io.label_movies import write_label_movie
from somanet.io.movies import sha256_movie, write_movie
from somanet.io.tables import write_table
from somanet.migration.settings import MigrateSettings

SCALE = Calibration(2.0, 20.0)
N_FRAMES, HEIGHT, WIDTH = 14, 64, 96
"""14 frames of 20 min are 4 h 20 min: long enough."""


_MEASURED: dict[tuple[float, bytes], dict[str, bytes]] = {}
"""What equal tracks were measured as: measuring takes seconds, and equal inputs give equal bytes."""


def frames_TYX(n_frames: int = N_FRAMES, *, jump_at: int = 6, side: int = 11) -> np.ndarray:
    """Two bright squares of 22 µm on grey; the first rests and jumps by 15 px = 30 µm, the second stays."""
    frames = np.full((n_frames, HEIGHT, WIDTH), 200, np.uint16)
    half = side // 2
    for t in range(n_frames):
        for y, x in ((16, 20 + (15 if t >= jump_at else 0)), (45, 70)):
            frames[t, y - half : y + half + 1, x - half : x + half + 1] = 3000
    return frames


def save_movie(path: Path, frames: np.ndarray | None = None, scale: Calibration | FileCalibration = SCALE) -> Path:
    write_movie(path, frames_TYX() if frames is None else frames, scale)
    return path


def save_labelled(folder: Path, labels_TYX: np.ndarray, movie: Path, scale: Calibration) -> None:
    """A movie's folder of results, as far as its labels and its manifest go."""
    size = {"n_frames": len(labels_TYX), "shape_YX": labels_TYX.shape[1:], "largest_id": int(labels_TYX.max())}
    write_label_movie(folder / names.LABELS_TIFF, labels_TYX, **size, calibration=scale)
    known = {"movie": movie.name, "file": movie.name, "sha256": sha256_movie(movie)}
    about = known | {"channel": None, "z": None, "axes": None}
    files = {names.LABELS_TIFF: sha256_file(folder / names.LABELS_TIFF)}
    content = {"somanet": "0", "files": files, "code": {}, "parameters": {}, "input": about}
    write_json(folder / names.MANIFEST, content)


def tracks(
    n_cells: int, *, seed: int, jumps: int, n_frames: int = 60, interval_min: float = 10.0, jitter_um: float = 0.3
) -> pd.DataFrame:
    """Cells that jump by 20 µm within one step, `jumps` times at chance, and jitter else."""
    rng = np.random.default_rng(seed)
    rows = []
    for cell in range(1, n_cells + 1):
        at = np.sort(rng.choice(np.arange(2, n_frames - 2, 3), jumps, replace=False))
        x = 20.0 * np.searchsorted(at, np.arange(n_frames), side="right") + rng.normal(0, jitter_um, n_frames)
        y = 40.0 * cell + rng.normal(0, jitter_um, n_frames)
        rows += [(cell, t, t * interval_min / 60, y[t], x[t], y[t], x[t]) for t in range(n_frames)]
    return pd.DataFrame(rows, columns=list(TRACKS.names))


def save_results(
    folder: Path,
    table: pd.DataFrame,
    *,
    interval_min: float = 10.0,
    side_px: int = 1000,
    corrected: bool = False,
    summary: Mapping[str, object] | None = None,
    **about: object,
) -> Path:
    """The results of an analysis of a movie's tracks, with further values in `summary.json` and in the manifest."""
    make_folder(folder)
    movie = {"movie": folder.name, "n_frames": 60, "pixel_size_um": 1.0, "frame_interval_min": interval_min}
    key = interval_min, hashlib.sha256(table.to_csv().encode()).digest()
    if key not in _MEASURED:
        write_json(folder / names.MOVIE, movie)
        write_table(folder / names.TRACKS, table, TRACKS)
        migrate_movie(folder, folder, MigrateSettings())
        (folder / names.MOVIE).unlink()
        written = (
            names.TRACKS,
            names.SALTATIONS,
            names.PAUSES,
            names.MODES,
            names.MIGRATION,
            names.MIGRATION_INTERNALS,
        )
        written = (*written, names.SUMMARY)
        _MEASURED[key] = {name: (folder / name).read_bytes() for name in written if (folder / name).exists()}
    for name, data in _MEASURED[key].items():
        (folder / name).write_bytes(data)
    measured = read_json(folder / names.SUMMARY, expected="a summary")
    write_json(folder / names.SUMMARY, {**measured, "movie": folder.name, **(summary or {})})
    sha256 = hashlib.sha256(folder.name.encode()).hexdigest()
    source = {**movie, "file": f"{folder.name}.tif", "sha256": sha256, "shape_YX": [side_px, side_px + 100]}
    manifest = {
        "somanet": "0.1.0",
        "input": source,
        **({"tracks_from": "mine.csv", "tracks_sha256": "3" * 64} if corrected else {"model": {"sha256": "2" * 64}}),
        "parameters": {"segment": {}, "track": None, "migrate": {"axis_deg": 0.0}},
        "code": {"commit": None, "versions": {"numpy": "2"}, "platform": "here"},
        **about,
    }
    write_json(folder / names.MANIFEST, {**manifest, "files": hashes_of(folder, names.RESULTS)})
    return folder
