"""Processes of an analysed movie: a folder with the table, a video and a record of what they were made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

import somanet
from somanet.analysis import names
from somanet.analysis.base import Base, open_base
from somanet.analysis.manifest import check_labels, code_record, tracks_are_edited
from somanet.analysis.next_steps import edited_tracks
from somanet.analysis.processes.pictures import process_pictures
from somanet.analysis.processes.settings import TracingSettings
from somanet.analysis.processes.tracing import PROCESSES, Traced, trace_processes
from somanet.analysis.stages.files import open_labels, read_drift_of, read_tracks_of, scale_of
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, json_object, make_folder, write_json
from somanet.core.guard import keep
from somanet.core.hashing import sha256_tree
from somanet.core.results import others_go_aside
from somanet.core.swapping import free_name
from somanet.io.tables import write_table
from somanet.io.video_writing import write_video

TABLE, VIDEO, RECORD = "processes.csv", "processes.mp4", "processes.json"


@dataclass(frozen=True)
class Written:
    """What was traced.

    Attributes:
        cells, points: cells, and cells in frames.
        leading, unknown: of the points, those with a leading process, and those whose cell does not move far enough
            to tell leading from trailing.
    """

    cells: int
    points: int
    leading: int
    unknown: int


def write_processes(
    result: Path,
    output: Path,
    *,
    movie: Path | None = None,
    overlay: bool = True,
    settings: TracingSettings | None = None,
) -> Written:
    """Trace the processes of all cells of an analysed movie.

    Args:
        result: a folder of results of `somanet analyze` or `somanet correct`, with labels.
        output: the folder to write, replaced as a whole, if it is of the same movie.
        movie: the analysed movie, if it is not beside the results.
        overlay: write the video.
        settings: how they are traced.

    Raises:
        SomaNetError: no results with labels and tracks, tracks or labels that were changed since, another movie than
            the analysed one or none, or the folder cannot be written, or has the processes of another movie.
    """
    settings = settings or TracingSettings()
    with atomic_path(output) as folder:
        make_folder(folder)  # fails before the work where it cannot be written
        aside = _is_of_another_movie(output, result)
        traced = _traced_into(folder, result, movie, overlay=overlay, settings=settings)
        if aside:
            output.rename(keep(free_name(output, "before")))
    first = traced.table.drop_duplicates(["track_id", "frame"])
    leading = int((traced.table["role"] == "leading").sum())
    return Written(int(first["track_id"].nunique()), len(first), leading, int(first["motion_deg"].isna().sum()))


def _is_of_another_movie(output: Path, result: Path) -> bool:
    """Whether a folder has the processes of another movie than results, which the user lets go aside.

    Raises:
        SomaNetError: it has, and files may not be replaced.
    """
    there, here = json_object(output / RECORD).get("input"), json_object(result / names.MANIFEST).get("input")
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return False
    same = all(there.get(name) == here.get(name) for name in ("sha256", "position"))
    return others_go_aside(output, [] if same else [str(there.get("movie"))], "processes")


def _traced_into(folder: Path, result: Path, movie: Path | None, *, overlay: bool, settings: TracingSettings) -> Traced:
    try:
        base = open_base(result)
        edited = tracks_are_edited(result)
    except PermissionError as error:  # else it is taken for the output's
        raise SomaNetError(f"{error.filename}: permission denied. Make it readable, then run again.") from error
    if edited:
        raise SomaNetError(edited_tracks(result, json_object(result / names.MANIFEST), movie=movie))
    check_labels(result)
    with open_labels(result) as labels:
        if labels is None:
            raise SomaNetError(
                f"{result}: expected the somas' masks ({names.LABELS_TIFF}), found none: its tracks were given without "
                "them, and processes are traced from the somas' outlines. Analyse the movie with a network, or with "
                "tracks that have masks (ctc, .trk, a label TIFF)."
            )
        tracks = read_tracks_of(result)
        if tracks.empty:
            raise SomaNetError(f"{result}: expected tracks of cells, found none: there is nothing to trace.")
        scale = _scale(result, base)
        moving = without_drift(tracks, read_drift_of(result))
        with base.source(movie).open() as frames:
            traced = trace_processes(frames, labels, tracks, moving, calibration=scale, settings=settings)
            write_table(folder / TABLE, traced.table, PROCESSES)
            if overlay:
                pictures = process_pictures(frames, labels, tracks, traced.lines, calibration=scale)
                write_video(folder / VIDEO, pictures, fps=10.0)
            write_json(folder / RECORD, _record(result, base, settings))
    return traced


def _scale(result: Path, base: Base) -> Calibration:
    if missing := [name for name in ("pixel_size_um", "frame_interval_min") if base.about.get(name) is None]:
        raise SomaNetError(
            f"{result / names.MANIFEST}: expected the movie's scale, found no {' and no '.join(missing)}. Was it "
            "edited? `somanet analyze` writes it anew."
        )
    return scale_of(base.about)


def without_drift(tracks: pd.DataFrame, drift: pd.DataFrame | None) -> pd.DataFrame:
    """Tracks relative to the scene, where the stage's drift was measured and is used for the results.

    Args:
        tracks: :data:`somanet.core.schema.TRACKS`.
        drift: :data:`somanet.core.schema.DRIFT`; None if it was not measured.
    """
    if drift is None:
        return tracks
    used = drift[drift["applied"] == 1].set_index("frame")
    shift = used[["shift_y_um", "shift_x_um"]].reindex(tracks["frame"]).fillna(0.0).to_numpy()
    return tracks.assign(y_um=tracks["y_um"] - shift[:, 0], x_um=tracks["x_um"] - shift[:, 1])


def _record(result: Path, base: Base, settings: TracingSettings) -> dict[str, object]:
    """Everything that determined the table."""
    read = (names.TRACKS, names.LABELS_TIFF, names.LABELS_ZARR, names.DRIFT, names.MANIFEST)
    return {
        "somanet": somanet.__version__,
        "experimental": True,
        "input": dict(base.about),
        "results": {name: sha256_tree(result / name) for name in read if (result / name).exists()},
        "parameters": asdict(settings),
        "code": code_record(),
    }
