"""Every table of tracks through the real command: speeds as pandas alone computes them, divisions alike, workbooks."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import Calibration, FileCalibration
from somanet.tracking.formats import Given, open_tracks
from tests.cli.invoking import refusal, run
from tests.tracking.foreign import SUFFIXES, Shown, lines, rows_of, workbook, write_foreign

UM, MIN = 0.5, 12.0
SCALE = Calibration(UM, MIN)
PIXEL = ("--pixel-size-um", UM)
INTERVAL = ("--frame-interval-min", MIN)
N_FRAMES = 25
HOURS = (N_FRAMES - 1) * MIN / 60


def walkers() -> pd.DataFrame:
    """T = 25; four cells that wander, numbered from 2, as ilastik does; y ≠ x."""
    rng = np.random.default_rng(5)
    rows = []
    for cell in range(2, 6):
        y, x = (np.cumsum(rng.normal(0, 3, (N_FRAMES, 2)), axis=0) + np.array([40 * cell, 300 - 30 * cell])).T
        rows += [(cell, t, round(y[t], 3), round(x[t], 3)) for t in range(N_FRAMES)]
    return pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px"])


def speeds(table: pd.DataFrame, um: float) -> list[float]:
    """Path over time of each cell in µm/h, of columns k, y, x in the table's order: pandas alone."""
    steps = table.astype({"y": float, "x": float}).groupby("k", sort=False)[["y", "x"]].diff()
    path = np.hypot(steps["y"], steps["x"]).groupby(table["k"], sort=False).sum()
    return sorted(path * um / HOURS)


def measured(output: Path) -> list[float]:
    return sorted(pd.read_csv(output / "migration.csv")["average_speed_um_per_h"])


def columns(k: str | list[str], y: str, x: str, um: float = UM, **how: object) -> Callable[[Path], list[float]]:
    """Read a file by pandas, with the columns of its program."""

    def read(path: Path) -> list[float]:
        table = pd.read_csv(path, **how)  # type: ignore[call-overload]
        names = table[k].astype(str).agg("-".join, axis=1) if isinstance(k, list) else table[k]
        return speeds(pd.DataFrame({"k": names, "y": table[y], "x": table[x]}), um)

    return read


def icy(path: Path) -> list[float]:
    blocks = [block.splitlines() for block in path.read_text().split("track #") if block.strip()]
    found = [
        pd.read_csv(io.StringIO("\n".join(block[2:])), sep="\t", header=None).assign(k=i)
        for i, block in enumerate(blocks)
    ]
    return speeds(pd.concat(found, ignore_index=True).rename(columns={3: "x", 4: "y"}), UM)


def mtrackj(path: Path) -> list[float]:
    words = pd.Series(path.read_text().splitlines()).str.split()
    track = words.where(words.str[0] == "Track").str[1].ffill()
    points = words.str[0] == "Point"
    return speeds(pd.DataFrame({"k": track, "x": words.str[2], "y": words.str[3]})[points], UM)


def links(path: Path) -> list[float]:
    table = pd.read_csv(path)
    length = np.hypot(
        table["target_position_x"] - table["source_position_x"], table["target_position_y"] - table["source_position_y"]
    )
    return sorted(length.groupby(table["track_id"]).sum() * UM / HOURS)


def hdf5(path: Path) -> list[float]:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        coords = pd.DataFrame(file["objects/obj_type_1/coords"][()]).rename(columns={1: "x", 2: "y"})
        members, bounds = file["tracks/obj_type_1/tracks"][()], file["tracks/obj_type_1/map"][()].astype(int)
    cells = [coords.loc[[m for m in members[a:b] if m >= 0]].assign(k=i) for i, (a, b) in enumerate(bounds)]
    return speeds(pd.concat(cells, ignore_index=True), UM)


def mia(path: Path) -> list[float]:
    calamine = pytest.importorskip("python_calamine")
    header, *rows = calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    table = pd.DataFrame(rows, columns=header)
    names = {"PARENT_ID // Tracks": "k", "SPOT_DETECT // Y_CENTROID_(PX)": "y", "SPOT_DETECT // X_CENTROID_(PX)": "x"}
    return speeds(table.rename(columns=names), UM)


TAB = {"sep": "\t"}
READERS: dict[str, Callable[[Path], list[float]]] = {
    "trackmate-spots": columns("TRACK_ID", "POSITION_Y", "POSITION_X", 1, skiprows=[1, 2, 3]),
    "trackmate-old": columns("TRACK_ID", "POSITION_Y", "POSITION_X", 1),
    "imaris": columns("TrackID", "Position Y", "Position X", 1, skiprows=3),
    "ultrack": columns("track_id", "y", "x"),
    "laptrack-links": links,
    "cellprofiler": columns("TrackObjects_Label_15", "Location_Center_Y", "Location_Center_X"),
    "icy": icy,
    "mtrackj": mtrackj,
    "celldetective": columns("TRACK_ID", "POSITION_Y", "POSITION_X"),
    "celltrackr": columns("id", "y", "x", 1, sep=" "),
    "manual": columns("Track n°", "Y", "X", **TAB),
    "btrack": columns("ID", "y", "x"),
    "trackpy": columns("particle", "y", "x"),
    "laptrack": columns("track_id", "centroid-0", "centroid-1"),
    "mosaic": columns("Trajectory", "y", "x", **TAB),
    "cellmia": columns("ID of track", "cell row", "cell col", **TAB),
    "idtracker": columns("identity", "y", "x"),
    "ilastik": columns("trackId", "Object_Center_1", "Object_Center_0"),
    "cell-acdc": columns("Cell_ID", "y_centroid", "x_centroid"),
    "nis-elements": columns(["Tree ID", "ID"], "PositionY [µm]", "PositionX [µm]", 1, **TAB),
    "harmony": columns("Object ID", "Y", "X", **TAB),
    "napari-z": columns("track_id", "y", "x"),
    "npy": lambda path: speeds(pd.DataFrame(np.load(path), columns=["k", "t", "y", "x"]), UM),
    "hdf5": hdf5,
    "mia": mia,
}
"""Kind → the speeds in its file, by pandas; positions in µm have a factor of 1."""
OWN_TIMES = ("trackmate-spots", "idtracker", "nis-elements", "harmony")
"""Kinds that state the unit of their times, and so need no interval."""
SAID = {"trackmate-old": ("um", "frame"), "celltrackr": ("um", "s"), "harmony": ("px", "s")}


@pytest.mark.parametrize("kind", SUFFIXES)
def test_speeds_are_those_of_the_file(kind: str, tmp_path: Path) -> None:
    """From the file to `migration.csv`, within 1 %; from points that all formats share, so that they agree, too."""
    path = tmp_path / f"t{SUFFIXES[kind]}"
    write_foreign(path, kind, walkers(), SCALE)
    wanted = READERS[kind](path)
    same = walkers().rename(columns={"track_id": "k", "y_px": "y", "x_px": "x"})
    assert wanted == pytest.approx(speeds(same, UM), rel=1e-6), "the reader in this test is wrong"
    options = PIXEL if kind in OWN_TIMES else (*PIXEL, *INTERVAL)
    if kind in SAID:
        position, time = SAID[kind]
        words = ("--position-unit", position, *(("--time-unit", time) if kind == "celltrackr" else ()))
        options = (*options, *words)
    output = run("tracks", "measure", path, *options, "--output", tmp_path / "out")
    assert measured(tmp_path / "out") == pytest.approx(wanted, rel=0.01)
    assert (f"The frame interval of {MIN:g} min is that of the file's own times" in output) == (kind in OWN_TIMES)


@pytest.mark.parametrize(("length", "um"), [("px", UM), ("µm", 1.0), ("nm", 1e-3), ("mm", 1e3)])
@pytest.mark.parametrize(("time", "per_hour"), [("sec", 3600), ("min", 60), ("h", 1), ("ms", 3.6e6), ("days", 1 / 24)])
def test_units_of_the_header(length: str, um: float, time: str, per_hour: float, tmp_path: Path) -> None:
    """The same cells in every pair of units; the interval is the table's own."""
    cells = (
        (k, t * MIN / 60 * per_hour, y * UM / um, x * UM / um) for k, t, y, x in rows_of(walkers().query("frame < 9"))
    )
    (tmp_path / "t.csv").write_text(lines(f"track,t [{time}],y [{length}],x [{length}]", cells), encoding="utf-8")
    found = open_tracks(tmp_path / "t.csv", Given(FileCalibration(UM, None))).tracks
    wanted = walkers().query("frame < 9")
    assert found["x_um"].to_numpy() == pytest.approx(wanted["x_px"].to_numpy() * UM, rel=1e-6)
    assert found["t_h"].to_numpy() == pytest.approx(wanted["frame"].to_numpy() * MIN / 60, rel=1e-6, abs=1e-9)


# The interval that a table states itself


def seconds(path: Path, step_s: float, frames: range = range(N_FRAMES)) -> Path:
    cells = ((k, t * step_s, y, x) for k, t, y, x in rows_of(walkers()) if t in frames)
    path.write_text(lines("track,t [sec],y_px,x_px", cells))
    return path


def test_the_interval_of_the_table_is_taken_or_contradicted(tmp_path: Path) -> None:
    table = seconds(tmp_path / "t.csv", 720)
    run("tracks", "measure", table, *PIXEL, "--output", tmp_path / "own")
    run("tracks", "measure", table, *PIXEL, *INTERVAL, "--output", tmp_path / "given")
    assert measured(tmp_path / "own") == measured(tmp_path / "given")
    for wrong in (5, 6, 24):
        error = refusal("tracks", "measure", table, *PIXEL, "--frame-interval-min", wrong, "--output", tmp_path / "no")
        assert f"its times are 12 min apart, the frame interval given is {wrong} min" in error
        assert "Leave --frame-interval-min out" in error
    assert not (tmp_path / "no").exists()


def test_times_at_a_second_each_stand_for_frames(tmp_path: Path) -> None:
    table = seconds(tmp_path / "t.csv", 1)
    error = refusal("tracks", "measure", table, *PIXEL, "--output", tmp_path / "out")
    assert error.endswith("Give --frame-interval-min.")
    run("tracks", "measure", table, *PIXEL, *INTERVAL, "--output", tmp_path / "out")
    assert measured(tmp_path / "out") == pytest.approx(
        speeds(walkers().rename(columns={"track_id": "k", "y_px": "y", "x_px": "x"}), UM), rel=0.01
    )


def test_a_pause_and_a_start_long_ago(tmp_path: Path) -> None:
    """Frames of 12 min with a pause of 127 min before frame 10, counted from a date: the times stay the file's."""
    cells = [(k, 1.7e9 + t * 720 + 7620 * (t >= 10), y, x) for k, t, y, x in rows_of(walkers())]
    (tmp_path / "t.csv").write_text(lines("track,time_s,y_px,x_px", cells))
    found = open_tracks(tmp_path / "t.csv", Given(FileCalibration(UM, None)))
    assert found.scale.frame_interval_min == pytest.approx(MIN)
    times = sorted(found.tracks["t_h"].unique())
    assert times == pytest.approx([0.2 * t + 127 / 60 * (t >= 10) for t in range(N_FRAMES)], abs=1e-5)
    assert any("since a date long ago" in note for note in found.notes)
    assert any("not equally far apart" in note for note in found.notes)


# Divisions: one test for all formats. A cell of two points divides after frame 1; both daughters have two points.

FAMILY = pd.DataFrame(
    [(2, 0, 5.0, 5.0), (2, 1, 5.0, 6.0), (3, 2, 4.0, 7.0), (3, 3, 3.0, 8.0), (4, 2, 6.0, 7.0), (4, 3, 7.0, 9.0)],
    columns=["track_id", "frame", "y_px", "x_px"],
)
MOTHERS = {
    "ultrack": "track_id,t,y,x,id,parent_id\n2,0,5,5,10,\n2,1,5,6,11,10\n3,2,4,7,12,11\n3,3,3,8,14,12\n4,2,6,7,13,11\n"
    "4,3,7,9,15,13\n",
    "btrack": "ID,t,x,y,parent,root,dummy\n2,0,5,5,2,2,0\n2,1,6,5,2,2,0\n3,2,7,4,2,2,0\n3,3,8,3,2,2,0\n4,2,7,6,2,2,0\n"
    "4,3,9,7,2,2,0\n",
    "celldetective": "TRACK_ID,FRAME,POSITION_X,POSITION_Y,class_id,parent\n2,0,5,5,1,2\n2,1,6,5,1,2\n3,2,7,4,1,2\n"
    "3,3,8,3,1,2\n4,2,7,6,1,2\n4,3,9,7,1,2\n",
    "cellprofiler": "ImageNumber,ObjectNumber,TrackObjects_Label,TrackObjects_ParentImageNumber,"
    "TrackObjects_ParentObjectNumber,Location_Center_X,Location_Center_Y\n1,1,2,0,0,5,5\n2,1,2,1,1,6,5\n3,1,2,2,1,7,4\n"
    "3,2,2,2,1,7,6\n4,1,2,3,1,8,3\n4,2,2,3,2,9,7\n",
    "laptrack-links": "source_frame,source_position_x,source_position_y,target_frame,target_position_x,"
    "target_position_y\n0,5,5,1,6,5\n1,6,5,2,7,4\n1,6,5,2,7,6\n2,7,4,3,8,3\n2,7,6,3,9,7\n",
    "ilastik": "frame,labelimageId,trackId,lineageId,parentTrackId,mergerLabelId,Object_Center_0,Object_Center_1\n"
    "0,1,2,2,0,0,5,5\n1,1,2,2,0,0,6,5\n2,1,3,2,2,0,7,4\n2,2,4,2,2,0,7,6\n3,1,3,2,0,0,8,3\n3,2,4,2,0,0,9,7\n",
    "cell-acdc": "frame_i,Cell_ID,x_centroid,y_centroid,Cell_ID_tree,parent_ID_tree\n0,1,5,5,2,-1\n1,1,6,5,2,-1\n"
    "2,1,7,4,3,2\n2,9,7,6,4,2\n3,1,8,3,3,2\n3,9,9,7,4,2\n",
    "pixels": "track,time_min,y_px,x_px,parent_id\n2,0,5,5,\n2,12,5,6,\n3,24,4,7,2\n3,36,3,8,2\n"
    "4,24,6,7,2\n4,36,7,9,2\n",
    "csv": "track_id,frame,y_px,x_px,parent_id\n2,0,5,5,\n2,1,5,6,\n3,2,4,7,2\n3,3,3,8,2\n4,2,6,7,2\n4,3,7,9,2\n",
}
"""Formats that say which cell a cell comes from: in the words of their programs."""


def shape_of(tracks: pd.DataFrame) -> list[tuple[object, ...]]:
    """Cells by their points, and each one's mother: whatever the ids are."""
    cells = {
        k: tuple(map(tuple, rows[["frame", "y_px", "x_px"]].to_numpy().tolist()))
        for k, rows in tracks.groupby("track_id")
    }
    mothers = tracks.drop_duplicates("track_id").set_index("track_id")["parent_id"]
    return sorted((points, None if pd.isna(mothers[k]) else cells[mothers[k]]) for k, points in cells.items())


@pytest.mark.parametrize("kind", [*SUFFIXES, *sorted(set(MOTHERS) - set(SUFFIXES))])
def test_a_division_is_read_or_refused_in_every_format(kind: str, tmp_path: Path) -> None:
    """Where a format names mothers, daughters are cells of their own; elsewhere both are one track, and refused."""
    path = tmp_path / f"t{SUFFIXES.get(kind, '.csv')}"
    position, time = SAID.get(kind, (None, None))
    given = Given(FileCalibration(UM, MIN), position, time if kind == "celltrackr" else None)
    if kind in MOTHERS:
        path.write_text(MOTHERS[kind])
        found = open_tracks(path, given)
        wanted = FAMILY.assign(parent_id=FAMILY["track_id"].map({3: 2.0, 4: 2.0}))
        assert shape_of(found.tracks) == shape_of(wanted)
        assert "1 cell divides: tracks end there" in " ".join(found.notes)
        return
    if kind == "hdf5":
        pytest.importorskip("h5py")
    one_track = FAMILY.assign(track_id=2).sort_values("frame", kind="stable")
    write_foreign(path, kind, one_track, SCALE)
    error = refusal("tracks", "measure", path, *PIXEL, *INTERVAL, *options_for(kind), "--output", tmp_path / "out")
    assert "has two points in frame 2" in error
    assert "If it divides there" in error


def options_for(kind: str) -> tuple[str, ...]:
    position, time = SAID.get(kind, (None, None))
    return () if position is None else ("--position-unit", position, *(("--time-unit", "s") if time == "s" else ()))


# Workbooks as people keep them

HEADER: list[object] = ["track_id", "frame", "y_px", "x_px"]


def cells() -> list[list[object]]:
    return [list(row) for row in rows_of(walkers())]


SHEETS: dict[str, dict[str, list[list[object]]]] = {
    "one sheet": {"S": [HEADER, *cells()]},
    "the second sheet": {"Notes": [["made by", "Anna"], ["n", 4]], "Data": [HEADER, *cells()]},
    "titles above": {"S": [["Experiment 3, control"], [], ["by Anna"], HEADER, *cells()]},
    "columns to the left": {"S": [["", "", *HEADER], *(["", "", *row] for row in cells())]},
    "numbers as text": {"S": [HEADER, *([str(cell) for cell in row] for row in cells())]},
    "decimal commas": {"S": [HEADER, *([str(cell).replace(".", ",") for cell in row] for row in cells())]},
    "empty columns and rows": {"S": [[*HEADER, "", ""], *([*row, "", ""] for row in cells()), [], ["", ""]]},
    "the same sheet twice": {"A": [HEADER, *cells()], "B": [HEADER, *cells()]},
    "times of day": {
        "S": [["track", "time", "y_px", "x_px"], *([k, Shown(t / 120, 21), y, x] for k, t, y, x in rows_of(walkers()))]
    },
    "durations": {
        "S": [["track", "time", "y_px", "x_px"], *([k, Shown(t / 120, 46), y, x] for k, t, y, x in rows_of(walkers()))]
    },
    "dates": {
        "S": [
            ["track", "time", "y_px", "x_px"],
            *([k, Shown(45000.95 + t / 120, 22), y, x] for k, t, y, x in rows_of(walkers())),
        ]
    },
}
"""Of workbooks with times, the interval is 1/120 day = 12 min, and the dates run past midnight."""


@pytest.mark.parametrize("kind", SHEETS)
def test_workbooks(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    (tmp_path / "t.xlsx").write_bytes(workbook(SHEETS[kind]))
    options = PIXEL if kind in ("times of day", "durations", "dates") else (*PIXEL, *INTERVAL)
    run("tracks", "measure", tmp_path / "t.xlsx", *options, "--output", tmp_path / "out")
    same = walkers().rename(columns={"track_id": "k", "y_px": "y", "x_px": "x"})
    assert measured(tmp_path / "out") == pytest.approx(speeds(same, UM), rel=0.01)


@pytest.mark.parametrize(
    ("sheets", "words"),
    [
        ({"A": [HEADER, *cells()], "B": [HEADER, *cells()[:50]]}, "two tables of them: sheet 'A' and sheet 'B'"),
        ({"S": [HEADER]}, "found a header without a row below"),
        ({"S": []}, "found no table"),
        ({"S": [HEADER, *cells(), ["mean", "", 12.5, 3]]}, "line 102: expected a whole number in 'frame', found ''"),
        (
            {"S": [["track", "time", "y_px", "x_px"], [1, "23:48:00", 1, 2], [1, "0:00:00", 1, 3]]},
            "line 3: expected times that increase along each track, found '0:00:00'",
        ),
        (
            {"S": [["track", "time", "y_px", "x_px"], [1, "5/31/2024", 1, 2], [1, "6/1/2024", 1, 3]]},
            "expected a number, or a time such as 0:12:00",
        ),
    ],
)
def test_workbooks_that_are_refused(sheets: dict[str, list[list[object]]], words: str, tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    (tmp_path / "t.xlsx").write_bytes(workbook(sheets))
    assert words in refusal("tracks", "measure", tmp_path / "t.xlsx", *PIXEL, *INTERVAL, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# What is no table of tracks, and what to name instead


def test_the_spots_beside_edges_are_named(tmp_path: Path) -> None:
    (tmp_path / "a-edges.csv").write_text("LABEL,TRACK_ID,SPOT_SOURCE_ID,SPOT_TARGET_ID\na,1,2,3\n")
    (tmp_path / "a-tracks.csv").write_text("LABEL,TRACK_ID,NUMBER_SPOTS,TRACK_DURATION\na,1,2,3\n")
    for name in ("a-edges.csv", "a-tracks.csv"):
        error = refusal("tracks", "measure", tmp_path / name, *PIXEL, "--output", tmp_path / "out")
        assert "or" in error.rsplit("Give the XML file", 1)[1]
    write_foreign(tmp_path / "a-spots.csv", "trackmate-spots", walkers(), SCALE)
    for name in ("a-edges.csv", "a-tracks.csv"):
        error = refusal("tracks", "measure", tmp_path / name, *PIXEL, "--output", tmp_path / "out")
        assert error.endswith("Give a-spots.csv, which lies beside it.")
    run("tracks", "measure", tmp_path / "a-spots.csv", *PIXEL, "--output", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Row\tTimepoint\tObject No\tPosition X [µm]\tPosition Y [µm]\n1\t0\t1\t2\t3\n", "Harmony's objects"),
        ("object_id,timestep,Center of the object_0,Center of the object_1\n1,0,2,3\n", "ilastik's objects"),
        ("Frame,X1,Y1,Flag1,X2,Y2,Flag2\n1,2,3,,4,5,\n", "side by side, as MTrack2"),
    ],
)
def test_tables_that_are_no_tracks(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    assert words in refusal("tracks", "measure", tmp_path / "t.csv", *PIXEL, *INTERVAL, "--output", tmp_path / "out")


def test_ids_of_points_are_not_taken_for_tracks(tmp_path: Path) -> None:
    """The column of the tracks is found wherever it stands; without one, the ids of points are refused."""
    header, rows = "id,label,track_id,frame,x,y", rows_of(walkers())
    (tmp_path / "t.csv").write_text(
        lines(header, ((i, f"spot {i}", k, t, x, y) for i, (k, t, y, x) in enumerate(rows)))
    )
    found = open_tracks(tmp_path / "t.csv", Given(FileCalibration(UM, MIN), "px")).tracks
    assert found["track_id"].tolist() == walkers()["track_id"].tolist()
    (tmp_path / "t.csv").write_text(lines("particle,frame,x,y", ((i, t, x, y) for i, (_, t, y, x) in enumerate(rows))))
    error = refusal("tracks", "measure", tmp_path / "t.csv", *PIXEL, *INTERVAL, "--output", tmp_path / "out")
    assert "each of its 100 points is a track of its own" in error


def test_what_ilastik_cut_out_of_clusters_without_a_place(tmp_path: Path) -> None:
    """A point at 0, 0 of an object of a cluster is a gap; track −1 is none."""
    header = "frame,labelimageId,trackId,lineageId,parentTrackId,mergerLabelId,Object_Center_0,Object_Center_1"
    (tmp_path / "t.csv").write_text(f"{header}\n0,1,2,2,0,0,5,4\n1,1,2,2,0,7,0,0\n2,1,2,2,0,7,6,4\n2,2,-1,-1,0,0,9,9\n")
    found = open_tracks(tmp_path / "t.csv", Given(FileCalibration(UM, MIN)))
    assert found.tracks["frame"].tolist() == [0, 2]
    assert any("at 0, 0, which" in note and "cut out of a cluster" in note for note in found.notes)
    assert "1 of 4 points belong to no track and were left out." in found.notes


def test_cells_of_cell_acdc_without_a_tree(tmp_path: Path) -> None:
    """Its tree's columns are −1 where no lineages were made: the cells are then those of `Cell_ID`."""
    header = "frame_i,Cell_ID,x_centroid,y_centroid,Cell_ID_tree,parent_ID_tree"
    (tmp_path / "t.csv").write_text(lines(header, ((t, k, x, y, -1, -1) for k, t, y, x in rows_of(walkers()))))
    found = open_tracks(tmp_path / "t.csv", Given(FileCalibration(UM, MIN)))
    assert found.tracks["track_id"].tolist() == walkers()["track_id"].tolist()
    assert found.notes == ()


def test_whole_pixels_are_pointed_out(tmp_path: Path) -> None:
    """ilastik's centres without a fraction; the error of rounding is uniform, 1/√12 px."""
    whole = walkers().round()
    write_foreign(tmp_path / "t.csv", "cell-acdc", whole, SCALE)
    [note] = open_tracks(tmp_path / "t.csv", Given(FileCalibration(UM, MIN))).notes
    assert "All positions are whole pixels: rounding adds about 0.3 px" in note
    assert 1 / np.sqrt(12) == pytest.approx(0.3, abs=0.02)


def test_several_positions_of_a_stage(tmp_path: Path) -> None:
    write_foreign(tmp_path / "t.txt", "nis-elements", walkers(), SCALE)
    text = (tmp_path / "t.txt").read_text(encoding="utf-8")
    (tmp_path / "t.txt").write_text(text.replace("Point\t1\t5\t1", "Point\t1\t5\t2"), encoding="utf-8")
    error = refusal("tracks", "measure", tmp_path / "t.txt", *PIXEL, "--output", tmp_path / "out")
    assert "found 2 values in the column 'ND.M'" in error
