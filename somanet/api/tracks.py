"""Tracks of any program from Python, and what is measured of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from somanet.analysis import names
from somanet.analysis.manifest import is_manifest
from somanet.analysis.settings import analysis_params
from somanet.analysis.source import check_plausible
from somanet.api.results import statistics_table
from somanet.api.wording import as_path, checked_settings, in_python
from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError, WrongType
from somanet.core.files import json_object
from somanet.core.foreign import check_paths
from somanet.core.numbers import to_numbers
from somanet.core.schema import TRACKS, check_tracks

if TYPE_CHECKING:
    from somanet.migration.measures import Measures

_log = logging.getLogger(__name__)

IN_PIXELS = ("track_id", "frame", "y_px", "x_px")
"""What a table of tracks has at least."""
_SAME = 1e-3
"""Relative difference up to which two scales are one: programs round them."""
_WHOSE = "The tracks"
_Positions = Literal["px", "um"]
_Times = Literal["frame", "s", "min", "h"]


@in_python
def read_tracks(
    path: str | PathLike[str],
    *,
    pixel_size_um: float | None = None,
    frame_interval_min: float | None = None,
    position_unit: _Positions | None = None,
    time_unit: _Times | None = None,
) -> pd.DataFrame:
    """Read the tracks of any program; the format is recognised by the file's content.

    Tables of many programs, TrackMate's XML, GEFF, the Cell Tracking Challenge's folders, DeepCell's .trk, label
    TIFFs and idtracker.ai are read; docs/tracks.md lists them. Cells that divide end there, and each daughter is a
    cell of its own (`parent_id`). What a reader of the tracks should know is logged as a warning of `somanet`.

    Args:
        path: the file or folder.
        pixel_size_um: µm per pixel, if the file lacks it; one that contradicts the file's is an error.
        frame_interval_min: minutes per frame, if the file lacks it.
        position_unit: of the positions in a file that does not state it.
        time_unit: of the times in a file that does not state it.

    Returns:
        A row per cell and frame, sorted: `track_id`, `frame` (from 0), `t_h` (h since frame 0), `y_px`, `x_px` (row
        and column), `y_um`, `x_um`, then further columns of the file.

    Raises:
        SomaNetError: no known format, an unknown scale or unit, or impossible tracks.
    """
    from somanet.tracking.formats import Given, open_tracks

    for name, unit, units in (("position_unit", position_unit, _Positions), ("time_unit", time_unit, _Times)):
        if unit is not None and unit not in get_args(units):
            raise SomaNetError(f"Unknown {name} {unit!r}; there are {', '.join(get_args(units))}.")
    file = as_path(path, "path", instead="A table in memory needs no reading: somanet.measure takes it.")
    check_paths(inputs=[file], outputs=[])
    if is_manifest(json_object(file / names.MANIFEST)):
        raise SomaNetError(
            f"{file}: expected a file of tracks, found a folder of SomaNet's results. Read {file / names.TRACKS}, or "
            "take the tracks of somanet.open_analysis."
        )
    scale = FileCalibration.given(pixel_size_um, frame_interval_min)
    found = open_tracks(file, Given(scale, position_unit, time_unit))
    for note in found.notes:
        _log.warning("%s: %s", file, note)
    return found.tracks


@dataclass(frozen=True, eq=False)
class Measurement:
    """What is measured of the tracks of one movie.

    Attributes:
        tracks: the table that was measured, in µm and h.
        measures: everything, as :class:`somanet.migration.measures.Measures` has it.
    """

    tracks: pd.DataFrame
    measures: Measures

    def __repr__(self) -> str:
        summary = self.measures.summary
        counts = (
            counted(self.tracks["track_id"].nunique(), "track"),
            f"{counted(summary.n_cells, 'cell')} observed long enough",
            counted(len(self.saltations), "saltation"),
        )
        return f"<Measurement: {', '.join(counts)}>"

    @property
    def cells(self) -> pd.DataFrame:
        """A row per cell: observed time, speeds, direction, saltations, pauses; the columns of `migration.csv`."""
        from somanet.migration.tables import CELL_NUMBERS

        return self.measures.migration.cells[list(CELL_NUMBERS.names)]

    @property
    def saltations(self) -> pd.DataFrame:
        """A row per saltation: `track_id`, `start_h`, `end_h`, `length_um`, `speed_um_per_h`."""
        return self.measures.migration.saltations.events

    @property
    def pauses(self) -> pd.DataFrame:
        """A row per pause between saltations: `track_id`, `start_h`, `end_h`, `duration_h`, `censored`."""
        return self.measures.migration.saltations.pauses

    @cached_property
    def statistics(self) -> pd.DataFrame:
        """The numbers with their 95 % intervals, see :func:`somanet.api.results.statistics_table`."""
        return statistics_table(self.summary["numbers"])

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of a `summary.json`."""
        from somanet.analysis.stages.migrate import summary_of

        n_frames = int(self.tracks["frame"].max()) + 1 if len(self.tracks) else 0
        about = {"movie": None, "n_frames": n_frames, "pixel_size_um": None, "frame_interval_min": None}
        return summary_of(self.measures, about)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers has to know, in sentences."""
        return self.measures.warnings


@in_python
def measure(
    tracks: pd.DataFrame, calibration: Calibration | None = None, *, settings: Mapping[str, Any] | None = None
) -> Measurement:
    """Measure the migration of one movie's cells from their tracks: what `somanet tracks measure` does, in memory.

    Path length and uncorrected speeds grow with the frame rate, as the localisation error counts as travel; the
    corrected numbers do not. docs/trust.md has the measured errors.

    Args:
        tracks: a row per cell and frame with `track_id`, `frame` (from 0), `y_px` and `x_px`, and `t_h`, `y_um` and
            `x_um`, as :func:`read_tracks` and `Analysis.tracks` give them; a cell that is missing from a frame has no
            row there. One movie only.
        calibration: the scale of a table in pixels and frames alone. Of a table in µm and h it is not needed, and
            must agree.
        settings: of the measurement, such as `{"sigma_um": 0.5, "min_track_h": 2}`, see
            :class:`somanet.migration.settings.MigrateSettings`. Without images no drift of the stage is known: by
            default none is subtracted; `{"drift": "cells"}` subtracts the resting cells' median step.

    Raises:
        SomaNetError: columns are missing, the table is impossible, the scale is unknown or contradicts the table, or a
            setting is wrong.
    """
    from somanet.migration.measures import measure_movie

    migrate = analysis_params({"migrate": {"drift": "none", **checked_settings(settings)}}).migrate
    if migrate.drift == "image":
        raise SomaNetError(
            "The drift 'image' is measured from a movie's background, and tracks alone have none. Give "
            'settings={"drift": "cells"} or {"drift": "none"}, or analyse the movie: somanet.analyze.'
        )
    table = _in_um(tracks, calibration)
    return Measurement(table, measure_movie(table, **migrate.arguments()))


def _in_um(tracks: pd.DataFrame, calibration: Calibration | None) -> pd.DataFrame:
    """The table with positions in µm and times in h."""
    from somanet.tracking.points import tracks_from_points

    if not isinstance(tracks, pd.DataFrame):
        raise WrongType(
            f"Expected the tracks as a pandas table, found {type(tracks).__name__}. A file is read by "
            "somanet.read_tracks, other values become a table by pandas.DataFrame."
        )
    if missing := [name for name in IN_PIXELS if name not in tracks]:
        raise SomaNetError(
            f"{_WHOSE} lack {missing}; expected at least {list(IN_PIXELS)}, found {list(map(str, tracks.columns))}. A "
            "file of another program is read by somanet.read_tracks."
        )
    tracks = _with_numbers(tracks)
    if calibration is not None:
        if not isinstance(calibration, Calibration):
            raise WrongType(
                f"Expected calibration=somanet.Calibration(pixel_size_um, frame_interval_min), found {calibration!r}."
            )
        check_plausible(calibration, _WHOSE)
    lacking = [name for name in TRACKS.names if name not in tracks]
    if not lacking:
        table = check_tracks(tracks, _WHOSE)
        if calibration is not None:
            _check_agreement(table, calibration)
        _check_positions(table)
        return table
    if calibration is None:
        raise SomaNetError(
            f"{_WHOSE} lack {lacking}, and the physical scale is needed to compute them. Give it: "
            "calibration=somanet.Calibration(pixel_size_um, frame_interval_min)."
        )
    own = tracks.drop(columns=[name for name in ("t_h", "y_um", "x_um") if name in tracks])
    return tracks_from_points(own, calibration, _WHOSE)


def _with_numbers(tracks: pd.DataFrame) -> pd.DataFrame:
    """The table with its ids, frames and positions as numbers.

    Raises:
        SomaNetError: a column is there twice, or an id or a frame is no whole number.
    """
    names = [name for name in (*IN_PIXELS, *TRACKS.names) if name in tracks]
    if twice := [name for name in dict.fromkeys(names) if list(tracks.columns).count(name) > 1]:
        raise SomaNetError(f"{_WHOSE} have several columns {twice[0]!r}; expected one. Drop the others.")
    table = tracks.assign(**{name: to_numbers(tracks[name].astype(object)) for name in names})
    for name in ("track_id", "frame"):
        wrong = (table[name] % 1 != 0).to_numpy(bool)
        if wrong.any():
            found = tracks[name].astype(object).iloc[int(wrong.argmax())]
            raise SomaNetError(
                f"{_WHOSE}: expected whole numbers in {name}, found {found!r}. Number them: pandas.factorize gives "
                "each name a number."
                if name == "track_id"
                else f"{_WHOSE}: expected whole numbers in {name}, found {found!r}. Times are no frames: give each "
                "image its number from 0."
            )
    return table


def _check_positions(table: pd.DataFrame) -> None:
    """Refuse a table of which only the pixels or only the µm were edited: one scale has to lead from one to the other.

    Raises:
        SomaNetError: a point's µm and pixels differ by over a tenth of a pixel.
    """
    from somanet.tracking.exchange import points_off, scale_of_tracks

    pixel = scale_of_tracks(table).pixel_size_um
    if pixel is None:
        return
    for um, px in (("y_um", "y_px"), ("x_um", "x_px")):
        if found := points_off(table, um, px, pixel):
            raise SomaNetError(
                f"{_WHOSE}: {found} Was only one of the two edited? Drop the columns t_h, y_um and x_um and give the "
                "calibration."
            )


def _check_agreement(table: pd.DataFrame, calibration: Calibration) -> None:
    """Refuse a scale that is not the one that a table's µm and h were computed with."""
    pixel = calibration.pixel_size_um
    expected = {
        "y_um": table["y_px"].to_numpy(float) * pixel,
        "x_um": table["x_px"].to_numpy(float) * pixel,
        "t_h": calibration.hours(table["frame"]),
    }
    for name, values in expected.items():
        own = table[name].to_numpy(float)
        wrong = ~np.isclose(own, values, rtol=_SAME, atol=_SAME)
        if wrong.any():
            row = int(wrong.argmax())
            raise SomaNetError(
                f"{_WHOSE} contradict the calibration: expected {name} {values[row]:.6g} by {pixel:g} µm per pixel and "
                f"{calibration.frame_interval_min:g} min per frame, found {own[row]:.6g}. Leave the calibration out to "
                "measure the table as it is, or drop its columns t_h, y_um and x_um."
            )
