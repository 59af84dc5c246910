"""Tracks that other programs wrote about real cells: every file against parsers of the standard library alone."""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.migration.cells import migration_of
from somanet.migration.kinematics import steps_of
from somanet.tracking.formats import Given, open_tracks

PIXEL_UM, INTERVAL_MIN = 0.5, 12.0
GIVEN = Given(FileCalibration(PIXEL_UM, INTERVAL_MIN), position_unit="px")
Point = tuple[float, float, float]
"""Frame, y and x in the file's units."""
Step = tuple[Point, Point]


def steps_of_tracks(rows: Iterable[tuple[object, Point]]) -> list[Step]:
    """Steps between the points of each track in turn."""
    tracks: dict[object, list[Point]] = defaultdict(list)
    for track, point in rows:
        tracks[track].append(point)
    return [step for points in tracks.values() for step in itertools.pairwise(sorted(points))]


def steps_of_links(points: Mapping[object, Point], links: Iterable[tuple[object, object]]) -> list[Step]:
    """Links from one point to one other: those at which cells divide or fuse are no steps of a cell."""
    ordered = {tuple(sorted(pair, key=lambda node: points[node][0])) for pair in links}
    after, before = (Counter(pair[end] for pair in ordered) for end in (0, 1))
    return [(points[a], points[b]) for a, b in ordered if after[a] == 1 and before[b] == 1]


def trackmate(path: Path) -> list[Step]:
    root = ET.parse(path).getroot()
    names = ("FRAME", "POSITION_Y", "POSITION_X")
    points = {spot.attrib["ID"]: tuple(float(spot.attrib[name]) for name in names) for spot in root.iter("Spot")}
    kept = {track.attrib["TRACK_ID"] for track in root.iter("TrackID")}
    tracks = [track for track in root.iter("Track") if track.attrib["TRACK_ID"] in kept]
    edges = [(e.attrib["SPOT_SOURCE_ID"], e.attrib["SPOT_TARGET_ID"]) for track in tracks for e in track.iter("Edge")]
    return steps_of_links(points, edges)  # type: ignore[arg-type]


def rows(path: Path, *, skip: int = 0, by: str = ",", encoding: str = "utf-8") -> Iterable[dict[str, str]]:
    with path.open(newline="", encoding=encoding) as file:
        for _ in range(skip):
            next(file)
        yield from csv.DictReader(file, delimiter=by)


def table(track: str, frame: str, y: str, x: str, **how: object) -> Callable[[Path], list[Step]]:
    def read(path: Path) -> list[Step]:
        found = rows(path, **how)  # type: ignore[arg-type]
        return steps_of_tracks((row[track], (float(row[frame]), float(row[y]), float(row[x]))) for row in found)

    return read


def motile(path: Path) -> list[Step]:
    found = list(rows(path))
    points = {row["id"]: (float(row["t"]), float(row["y"]), float(row["x"])) for row in found}
    return steps_of_links(points, [(row["parent_id"], row["id"]) for row in found if row["parent_id"]])  # type: ignore[arg-type]


def links(path: Path) -> list[Step]:
    pairs = [
        tuple(
            tuple(float(row[f"{end}_{name}"]) for name in ("frame", "position_y", "position_x"))
            for end in ("source", "target")
        )
        for row in rows(path)
    ]
    return steps_of_links({point: point for pair in pairs for point in pair}, pairs)  # type: ignore[arg-type,misc]


def cellprofiler(path: Path) -> list[Step]:
    """Displacements since the parent, at the point that has one: as from (0, 0)."""
    found = list(rows(path))
    point = {(int(row["ImageNumber"]), int(row["ObjectNumber"])): row for row in found}
    parents = {
        key: (
            int(float(row["TrackObjects_ParentImageNumber_15"])),
            int(float(row["TrackObjects_ParentObjectNumber_15"])),
        )
        for key, row in point.items()
    }
    children = Counter(parents.values())
    steps = []
    for key, parent in parents.items():
        if parent in point and children[parent] == 1:
            move = [float(point[key][f"TrackObjects_Trajectory{axis}_15"]) for axis in "YX"]
            steps.append(((float(parent[0]), 0.0, 0.0), (float(key[0]), move[0], move[1])))
    return steps


def cmso(folder: Path) -> list[Step]:
    points = {
        row["cmso_object_id"]: tuple(float(row[name]) for name in ("cmso_frame_id", "cmso_y_coord", "cmso_x_coord"))
        for row in rows(folder / "objects.csv")
    }
    members: dict[str, list[str]] = defaultdict(list)
    for row in rows(folder / "links.csv"):
        members[row["cmso_link_id"]].append(row["cmso_object_id"])
    ordered = [sorted(nodes, key=lambda node: points[node][0]) for nodes in members.values()]
    return steps_of_links(points, [pair for nodes in ordered for pair in itertools.pairwise(nodes)])  # type: ignore[arg-type]


def mtrackj(path: Path) -> list[Step]:
    found, place = [], {}
    for line in path.read_text().splitlines():
        words = line.split()
        if words[0] in ("Assembly", "Cluster", "Track"):
            place[words[0]] = words[1]
        elif words[0] == "Point":
            found.append((tuple(place.values()), (float(words[5]), float(words[3]), float(words[2]))))
    return steps_of_tracks(found)


def icy(path: Path) -> list[Step]:
    calamine = pytest.importorskip("python_calamine")
    found, track = [], 0
    for row in calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python():
        track += row[0] == "track #"
        if isinstance(row[2], float | int) and row[0] != "track #":
            found.append((track, (float(row[2]), float(row[4]), float(row[3]))))
    return steps_of_tracks(found)


def btrack_hdf5(path: Path) -> list[Step]:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        coords = file["objects/obj_type_1/coords"][()].astype(float)
        members, bounds = (file[f"tracks/obj_type_1/{name}"][()].astype(int) for name in ("tracks", "map"))
    found = [
        (track, (coords[i, 0], coords[i, 2], coords[i, 1]))
        for track, (a, b) in enumerate(bounds)
        for i in members[a:b]
        if i >= 0
    ]
    return steps_of_tracks(found)


CELLMIA = table("ID of track", "time index", "cell row", "cell col", by="\t", encoding="cp1252")
TRACKS: dict[str, tuple[str, float, Callable[[Path], list[Step]]]] = {
    "biotracks": ("cmso", PIXEL_UM, cmso),
    "biotracks/0001_mode1_z000_f000_tracking.txt": ("cellmia", PIXEL_UM, CELLMIA),
    "biotracks/FakeTracks1.xml": ("trackmate", PIXEL_UM, trackmate),
    "biotracks/FakeTracks2.xml": ("trackmate", PIXEL_UM, trackmate),
    "biotracks/bloboverlap15_spots.csv": ("cellprofiler-steps", PIXEL_UM, cellprofiler),
    "biotracks/overlap15_embryos.csv": ("cellprofiler-steps", PIXEL_UM, cellprofiler),
    "biotracks/icy.xls": ("icy", PIXEL_UM, icy),
    "biotracks/mosaic_tracks.csv": ("mosaic", PIXEL_UM, table("Trajectory", "Frame", "y", "x", by="\t")),
    "btrack/tracks.csv": ("btrack", PIXEL_UM, table("ID", "t", "y", "x")),
    "btrack/tracks.h5": ("btrack", PIXEL_UM, btrack_hdf5),
    "geff/FakeTracks.xml": ("trackmate", 1.0, trackmate),
    "imaris/DemoDataset1_20190523_CD8green_Position.csv": (
        "imaris", 1.0, table("TrackID", "Time", "Position Y", "Position X", skip=3),
    ),
    "mdf/example.mdf": ("mtrackj", PIXEL_UM, mtrackj),
    "mdf/test_mdf.mdf": ("mtrackj", PIXEL_UM, mtrackj),
    "motile/hela_example_tracks.csv": ("ultrack", PIXEL_UM, motile),
    "pytrackmate/FakeTracks.xml": ("trackmate", PIXEL_UM, trackmate),
}  # fmt: skip
"""File → its format, µm in its unit of length, and steps by a parser of our own."""
REFUSED = {
    "biotracks/objects.csv": "one table of a CMSO package. Give the folder",
    "biotracks/links.csv": "one table of a CMSO package. Give the folder",
    "biotracks/tracks.csv": "one table of a CMSO package. Give the folder",
    "biotracks/biotracks.ini": "expected a table of tracks",
    "biotracks/dp.json": "expected a table of tracks",
    "biotracks/readme.md": "expected a table of tracks",
    "imaris/BEHAV3D_metadata.csv": "expected a table of tracks",
}
"""File that is no tracks → why."""
for kind in ("with_gap_closing", "with_merging", "with_splitting", "with_splitting_merging", "without_gap_closing"):
    name = f"laptrack/trackmate_tracks_{kind}"
    TRACKS[f"{name}.xml"] = ("trackmate", PIXEL_UM, trackmate)
    TRACKS[f"{name}.csv"] = ("laptrack-links", PIXEL_UM, links)
    REFUSED[f"{name}_edges.csv"] = "links between spots without their frames and positions"
    REFUSED[f"{name}_spots.csv"] = "spots without the track they belong to"


def place(data_root: Path, name: str) -> Path:
    path = data_root / "wild" / "tracks" / name
    if not path.exists():
        pytest.skip("these tracks are not there")
    return path


def speeds(steps: Iterable[Step], um_per_unit: float) -> list[float]:
    """µm/h of each step from a frame to the next one; steps across missing frames do not count."""
    hours = INTERVAL_MIN / 60
    return [um_per_unit * math.dist(a[1:], b[1:]) / hours for a, b in steps if abs(b[0] - a[0]) == 1]


@pytest.mark.real
@pytest.mark.parametrize("name", TRACKS)
def test_speeds_are_those_of_the_file(data_root: Path, name: str) -> None:
    path = place(data_root, name)
    kind, um_per_unit, parse = TRACKS[name]
    expected = np.sort(speeds(parse(path), um_per_unit))
    pixel_um = None if name.startswith("geff") else PIXEL_UM
    unit = None if kind in ("trackmate", "imaris") else "px"  # these say it themselves
    given = Given(FileCalibration(pixel_um, INTERVAL_MIN), position_unit=unit)
    found = open_tracks(path, given)
    steps = steps_of(found.tracks)
    measured = np.sort(steps.speed_um_per_h[~steps.gap])
    assert found.kind == kind
    assert len(measured) == len(expected) > 4
    np.testing.assert_allclose(measured, expected, rtol=1e-4, atol=1e-3)
    assert np.mean(measured) == pytest.approx(np.mean(expected), rel=1e-6)


def chained(steps: Iterable[Step]) -> list[list[Point]]:
    """The points of each cell, from the step that begins it to the one that ends it."""
    following = dict(steps)
    starts = set(following) - set(following.values())
    found = []
    for point in starts:
        track = [point]
        while track[-1] in following:
            track.append(following[track[-1]])
        found.append(track)
    return found


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["motile/hela_example_tracks.csv", "laptrack/trackmate_tracks_with_gap_closing.xml", "btrack/tracks.csv"]
)
def test_numbers_of_cells_are_those_of_the_file(data_root: Path, name: str) -> None:
    """Path, net displacement, observed time and velocity of every cell, by plain arithmetic from its points."""
    path = place(data_root, name)
    kind, um_per_unit, parse = TRACKS[name]
    unit = None if kind == "trackmate" else "px"
    tracks = open_tracks(path, Given(FileCalibration(PIXEL_UM, INTERVAL_MIN), position_unit=unit)).tracks
    expected = []
    for points in chained(parse(path)):
        (t0, y0, x0), (t1, y1, x1) = points[0], points[-1]
        pairs = list(itertools.pairwise(points))
        hours = (t1 - t0) * INTERVAL_MIN / 60
        expected.append(
            {
                "n_frames": len(points),
                "start_h": t0 * INTERVAL_MIN / 60,
                "observed_h": sum(b[0] - a[0] == 1 for a, b in pairs) * INTERVAL_MIN / 60,
                "path_um": um_per_unit * sum(math.dist(a[1:], b[1:]) for a, b in pairs),
                "net_um": um_per_unit * math.hypot(y1 - y0, x1 - x0),
                "velocity_y_um_per_h": um_per_unit * (y1 - y0) / hours,
                "velocity_x_um_per_h": um_per_unit * (x1 - x0) / hours,
            }
        )
    order = ["start_h", "n_frames", "path_um", "net_um"]
    wanted = pd.DataFrame(expected).sort_values(order, ignore_index=True)
    cells = migration_of(tracks, drift="none").cells
    cells = cells[cells["n_frames"] > 1].sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(cells[list(wanted)], wanted, check_dtype=False, rtol=1e-5, atol=1e-5)


@pytest.mark.real
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_tracks_is_refused_by_its_reason(data_root: Path, name: str) -> None:
    with pytest.raises(SomaNetError) as caught:
        open_tracks(place(data_root, name), GIVEN)
    assert REFUSED[name] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.real
def test_every_file_is_one_or_the_other(data_root: Path) -> None:
    root = place(data_root, "")
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {name for name in found if not name.endswith("SOURCE.txt")} == (set(TRACKS) | set(REFUSED)) - {"biotracks"}
