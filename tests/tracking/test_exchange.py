"""Files of other programs: round trips, and invalid files refused in one line."""

import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.tracking.exchange import (
    CtcMasks,
    read_ctc,
    write_csv,
    write_ctc,
    write_geff,
    write_napari,
    write_trackmate,
)
from somanet.tracking.formats import read_tracks
from somanet.tracking.geffs import raw_geff
from somanet.tracking.points import tracks_from_points
from somanet.tracking.relabel import relabel_movie
from tests.tracking.worlds import draw

SCALE = Calibration(pixel_size_um=1.28, frame_interval_min=12.0)
NAMES = list(TRACKS.names)


def table(points: list[tuple[int, int, float, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(points, columns=["track_id", "frame", "y_px", "x_px"])
    return tracks_from_points(frame, SCALE, "the test")


# Track 2 has a gap in frame 2, track 5 is detected once, ids have gaps.
POINTS = [
    (2, 0, 1.5, 20.25),
    (2, 1, 2.5, 21.0),
    (2, 3, 3.0, 22.0),
    (5, 1, 7.0, 0.5),
    (9, 2, 4.0, 4.0),
    (9, 3, 5.0, 4.5),
]

FORMATS: dict[str, Callable[..., None]] = {
    "csv": write_csv,
    "napari.csv": write_napari,
    "xml": lambda path, tracks: write_trackmate(path, tracks, SCALE),
    "geff": lambda path, tracks: write_geff(path, tracks, SCALE),
}


def needs(kind: str) -> None:
    if kind == "geff":
        pytest.importorskip("geff")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("points", [POINTS, POINTS[:1], []])
def test_round_trip(kind: str, points: list[tuple[int, int, float, float]], tmp_path: Path) -> None:
    needs(kind)
    write = FORMATS[kind]
    tracks = table(points)
    write(tmp_path / f"tracks.{kind}", tracks)
    back = read_tracks(tmp_path / f"tracks.{kind}", SCALE)
    pd.testing.assert_frame_equal(back[NAMES], tracks, rtol=1e-8)


POINT = st.tuples(st.integers(1, 4), st.integers(0, 6), st.floats(0, 500), st.floats(0, 900))


@pytest.mark.parametrize("kind", ["csv", "napari.csv", "xml"])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(POINT, unique_by=lambda point: point[:2], max_size=12))
def test_round_trip_of_any_tracks(kind: str, points: list[tuple[int, int, float, float]], tmp_path: Path) -> None:
    test_round_trip(kind, points, tmp_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_moved_point_comes_back_moved(kind: str, tmp_path: Path) -> None:
    """The round trip can fail."""
    needs(kind)
    write = FORMATS[kind]
    tracks = table(POINTS)
    write(tmp_path / "tracks", table([*POINTS[:-1], (9, 3, 6.0, 4.5)]))
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(read_tracks(tmp_path / "tracks", SCALE)[NAMES], tracks)


@pytest.mark.parametrize("kind", ["csv", "geff"])
def test_further_columns_come_along(kind: str, tmp_path: Path) -> None:
    needs(kind)
    write = FORMATS[kind]
    tracks = table(POINTS).assign(area_um2=np.arange(6.0), label=np.arange(6))
    write(tmp_path / "tracks", tracks)
    back = read_tracks(tmp_path / "tracks", SCALE)
    assert back["area_um2"].tolist() == tracks["area_um2"].tolist()
    assert back["label"].tolist() == tracks["label"].tolist()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda tracks: pd.concat([tracks, tracks.iloc[2:3]]), "track 2 has two points in frame 3"),
        (lambda tracks: tracks.drop(columns="x_um"), r"lacks \['x_um'\]"),
        (lambda tracks: tracks.assign(track_id=tracks["track_id"] - 2), "ids from 1"),
        (lambda tracks: tracks.assign(frame=-1 - tracks["frame"]), "frames from 0"),
        (lambda tracks: tracks.assign(y_px=np.nan), "lacks a position"),
    ],
)
def test_nonsense_is_not_written(kind: str, spoil: Callable[..., pd.DataFrame], words: str, tmp_path: Path) -> None:
    needs(kind)
    with pytest.raises(SomaNetError, match=words) as caught:
        FORMATS[kind](tmp_path / "tracks", spoil(table(POINTS)))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# CSV


def test_napari_is_in_frames_and_pixels(tmp_path: Path) -> None:
    write_napari(tmp_path / "n.csv", table(POINTS[:1]))
    assert (tmp_path / "n.csv").read_text() == "track_id,t,y,x\n2,0,1.5,20.25\n"


def test_ids_from_0_are_raised(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("track_id,t,y,x\n0,0,1,2\n3,1,1,2\n")
    assert read_tracks(tmp_path / "n.csv", SCALE)["track_id"].tolist() == [1, 4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("track_id,t,y\n1,0,2\n", r"lacks \['x'\]"),
        ("track_id,t,y,x\n1,0,2,3\n1,0,4,5\n", "two points in frame 0"),
        ("track_id,t,y,x\n1,0.5,2,3\n", "whole number"),
        ("track_id,t,y,x\n1,0,,3\n", "lacks a position"),
        ("", "empty"),
    ],
)
def test_bad_napari_tables(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text(text)
    with pytest.raises(SomaNetError, match=words):
        read_tracks(tmp_path / "n.csv", SCALE)


# TrackMate


def trackmate(path: Path, change: Callable[[ET.Element], object]) -> Path:
    write_trackmate(path, table(POINTS), SCALE)
    root = ET.parse(path).getroot()
    change(root)
    ET.ElementTree(root).write(path)
    return path


def part(root: ET.Element, path: str) -> ET.Element:
    found = root.find(path)
    assert found is not None
    return found


def test_trackmate_is_in_micrometres_and_hours(tmp_path: Path) -> None:
    """Point (3.0, 22.0) px of frame 3: 3.84 and 28.16 µm, 0.6 h."""
    write_trackmate(tmp_path / "t.xml", table(POINTS), SCALE)
    root = ET.parse(tmp_path / "t.xml").getroot()
    spot = part(root, "Model/AllSpots/SpotsInFrame[@frame='3']/Spot")
    values = [float(spot.attrib[name]) for name in ("POSITION_Y", "POSITION_X", "POSITION_T", "FRAME")]
    assert values == pytest.approx([3.84, 28.16, 0.6, 3])
    assert [track.get("TRACK_ID") for track in root.iter("Track")] == ["2", "9"]
    assert len(list(root.iter("Edge"))) == 3


def test_trackmate_finds_what_it_opens_no_file_without(tmp_path: Path) -> None:
    """Filters, and the movie to display behind the tracks."""
    write_trackmate(tmp_path / "t.xml", table(POINTS), SCALE, movie=tmp_path / "movie.tif")
    settings = part(ET.parse(tmp_path / "t.xml").getroot(), "Settings")
    found = {child.tag for child in settings}
    assert found == {"ImageData", "InitialSpotFilter", "SpotFilterCollection", "TrackFilterCollection"}
    image = part(settings, "ImageData").attrib
    assert (image["folder"], image["filename"]) == ("", "movie.tif")


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("movie.tif", "movie.tif"),
        ("movies/movie.tif", "movies/movie.tif"),
        ("../movie.tif", "../movie.tif"),
        ("../../raw/movie.tif", "../../raw/movie.tif"),
        ("../../../far/movie.tif", "movie.tif"),  # only its name: the path would lead through other folders
        ("/elsewhere/ana/movie.tif", "movie.tif"),
    ],
)
def test_trackmate_files_name_no_folders_of_the_computer(file: str, named: str, tmp_path: Path) -> None:
    """TrackMate looks for the folder and name, then for the name as seen from the XML file."""
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    write_trackmate(place / "t.xml", table(POINTS), SCALE, movie=place / file)
    image = part(ET.parse(place / "t.xml").getroot(), "Settings/ImageData").attrib
    assert (image["folder"], image["filename"]) == ("", named)
    assert str(tmp_path) not in (place / "t.xml").read_text(encoding="utf-8")


def test_filtered_tracks_and_loose_spots_stay_out(tmp_path: Path) -> None:
    def change(root: ET.Element) -> None:
        part(root, "Model/FilteredTracks").remove(part(root, "Model/FilteredTracks/TrackID[@TRACK_ID='9']"))
        part(root, "Model/AllSpots/SpotsInFrame/Spot[@name='track 5']").set("name", "ID7")

    assert set(read_tracks(trackmate(tmp_path / "t.xml", change), SCALE)["track_id"]) == {2}


def test_trackmate_in_pixels(tmp_path: Path) -> None:
    """Positions are pixels times the pixel's width, also where nobody named the unit."""
    path = trackmate(tmp_path / "t.xml", lambda root: part(root, "Model").set("spatialunits", "pixel"))
    assert read_tracks(path, SCALE)["y_px"].iloc[0] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: part(root, "Model").set("spatialunits", "inch"), "'inch'"),
        (
            lambda root: part(root, "Settings/ImageData").attrib.update(pixelwidth="2", pixelheight="2"),
            "2 µm wide, those given 1.28. Is it for another movie",
        ),
        (lambda root: part(root, "Settings/ImageData").set("pixelwidth", "2"), "square pixels"),
        (lambda root: part(root, "Settings/ImageData").set("timeinterval", "0.4"), "24 min apart.*12 min"),
        (lambda root: part(root, "Model/AllSpots/SpotsInFrame/Spot").attrib.pop("FRAME"), "lacks a number"),
        (lambda root: part(root, "Model/AllTracks/Track/Edge").set("SPOT_TARGET_ID", "99"), r"\[99\]"),
        (lambda root: root.remove(part(root, "Model")), "expected a TrackMate file"),
    ],
)
def test_bad_trackmate_files(change: Callable[[ET.Element], object], words: str, tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=words) as caught:
        read_tracks(trackmate(tmp_path / "t.xml", change), SCALE)
    assert "\n" not in str(caught.value)


def test_no_xml(tmp_path: Path) -> None:
    (tmp_path / "t.xml").write_text("track_id,t")
    with pytest.raises(SomaNetError, match="TrackMate XML"):
        read_tracks(tmp_path / "t.xml", SCALE)
    with pytest.raises(SomaNetError, match="no such file"):
        read_tracks(tmp_path / "u.xml", SCALE)


# GEFF


def test_geff_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "geff", None)
    for call in (lambda: write_geff(tmp_path / "g", table(POINTS), SCALE), lambda: raw_geff(tmp_path / "g")):
        with pytest.raises(SomaNetError, match=r"somanet\[geff\]"):
            call()


def test_geff_is_valid_and_has_units(tmp_path: Path) -> None:
    geff = pytest.importorskip("geff")
    write_geff(tmp_path / "g.geff", table(POINTS), SCALE)
    geff.validate_structure(str(tmp_path / "g.geff"))
    axes = {axis.name: axis for axis in geff.GeffMetadata.read(str(tmp_path / "g.geff")).axes}
    assert (axes["t"].scale, axes["t"].scaled_unit) == (12.0, "minute")
    assert (axes["y"].scale, axes["y"].scaled_unit) == (1.28, "micrometer")


def test_no_geff(tmp_path: Path) -> None:
    pytest.importorskip("geff")
    with pytest.raises(SomaNetError, match="expected a GEFF folder") as caught:
        raw_geff(tmp_path)
    assert "\n" not in str(caught.value)


# Cell Tracking Challenge: T = 4, Y = 3, X = 7. Track 3 is missed in frame 2, track 8 enters in frame 1.
CELLS = draw("""
33.....  .33....  .......  ..33...
33.....  .33..88  .....88  ..33...
.......  .....88  .....88  .......
""")


def cells() -> pd.DataFrame:
    points = [(int(i), t, *np.argwhere(f == i).mean(0)) for t, f in enumerate(CELLS) for i in np.unique(f[f > 0])]
    return table(points)


def test_ctc_round_trip(tmp_path: Path) -> None:
    write_ctc(tmp_path / "RES", CELLS, cells())
    back = read_ctc(tmp_path / "RES", SCALE)
    pd.testing.assert_frame_equal(back[NAMES], cells())
    movie = list(relabel_movie(CtcMasks(tmp_path / "RES"), back))
    np.testing.assert_array_equal(np.array(movie), CELLS)


def test_ctc_parts_of_a_track(tmp_path: Path) -> None:
    """After the gap cell 3 is label 9 with parent 3."""
    write_ctc(tmp_path / "RES", iter(CELLS), cells())
    names = ["mask000.tif", "mask001.tif", "mask002.tif", "mask003.tif", "res_track.txt"]
    assert sorted(path.name for path in (tmp_path / "RES").iterdir()) == names
    assert (tmp_path / "RES" / "res_track.txt").read_text() == "3 0 1 0\n8 1 2 0\n9 3 3 3\n"
    assert set(np.unique(CtcMasks(tmp_path / "RES")[3])) == {0, 9}


def test_ctc_without_cells(tmp_path: Path) -> None:
    write_ctc(tmp_path / "RES", np.zeros_like(CELLS), table([]))
    assert read_ctc(tmp_path / "RES", SCALE).empty


def test_ctc_daughters_are_cells_of_their_own(tmp_path: Path) -> None:
    write_ctc(tmp_path / "RES", CELLS, cells())
    (tmp_path / "RES" / "res_track.txt").write_text("3 0 1 0\n9 3 3 3\n8 1 2 0\n")
    assert set(read_ctc(tmp_path / "RES", SCALE)["track_id"]) == {3, 8}
    labels = draw("""
    1...  2...
    1...  ...3
    """)
    write_ctc(tmp_path / "RES", labels, table([(1, 0, 0.5, 0), (2, 1, 0, 0), (3, 1, 1, 3)]))
    (tmp_path / "RES" / "res_track.txt").write_text("1 0 0 0\n2 1 1 1\n3 1 1 1\n")
    assert set(read_ctc(tmp_path / "RES", SCALE)["track_id"]) == {1, 2, 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3 0 1 0\n8 1 2 0\n", "label 9 of frame 3 is in the image"),
        ("3 0 2 0\n8 1 2 0\n9 3 3 3\n", "label 3 of frame 2 is in the table"),
        ("3 0 1\n", "line 1"),
        ("3 0 1 0\n3 1 2 0\n", "line 2"),
        ("3 0 1 0\n8 1 2 3\n9 3 3 3\n", "does not end before"),
    ],
)
def test_bad_ctc_tables(text: str, words: str, tmp_path: Path) -> None:
    write_ctc(tmp_path / "RES", CELLS, cells())
    (tmp_path / "RES" / "res_track.txt").write_text(text)
    with pytest.raises(SomaNetError, match=words):
        read_ctc(tmp_path / "RES", SCALE)


def test_bad_ctc_folders(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="number 0 is missing"):
        read_ctc(tmp_path, SCALE)
    write_ctc(tmp_path / "RES", CELLS, cells())
    (tmp_path / "RES" / "mask001.tif").unlink()
    with pytest.raises(SomaNetError, match="number 1 is missing"):
        read_ctc(tmp_path / "RES", SCALE)


def test_ctc_of_images_and_tracks_that_differ(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=r"labels \[8\]"):
        write_ctc(tmp_path / "RES", CELLS, cells().query("track_id == 3"))
    with pytest.raises(SomaNetError, match=r"\[3\], which the image lacks"):
        write_ctc(tmp_path / "RES", np.where(CELLS == 3, 0, CELLS), cells())
    assert list(tmp_path.iterdir()) == []
