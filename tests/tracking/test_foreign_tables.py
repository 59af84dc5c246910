"""The tables of other programs: the same three cells from each, whatever encodes, separates and names them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.tracking.formats import Given, open_tracks, read_tracks, recognise
from somanet.tracking.points import tracks_from_points
from somanet.tracking.table_formats import TABLES
from tests.tracking.foreign import SUFFIXES, TEXTS, write_foreign, xlsx

SCALE = Calibration(pixel_size_um=0.8, frame_interval_min=12.0)
GIVEN = Given.of(SCALE)
NAMES = list(TRACKS.names)
OF_KIND = {
    "trackmate-old": "trackmate-spots", "celltrackr": "plain-times", "manual": "manual-tracking", "napari-z": "napari",
    "npy": "napari", "hdf5": "btrack",
}  # fmt: skip
"""Kinds that have another name than the file here."""
UNITS = {"trackmate-old": ("um", None), "celltrackr": ("um", "s"), "harmony": ("px", None)}
"""What the user has to say of files that state no units."""


def points() -> pd.DataFrame:
    """T = 9, cells of which 4 is missed in frame 3, and 7 enters in frame 2; y differs from x everywhere."""
    rows = [(4, t, 10.25 + t, 40.5 + 3 * t) for t in range(9) if t != 3]
    rows += [(7, t, 30.75 - 0.5 * t, 80.125 - t) for t in range(2, 8)]
    rows += [(9, t, 50.0 + 0.25 * t, 15.5 + 2 * t) for t in range(4)]
    return pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px"])


def expected() -> pd.DataFrame:
    return tracks_from_points(points(), SCALE, "the test")


def given_for(kind: str) -> Given:
    position, time = UNITS.get(kind, (None, None))
    return Given(GIVEN.scale, position, time)


def numbered_from_one(tracks: pd.DataFrame) -> pd.DataFrame:
    """Where a format keeps no ids, cells are numbered in the order of their first frames: 4, then 9, then 7."""
    return tracks.replace({"track_id": {4: 1, 9: 2, 7: 3}}).sort_values(["track_id", "frame"], ignore_index=True)


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(SomaNetError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def optional(kind: str) -> None:
    for name, package in {"hdf5": "h5py", "mia": "python_calamine"}.items():
        if kind == name:
            pytest.importorskip(package)


@pytest.mark.parametrize("kind", SUFFIXES)
def test_the_same_cells_from_each(kind: str, tmp_path: Path) -> None:
    optional(kind)
    path = tmp_path / "tracks.of anything"
    write_foreign(path, kind, points(), SCALE)
    assert recognise(path).kind == OF_KIND.get(kind, kind)
    found = open_tracks(path, given_for(kind)).tracks
    wanted = expected()
    if kind == "imaris":
        wanted["track_id"] += 1000000000
    if kind == "laptrack-links":
        wanted = numbered_from_one(wanted)
    pd.testing.assert_frame_equal(found[NAMES], wanted, rtol=1e-8)
    assert "parent_id" not in found


def test_every_line_of_the_table_is_tried_here_or_beside() -> None:
    """A new line in the table wants a file of that program here."""
    tried = {OF_KIND.get(kind, kind) for kind in SUFFIXES}
    beside = {"csv", "micrometres", "pixels", "cellprofiler-steps", "plain-frames"}
    assert {one.kind for one in TABLES} == tried | beside


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_moved_point_comes_back_moved(kind: str, tmp_path: Path) -> None:
    """The comparison can fail."""
    optional(kind)
    moved = points()
    moved.loc[2, "x_px"] += 0.5
    write_foreign(tmp_path / "t", kind, moved, SCALE)
    found = open_tracks(tmp_path / "t", given_for(kind)).tracks
    assert np.abs(np.sort(found["x_px"]) - np.sort(expected()["x_px"])).max() == pytest.approx(0.5)


@pytest.mark.parametrize("kind", [kind for kind in TEXTS if kind != "mtrackj"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_line_ends(kind: str, encoding: str, tmp_path: Path) -> None:
    write_foreign(tmp_path / "t", kind, points(), SCALE)
    text = (tmp_path / "t").read_text(encoding="utf-8")
    wanted = open_tracks(tmp_path / "t", given_for(kind)).tracks
    (tmp_path / "t").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    pd.testing.assert_frame_equal(open_tracks(tmp_path / "t", given_for(kind)).tracks, wanted)


@pytest.mark.parametrize("kind", ["trackmate-spots", "imaris", "ultrack", "btrack", "celldetective", "cellprofiler"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(kind: str, separator: str, tmp_path: Path) -> None:
    """As a spreadsheet writes them where the comma is the decimal sign."""
    write_foreign(tmp_path / "t", kind, points(), SCALE)
    text = (tmp_path / "t").read_text(encoding="utf-8")
    wanted = open_tracks(tmp_path / "t", GIVEN).tracks
    (tmp_path / "t").write_text(text.replace(",", separator).replace(".", ","))
    assert ",5" in (tmp_path / "t").read_text()
    pd.testing.assert_frame_equal(open_tracks(tmp_path / "t", GIVEN).tracks, wanted)


def test_our_own_table_from_a_spreadsheet(tmp_path: Path) -> None:
    text = expected().assign(note="sure").to_csv(index=False)
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(",", ";").replace(".", ",").encode())
    found = read_tracks(tmp_path / "t.csv", None)
    pd.testing.assert_frame_equal(found[NAMES], expected(), rtol=1e-8)
    assert set(found["note"]) == {"sure"}


def test_a_table_in_micrometres(tmp_path: Path) -> None:
    table = expected()[["track_id", "frame", "y_um", "x_um"]]
    table.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(read_tracks(tmp_path / "t.csv", SCALE), expected(), rtol=1e-8)
    expected()[["track_id", "t_h", "y_um", "x_um"]].to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(read_tracks(tmp_path / "t.csv", SCALE), expected(), rtol=1e-8)


# Scale and units


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("trackmate-spots", FileCalibration(None, 12.0)),
        ("celldetective", FileCalibration(0.8, None)),
        ("imaris", FileCalibration()),
        ("btrack", FileCalibration()),
    ],
)
def test_the_scale_of_a_file_is_used_and_checked(kind: str, own: FileCalibration, tmp_path: Path) -> None:
    write_foreign(tmp_path / "t", kind, points(), SCALE)
    rest = Given(FileCalibration(None if own.pixel_size_um else 0.8, None if own.frame_interval_min else 12.0))
    assert open_tracks(tmp_path / "t", rest).scale == SCALE
    if own.pixel_size_um:
        error = error_of(lambda: read_tracks(tmp_path / "t", Calibration(0.4, 12.0)))
        assert "its pixels are 0.8 µm wide, those given 0.4" in error
    if own.frame_interval_min:
        error = error_of(lambda: read_tracks(tmp_path / "t", Calibration(0.8, 6.0)))
        assert "its frames are 12 min apart, those given 6" in error


@pytest.mark.parametrize(("words", "um"), [("(µm)", 1.0), ("[nm]", 1e-3), ("(mm)", 1e3)])
def test_units_in_the_header(words: str, um: float, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"particle,frame,y {words},x {words}\n1,0,{2 / um},{4 / um}\n", encoding="utf-8")
    found = read_tracks(tmp_path / "t.csv", SCALE)
    assert found[["y_um", "x_um", "y_px"]].iloc[0].tolist() == pytest.approx([2, 4, 2.5])


def test_units_that_no_file_states_are_asked_for(tmp_path: Path) -> None:
    write_foreign(tmp_path / "t", "celltrackr", points(), SCALE)
    assert "--position-unit px` (or um)" in error_of(lambda: open_tracks(tmp_path / "t", GIVEN))
    assert "--time-unit min" in error_of(lambda: open_tracks(tmp_path / "t", Given(GIVEN.scale, "um")))
    seconds = open_tracks(tmp_path / "t", Given(GIVEN.scale, "um", "s")).tracks
    assert seconds["frame"].tolist() == expected()["frame"].tolist()


def test_times_are_checked_against_the_interval(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("identity,time,x,y\n1,0,3,4\n1,700,4,5\n1,1000,5,6\n")
    assert "not multiples of the frame interval of 12 min" in error_of(lambda: read_tracks(tmp_path / "t.csv", SCALE))


def test_irregular_times_stay_those_of_the_file(tmp_path: Path) -> None:
    """Frames of 12 min with a pause of two hours before frame 5: t_h = 0.2 h per frame, and 2 h more from there."""
    text = TEXTS["trackmate-spots"][1]([(1, t, 4.0, 2.0 * t) for t in range(9)], SCALE)
    for t in range(8, 4, -1):
        text = text.replace(f",{720.0 * t},{t},", f",{720.0 * t + 7200},{t},")
    (tmp_path / "t.csv").write_text(text)
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert found.tracks["t_h"].tolist() == pytest.approx([0.2 * t + 2 * (t >= 5) for t in range(9)])
    assert any("not equally far apart" in note for note in found.notes)


def test_depth_is_projected_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("track_id,t,z,y,x\n1,0,2.5,3,4\n1,1,7,4,6\n")
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert found.tracks["x_px"].tolist() == [4, 6]
    assert found.notes[0].startswith("Positions differ in z (2.5 to 7): the tracks were projected")


# Points without a track, gaps, ids


def test_points_without_a_track_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("particle,frame,y,x\n1,0,3,4\n,0,9,9\n-1,1,8,8\n1,1,4,5\n")
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert found.tracks["y_px"].tolist() == [3, 4]
    assert found.notes == ("2 of 4 points belong to no track and were left out.",)
    (tmp_path / "t.csv").write_text("particle,frame,y,x\n,0,3,4\n,1,9,9\n")
    assert "found 2 points, but none that belongs to a track" in error_of(
        lambda: open_tracks(tmp_path / "t.csv", GIVEN)
    )


def test_points_that_a_program_made_up_are_gaps(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "ID,t,x,y,z,parent,root,dummy\n1,0,4,3,0,1,1,False\n1,1,5,3,0,1,1,True\n1,2,6,3,0,1,1,0\n"
    )
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert found.tracks["frame"].tolist() == [0, 2]
    assert found.notes == ("btrack saw no cell at 1 point, left out as gaps.",)


def test_frames_without_a_position_are_gaps_in_idtracker(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("frame,identity,x,y\n0,1,4,3\n1,1,,\n2,1,6,5\n")
    assert read_tracks(tmp_path / "t.csv", SCALE)["frame"].tolist() == [0, 2]


TIDY = """frame,time,individual,x,y,probability
0,0.000,0,4.250,3.500,9.900e-01
0,0.000,1,20.000,11.000,nan
1,0.100,0,5.250,3.500,9.900e-01
1,0.100,1,nan,nan,nan
2,0.200,0,6.250,3.500,2.000e-01
2,0.200,1,21.000,11.000,8.000e-01
"""


def test_idtrackers_tidy_table_is_read_by_its_frames(tmp_path: Path) -> None:
    """Individuals count from 0, times are those of the video; where one was not seen there is no point."""
    (tmp_path / "trajectories_tidy.csv").write_text(TIDY)
    found = open_tracks(tmp_path / "trajectories_tidy.csv", GIVEN)
    assert found.kind == "idtracker"
    rows = found.tracks.set_index(["track_id", "frame"])
    assert rows.index.tolist() == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 2)]
    assert tuple(rows.loc[(1, 0), ["y_px", "x_px"]]) == (3.5, 4.25)
    assert rows.loc[(1, 2), "t_h"] == pytest.approx(2 * SCALE.frame_interval_h)
    [note] = found.notes
    assert "unsure whose 2 of 5 points are" in note


def test_a_tidy_table_without_probability_is_read_with_a_note(tmp_path: Path) -> None:
    text = "\n".join(line.rpartition(",")[0] for line in TIDY.splitlines())
    (tmp_path / "t.csv").write_text(text)
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert len(found.tracks) == 5
    [note] = found.notes
    assert "no column probability" in note


def test_names_in_place_of_ids_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("particle,frame,y,x\nb-2,0,3,4\na-1,0,5,6\nb-2,1,4,5\n")
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert found.tracks["track_id"].tolist() == [1, 1, 2]
    [note] = found.notes
    assert note.startswith("Tracks were numbered anew: their names are not all whole numbers")
    assert "('b-2' is 1)" in note


# Lineages: T = 5, a cell divides after frame 1; both daughters are cells of their own, in every format.

DIVISION = {
    "ultrack": """track_id,t,y,x,id,parent_id
1,0,5,5,10,
1,1,5,6,11,10
2,2,4,7,12,11
2,3,3,8,14,12
3,2,6,7,13,11
""",
    "btrack": """ID,t,x,y,parent,root,generation,dummy
1,0,5,5,1,1,0,0
1,1,6,5,1,1,0,0
2,2,7,4,1,1,1,0
2,3,8,3,1,1,1,0
3,2,7,6,1,1,1,0
""",
    "cellprofiler": """ImageNumber,ObjectNumber,TrackObjects_Label_9,TrackObjects_ParentImageNumber_9,\
TrackObjects_ParentObjectNumber_9,Location_Center_X,Location_Center_Y
1,1,1,0,0,5,5
2,1,1,1,1,6,5
3,1,1,2,1,7,4
3,2,1,2,1,7,6
4,1,1,3,1,8,3
""",
    "laptrack-links": """source_frame,source_position_x,source_position_y,target_frame,target_position_x,\
target_position_y
0,5,5,1,6,5
1,6,5,2,7,4
1,6,5,2,7,6
2,7,4,3,8,3
""",
}


@pytest.mark.parametrize("kind", DIVISION)
def test_daughters_are_cells_of_their_own(kind: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(DIVISION[kind])
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    rows = found.tracks[["track_id", "frame", "y_px", "x_px"]].to_numpy().tolist()
    assert rows == [[1, 0, 5, 5], [1, 1, 5, 6], [2, 2, 4, 7], [2, 3, 3, 8], [3, 2, 6, 7]]
    assert found.tracks["parent_id"].fillna(0).tolist() == [0, 0, 1, 1, 1]
    assert found.notes == ("1 cell divides: tracks end there, and each daughter is a cell of its own (parent_id).",)


def test_what_fuses_is_a_new_cell(tmp_path: Path) -> None:
    header = DIVISION["laptrack-links"].splitlines()[0]
    (tmp_path / "t.csv").write_text(f"{header}\n0,5,5,1,6,5\n1,6,5,2,7,6\n1,8,7,2,7,6\n2,7,6,3,9,9\n")
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert found.tracks[["track_id", "frame"]].to_numpy().tolist() == [[1, 0], [1, 1], [2, 1], [3, 2], [3, 3]]
    assert "parent_id" not in found.tracks
    assert "fuse at 1 point:" in found.notes[0]


def test_displacements_are_added_up_and_marked(tmp_path: Path) -> None:
    """Steps (1, 2), (3, 4): positions 0, (1, 2), (4, 6) in x and y."""
    header = (
        "ImageNumber,ObjectNumber,TrackObjects_Label,TrackObjects_ParentImageNumber,TrackObjects_ParentObjectNumber,"
    )
    header += "TrackObjects_TrajectoryX,TrackObjects_TrajectoryY"
    (tmp_path / "t.csv").write_text(f"{header}\n1,1,1,0,0,0,0\n2,1,1,1,1,1,2\n3,1,1,2,1,3,4\n")
    found = open_tracks(tmp_path / "t.csv", GIVEN)
    assert found.relative
    assert found.tracks[["x_px", "y_px"]].to_numpy().tolist() == [[0, 0], [1, 2], [4, 6]]


def test_a_package_of_objects_and_links(tmp_path: Path) -> None:
    """Objects 0-1-2 and 3 in one link each; units are asked for."""
    (tmp_path / "objects.csv").write_text(
        "cmso_object_id,cmso_frame_id,cmso_x_coord,cmso_y_coord\n0,0,1,2\n1,1,3,4\n2,2,5,6\n3,2,7,8\n4,3,9,9\n"
    )
    (tmp_path / "links.csv").write_text("cmso_link_id,cmso_object_id\n0,2\n0,0\n0,1\n1,3\n1,4\n")
    assert "--position-unit" in error_of(lambda: open_tracks(tmp_path, GIVEN))
    found = open_tracks(tmp_path, Given(GIVEN.scale, "px"))
    assert found.kind == "cmso"
    assert found.tracks[["track_id", "frame", "x_px"]].to_numpy().tolist() == [
        [1, 0, 1], [1, 1, 3], [1, 2, 5], [2, 2, 7], [2, 3, 9],
    ]  # fmt: skip
    assert "Give the folder" in error_of(lambda: open_tracks(tmp_path / "objects.csv", GIVEN))


# Refusals


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ID,FRAME,POSITION_X,POSITION_Y\n1,0,2,3\n", "spots without the track they belong to"),
        ("spot_source_id,spot_target_id,link_cost\n1,2,3\n", "links between spots without their frames"),
        ("LABEL,TRACK_INDEX,TRACK_ID,NUMBER_SPOTS,TRACK_DURATION\na,0,0,5,4\n", "one row per track"),
        ("particle,frame,y\n1,0,2\n", "expected the columns of trackpy's tracks; it lacks ['x']"),
        ("particle;frame;y;x\n1;0;2;\n", "lacks a position"),
        ("particle,frame,y,x\n1,0,2,3\n1,half,4,5\n", "line 3: expected a number in 'frame', found 'half'"),
        ("particle,frame,y,x\n1,0,2,3\n1,1.5,4,5\n", "line 3: expected a whole number in 'frame', found '1.5'"),
        ("particle,frame,y,x\n1,,2,3\n", "line 2: expected a whole number in 'frame', found ''"),
        ("particle,frame,y,x\n1,0,2,3\n1,1,4,5,6\n", "line 3: expected 4 cells, as the header has"),
        ("particle,frame,y (inch),x (inch)\n1,0,2,3\n", "expected positions in µm or pixels, found ['inch']"),
        ("track_id,t,y,x,id,parent_id\n1,0,5,5,10,\n1,1,5,6,10,\n", "line 3: the point 10 is there twice"),
        ("Track n°,Slice n°,X,Y\n1,0,2,3\n", "expected frames from 1, as Fiji's Manual Tracking counts them, found 0"),
    ],
)
def test_what_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    assert words in error_of(lambda: open_tracks(tmp_path / "t.csv", GIVEN))


def test_arrays_that_are_no_tracks(tmp_path: Path) -> None:
    for array in (np.zeros((4, 3)), np.zeros((2, 3, 4)), np.array([{"a": 1}], object), np.zeros((2, 4), "U3")):
        np.save(tmp_path / "t.npy", array, allow_pickle=True)
        assert "expected an array of tracks" in error_of(lambda: open_tracks(tmp_path / "t.npy", GIVEN))
    (tmp_path / "t.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    assert "cannot be read" in error_of(lambda: open_tracks(tmp_path / "t.npy", GIVEN))


def test_a_spreadsheet_that_would_fill_the_memory(tmp_path: Path) -> None:
    """One cell far out: the grid of all cells up to it is refused before it is built."""
    pytest.importorskip("python_calamine")
    content = xlsx([["particle", "frame", "y", "x"], [1, 0, 2, 3]])
    (tmp_path / "t.xlsx").write_bytes(content)
    assert len(read_tracks(tmp_path / "t.xlsx", SCALE)) == 1
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(tmp_path / "far.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb'<row r="2">', b'<row r="9000000">', old.read(name)))
    assert "9000000 rows" in error_of(lambda: open_tracks(tmp_path / "far.xlsx", GIVEN))


def test_files_that_only_begin_like_one(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    pytest.importorskip("python_calamine")
    for head in (b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"MTrackJ\nPoint 1 2\n"):
        (tmp_path / "t").write_bytes(head + b"nothing more")
        assert str(tmp_path / "t") in error_of(lambda: open_tracks(tmp_path / "t", GIVEN))


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("somanet.core.extras._found", lambda name: False)
    for head in (b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"):
        (tmp_path / "t").write_bytes(head)
        assert "pip install 'somanet[track-files]'" in error_of(lambda: open_tracks(tmp_path / "t", GIVEN))
