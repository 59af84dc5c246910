"""What tables of tracks say of themselves: units, times beside frames, names of cells, and whose movie it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.tracking.formats import Given, TracksFile, open_tracks

SCALE = FileCalibration(0.5, 10.0)
PIXELS = [(track, t, 10.25 + track * t, 50.5 + 3 * t) for track in (1, 2) for t in range(5)]
"""Track, frame, y and x in px of two cells in 5 frames."""
MINUTES, SECONDS, HOURS = 10.0, 600.0, 1 / 6
"""Per frame."""
PAUSED = [0, 10, 20, 150, 160]
"""Minutes of the frames, with a pause of two hours."""


def write(path: Path, header: str, rows: Iterable[Iterable[object]]) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows), ""]), encoding="utf-8")
    return path


def of(
    path: Path,
    header: str,
    *,
    per_frame: float = 1.0,
    um: float = 1.0,
    extra: Callable[[int, int], object] | None = None,
) -> Path:
    """A table of track, frame or time, y and x, and of one column more if its values are given by track and frame."""
    rows = ((k, t * per_frame, y * um, x * um, *(() if extra is None else (extra(k, t),))) for k, t, y, x in PIXELS)
    return write(path, header, rows)


def opened(path: Path, position: str | None = None, time: str | None = None) -> TracksFile:
    return open_tracks(path, Given(SCALE, position, time))


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(SomaNetError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check_cells(found: TracksFile, frames: bool = True) -> None:
    """The two cells as they are above."""
    wanted = pd.DataFrame(PIXELS, columns=["track_id", "frame", "y_px", "x_px"])
    np.testing.assert_allclose(found.tracks[list(wanted)].to_numpy(float), wanted.to_numpy(float), rtol=1e-9)
    if frames:
        assert found.tracks["t_h"].tolist() == pytest.approx((wanted["frame"] / 6).tolist())


# Units in the header


@pytest.mark.parametrize(
    ("header", "per_frame", "um"),
    [
        ("track_id,t [sec],y [µm],x [µm]", SECONDS, 0.5),
        ("track_id,t (min),y,x", MINUTES, 1.0),
        ("track_id,t_h,y,x", HOURS, 1.0),
        ("track_id,t_s,y_um,x_um", SECONDS, 0.5),
        ("track,time_min,y_um,x_um", MINUTES, 0.5),
        ("track_id,time_s,y_px,x_px", SECONDS, 1.0),
        ("Track ID,Time [s],Y [µm],X [µm]", SECONDS, 0.5),
        ("Track ID,Frame,Y [µm],X [µm]", 1, 0.5),
        ("TrackID,frame,y_um,x_um", 1, 0.5),
        ("Tracking ID,Frame,Position Y (µm),Position X (µm)", 1, 0.5),
        ("particle,frame,y (px),x (px)", 1, 1.0),
    ],
)
def test_units_in_the_header_count(header: str, per_frame: float, um: float, tmp_path: Path) -> None:
    check_cells(opened(of(tmp_path / "t.csv", header, per_frame=per_frame, um=um)))


@pytest.mark.parametrize("unit", ["frame", "sec"])
def test_measured_points_of_mtrackj(unit: str, tmp_path: Path) -> None:
    """Frames from 1, times from 0."""
    seconds = unit == "sec"
    rows = ((i, i, k, t + 1, x, y, t * SECONDS if seconds else t + 1) for i, (k, t, y, x) in enumerate(PIXELS, 1))
    check_cells(opened(write(tmp_path / "t.csv", f" ,Nr,TID,PID,x [pixel],y [pixel],t [{unit}]", rows)))


def test_units_in_columns(tmp_path: Path) -> None:
    rows = ((k, t * SECONDS, "s", x / 2, y / 2, "um") for k, t, y, x in PIXELS)
    check_cells(opened(write(tmp_path / "t.csv", "TrackID,Time,TimeUnit,X,Y,PositionUnit", rows)))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("track_id,t [weeks],y,x", "expected frames, or times in s, min or h, in 't [weeks]'"),
        ("track,frame (min),y_px,x_px", "expected frame in frames, found 'frame (min)'"),
        ("track,frame,y_px (µm),x_px", "expected y_px in px"),
    ],
)
def test_units_that_cannot_be_are_refused(header: str, words: str, tmp_path: Path) -> None:
    assert words in error_of(lambda: opened(of(tmp_path / "t.csv", header)))


# Units that the user says


@pytest.mark.parametrize("header", ["particle,frame,y,x", "Trajectory,Frame,y,x", "track_id,t,y,x", "ID,t,y,x"])
def test_a_said_unit_counts_before_the_usual_one(header: str, tmp_path: Path) -> None:
    path = of(tmp_path / "t.csv", header, um=0.5)
    assert opened(path).tracks["x_px"].iloc[0] == 25.25
    check_cells(opened(path, "um"))


@pytest.mark.parametrize("header", ["track_id,t,y,x", "track_id,t,y_um,x_um", "identity,time,y,x"])
def test_a_said_unit_of_times_counts(header: str, tmp_path: Path) -> None:
    um = 0.5 if "um" in header else 1.0
    check_cells(opened(of(tmp_path / "t.csv", header, per_frame=MINUTES, um=um), time="min"))


@pytest.mark.parametrize(
    ("header", "position", "time", "words"),
    [
        ("track,frame,y_px,x_px", "um", None, "call the columns y_um and x_um"),
        ("particle,frame,y (um),x (um)", "px", None, "in um, as it says itself, not in px"),
        ("track_id,frame,y_um,x_um", "px", None, "in um, as it says itself, not in px"),
        ("track_id,t (min),y,x", None, "s", "in min, as it says itself, not in s"),
        ("particle,frame,y,x", None, "s", "'frame' counts frames, and it has no times in s"),
        ("track,frame,y_px,x_px", None, "s", "'frame' counts frames, and it has no times"),
    ],
)
def test_what_the_file_says_otherwise_is_refused(
    header: str, position: str | None, time: str | None, words: str, tmp_path: Path
) -> None:
    path = of(tmp_path / "t.csv", header)
    assert words in error_of(lambda: opened(path, position, time))


# Times beside frames

BESIDE = [
    ("track,frame,y_px,x_px,t (min)", 1.0),
    ("particle,frame,y,x,time (min)", 1.0),
    ("track_id,frame,y_um,x_um,time_min", 0.5),
    ("track_id,t,y,x,time_min", 1.0),
]


@pytest.mark.parametrize(("header", "um"), BESIDE)
def test_times_beside_frames_decide(header: str, um: float, tmp_path: Path) -> None:
    found = opened(of(tmp_path / "t.csv", header, um=um, extra=lambda _, t: PAUSED[t]))
    check_cells(found, frames=False)
    assert found.tracks["t_h"].tolist() == pytest.approx([minutes / 60 for minutes in PAUSED] * 2)
    assert any("not equally far apart" in note for note in found.notes)


@pytest.mark.parametrize(("header", "um"), BESIDE)
def test_times_beside_frames_that_contradict_the_interval(header: str, um: float, tmp_path: Path) -> None:
    path = of(tmp_path / "t.csv", header, um=um, extra=lambda _, t: 20 * t)
    message = error_of(lambda: opened(path))
    assert "20 min apart" in message
    assert "given 10" in message
    found = open_tracks(path, Given(FileCalibration(0.5, 20.0)))
    assert found.scale == Calibration(0.5, 20.0)
    assert found.tracks["t_h"].max() == pytest.approx(4 / 3)


@pytest.mark.parametrize(("header", "um"), BESIDE)
def test_frames_of_1_s_have_unknown_times(header: str, um: float, tmp_path: Path) -> None:
    """What Fiji writes where nobody set the interval."""
    found = opened(of(tmp_path / "t.csv", header, um=um, extra=lambda _, t: t / 60))
    check_cells(found)
    assert not found.notes


def test_trackmates_spots_of_1_s_have_unknown_times(tmp_path: Path) -> None:
    header = "TRACK_ID,FRAME,POSITION_Y,POSITION_X,POSITION_T,QUALITY\n,,(pixel),(pixel),(sec),(quality)"
    rows = [(k, t, y, x, float(t), 1) for k, t, y, x in PIXELS]
    found = opened(write(tmp_path / "t.csv", header, rows))
    check_cells(found)
    assert not found.notes
    assert "frame interval of these tracks" in error_of(
        lambda: open_tracks(tmp_path / "t.csv", Given(FileCalibration(0.5, None)))
    )


# Row names, or decimal commas


@pytest.mark.parametrize(
    "rows",
    [
        ["1,0,160,5,70,25", "1,1,161,5,71,25"],
        ["1,0,160,5,70", "1,1,161,5,71"],
        ["1,0,160,70,5", "2,1,161,71,5"],
    ],
)
def test_decimal_commas_between_commas_are_refused(rows: list[str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["track,frame,y_px,x_px", *rows, ""]))
    assert "Is a comma a decimal sign?" in error_of(lambda: opened(tmp_path / "t.csv"))


@pytest.mark.parametrize("quote", ['"', ""])
def test_row_names_without_a_header(quote: str, tmp_path: Path) -> None:
    rows = ((f"{quote}{i}{quote}", *row) for i, row in enumerate(PIXELS, 100))
    check_cells(opened(write(tmp_path / "t.csv", "track,frame,y_px,x_px", rows)))


# Several movies


@pytest.mark.parametrize(
    ("column", "header"),
    [
        ("file", "track,frame,y_px,x_px"),
        ("well", "track_id,frame,y_um,x_um"),
        ("Image", "particle,frame,y,x"),
        ("Metadata_Site", "track_id,t,y,x"),
    ],
)
def test_several_movies_are_refused(column: str, header: str, tmp_path: Path) -> None:
    path = of(tmp_path / "t.csv", f"{header},{column}", extra=lambda k, _: f"m{k}")
    message = error_of(lambda: opened(path))
    assert f"found 2 values in the column {column!r}: m1, m2" in message
    um = 0.5 if "um" in header else 1.0
    check_cells(opened(of(path, f"{header},{column}", um=um, extra=lambda *_: "m1")))
    check_cells(opened(of(path, f"{header},{column}", um=um, extra=lambda _, t: f"img_t{t}.tif")))


CELLPROFILER = "TrackObjects_Label_20,ImageNumber,Location_Center_Y,Location_Center_X"
PARENTS = "TrackObjects_ParentImageNumber_20,TrackObjects_ParentObjectNumber_20"


def cellprofiler(n_movies: int) -> list[tuple[object, ...]]:
    """The two cells, once or as two movies whose images are numbered on."""
    return [
        (k, 1 + t + 5 * movie, y, x, k, *((t + 5 * movie, k) if t else (0, 0)))
        for movie in range(n_movies)
        for k, t, y, x in PIXELS
    ]


def test_images_of_several_movies_in_cellprofiler(tmp_path: Path) -> None:
    header = f"{CELLPROFILER},ObjectNumber,{PARENTS}"
    check_cells(opened(write(tmp_path / "t.csv", header, cellprofiler(1))))
    write(tmp_path / "t.csv", header, cellprofiler(2))
    assert "all objects of ImageNumber 6 begin anew" in error_of(lambda: opened(tmp_path / "t.csv"))


@pytest.mark.parametrize("prefix", ["", "Nuclei_"])
def test_cellprofiler_without_parents(prefix: str, tmp_path: Path) -> None:
    header = ",".join(name if name == "ImageNumber" else prefix + name for name in CELLPROFILER.split(","))
    rows = [(k, t + 1, y, x, k) for k, t, y, x in PIXELS]
    check_cells(opened(write(tmp_path / "t.csv", f"{header},ObjectNumber", rows)))
    two = f"{header},{prefix}TrackObjects_Label_50"
    check_cells(opened(write(tmp_path / "t.csv", two, [(*row[:4], row[0]) for row in rows])))
    write(tmp_path / "t.csv", two, [(*row[:4], 3 - row[0]) for row in rows])
    assert "'TrackObjects_Label_50', which differ" in error_of(lambda: opened(tmp_path / "t.csv")).replace(prefix, "")


# Names of cells, and mothers


@pytest.mark.parametrize(
    "names", [("cell_b", "cell_a"), ("1.1", "1.10"), ("1", "01"), ("9007199254740993", "9007199254740992")]
)
@pytest.mark.parametrize(
    "header", ["track,frame,y_px,x_px", "particle,frame,y,x", "track_id,frame,y_px,x_px,parent_id"]
)
def test_names_are_numbered_and_never_merged(header: str, names: tuple[str, str], tmp_path: Path) -> None:
    extra = ("",) if "parent_id" in header else ()
    found = opened(write(tmp_path / "t.csv", header, ((names[k - 1], t, y, x, *extra) for k, t, y, x in PIXELS)))
    check_cells(found)
    assert any(f"({names[0]!r} is 1)" in note for note in found.notes)


def test_a_mother_by_its_name(tmp_path: Path) -> None:
    rows = [("m", 0, 1, 2, ""), ("m", 1, 1, 3, ""), ("d1", 2, 0, 4, "m"), ("d2", 2, 2, 4, "m")]
    found = opened(write(tmp_path / "t.csv", "track,frame,y_px,x_px,parent_id", rows)).tracks
    assert found["parent_id"].fillna(0).tolist() == [0, 0, 1, 1]


def test_a_mother_beside_her_daughter_is_none(tmp_path: Path) -> None:
    for header in ("track,frame,y_px,x_px,parent_id", "track_id,frame,y_um,x_um,parent_id"):
        rows = [(1, 0, 1, 2, ""), (1, 1, 1, 3, ""), (1, 2, 1, 4, ""), (2, 1, 9, 4, 1), (3, 3, 2, 4, 1)]
        found = opened(write(tmp_path / "t.csv", header, rows))
        assert found.tracks["parent_id"].fillna(0).tolist() == [0, 0, 0, 0, 1]
        assert any(note.startswith("1 cell is seen beside the mother") for note in found.notes)


def test_parents_that_name_no_point_leave_the_tracks_whole(tmp_path: Path) -> None:
    rows = ((k, t, y, x, 100 * k + t, -1, -1) for k, t, y, x in PIXELS)
    check_cells(opened(write(tmp_path / "t.csv", "track_id,t,y,x,id,parent_track_id,parent_id", rows)))


@pytest.mark.parametrize("header", ["track,frame,y_px,x_px", "track_id,frame,y_um,x_um"])
def test_frames_from_1_are_said(header: str, tmp_path: Path) -> None:
    found = opened(write(tmp_path / "t.csv", header, ((k, t + 1, y, x) for k, t, y, x in PIXELS)))
    assert found.tracks["frame"].min() == 1
    assert any("No track is in frame 0" in note for note in found.notes)
