"""TrackMate's XML of versions 3 to 8: what it says of the movie is used and checked, and lineages are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.tracking.ctc import read_ctc, write_ctc
from somanet.tracking.exchange import write_geff, write_trackmate
from somanet.tracking.formats import Given, open_tracks, read_tracks, scale_in_file
from somanet.tracking.points import tracks_from_points
from tests.tracking.worlds import draw

SCALE = Calibration(pixel_size_um=1.28, frame_interval_min=24.0)
MOVIE = Given(FileCalibration(1.28, 24.0), n_frames=12, shape_YX=(200, 256))
OUTLINE = ' ROI_N_POINTS="3">-2.0 -1.0 2.0 -1.0 0.0 3.0</Spot>'


def xml(
    folder: Path,
    *,
    units: str = "µm",
    times: str = "sec",
    pixel: float = 1.28,
    interval: float = 1440.0,
    n_frames: int = 12,
    name: str = "movie.tif",
    edges: list[tuple[int, int]] | None = None,
    depth: float = 0.0,
    outlines: bool = False,
) -> Path:
    """One cell that moves 2 px to the right per frame from (80, 50) px, in frames of 200 × 256 px."""
    spots = ""
    for t in range(12):
        spots += f'<SpotsInFrame frame="{t}"><Spot ID="{t}" name="ID{t}" FRAME="{t}" POSITION_T="{t * interval}" '
        spots += f'POSITION_X="{(50 + 2 * t) * pixel}" POSITION_Y="{80 * pixel}" POSITION_Z="{depth * t}" RADIUS="5" '
        spots += f'QUALITY="1" VISIBILITY="1"{OUTLINE if outlines else "/>"}</SpotsInFrame>'
    pairs = [(t, t + 1) for t in range(11)] if edges is None else edges
    links = "".join(f'<Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}"/>' for a, b in pairs)
    track = f'<Track name="Track_0" TRACK_ID="0">{links}</Track>' if pairs else ""
    kept = '<TrackID TRACK_ID="0"/>' if pairs else ""
    path = folder / "t.xml"
    text = f'<?xml version="1.0" encoding="UTF-8"?><TrackMate version="8.0.0"><Model spatialunits="{units}" '
    text += f'timeunits="{times}"><AllSpots nspots="12">{spots}</AllSpots><AllTracks>{track}</AllTracks>'
    text += f'<FilteredTracks>{kept}</FilteredTracks></Model><Settings><ImageData filename="{name}" folder="" '
    text += f'width="256" height="200" nslices="1" nframes="{n_frames}" pixelwidth="{pixel}" pixelheight="{pixel}" '
    text += f'voxeldepth="1.0" timeinterval="{interval}"/></Settings></TrackMate>'
    path.write_text(text, encoding="utf-8")
    return path


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(SomaNetError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("outlines", [False, True])
def test_its_own_scale_is_used_where_none_is_given(outlines: bool, tmp_path: Path) -> None:
    path = xml(tmp_path, outlines=outlines)
    assert scale_in_file(path) == FileCalibration(1.28, 24.0)
    found = open_tracks(path)
    assert found.scale == SCALE
    assert found.tracks["x_px"].tolist() == pytest.approx([50 + 2 * t for t in range(12)])
    assert found.tracks["t_h"].tolist() == pytest.approx([0.4 * t for t in range(12)])
    assert open_tracks(path, MOVIE).tracks.equals(found.tracks)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"scale": FileCalibration(0.64, 24.0)}, "its pixels are 1.28 µm wide, the movie's 0.64"),
        ({"scale": FileCalibration(1.28, 12.0)}, "its frames are 24 min apart, the movie's 12"),
        ({"n_frames": 24}, "it is of 12 frames, the movie of 24"),
        ({"shape_YX": (256, 200)}, "its frames are 200 × 256 px, the movie's 256 × 200"),
    ],
)
def test_tracks_of_another_movie_are_refused(changed: dict[str, object], words: str, tmp_path: Path) -> None:
    assert words in error_of(lambda: open_tracks(xml(tmp_path), replace(MOVIE, **changed)))  # type: ignore[arg-type]


def test_every_second_frame_is_refused_with_all_numbers(tmp_path: Path) -> None:
    twice = Given(FileCalibration(1.28, 12.0), n_frames=24, shape_YX=(200, 256))
    error = error_of(lambda: open_tracks(xml(tmp_path), twice))
    assert "24 min apart, the movie's 12; it is of 12 frames, the movie of 24" in error


def test_a_file_without_its_movie_says_nothing_of_its_size(tmp_path: Path) -> None:
    assert len(open_tracks(xml(tmp_path, name=""), replace(MOVIE, n_frames=24)).tracks) == 12


@pytest.mark.parametrize(("units", "um"), [("micron", 1.0), ("micrometer", 1.0), ("nm", 1e-3), ("mm", 1e3)])
def test_units_of_length(units: str, um: float, tmp_path: Path) -> None:
    found = open_tracks(xml(tmp_path, units=units, pixel=1.28 / um))
    assert found.scale.pixel_size_um == pytest.approx(1.28)
    assert found.tracks["x_px"].iloc[0] == pytest.approx(50)


@pytest.mark.parametrize("pixel", [1.0, 1.28])
def test_positions_in_pixels(pixel: float, tmp_path: Path) -> None:
    """They are pixels times the width, whatever it is called; and the width is no size in µm."""
    path = xml(tmp_path, units="pixel", pixel=pixel)
    assert scale_in_file(path) == FileCalibration(None, 24.0)
    found = open_tracks(path, Given(FileCalibration(0.5, None)))
    assert found.tracks["x_px"].iloc[0] == pytest.approx(50)
    assert found.tracks["x_um"].iloc[0] == pytest.approx(25)
    assert "pixel size of these tracks" in error_of(lambda: open_tracks(path))


@pytest.mark.parametrize(
    ("times", "interval", "minutes"),
    [
        ("sec", 1440, 24),
        ("min", 24, 24),
        ("hour", 0.4, 24),
        ("days", 1 / 60, 24),
        ("sec", 1, None),
        ("frame", 1, None),
        ("sec", 0, None),
    ],
)
def test_units_of_time(times: str, interval: float, minutes: float | None, tmp_path: Path) -> None:
    """1 s is what Fiji says of a movie whose interval nobody set."""
    path = xml(tmp_path, times=times, interval=interval)
    assert scale_in_file(path).frame_interval_min == minutes
    assert open_tracks(path, MOVIE).scale == SCALE
    if minutes is None:
        assert "frame interval of these tracks" in error_of(lambda: open_tracks(path))


def changed_spots(path: Path, change: Callable[[ET.Element], object]) -> Path:
    """Change every spot of a file of ours."""
    tree = ET.parse(path)
    for spot in tree.getroot().iter("Spot"):
        change(spot)
    tree.write(path)
    return path


def test_a_file_that_contradicts_itself_is_refused_with_both_numbers(tmp_path: Path) -> None:
    late = changed_spots(xml(tmp_path), lambda spot: spot.set("POSITION_T", str(2 * float(spot.attrib["POSITION_T"]))))
    assert "24 min apart (timeinterval), its spots' times 48 min" in error_of(lambda: open_tracks(late))
    short = Given(FileCalibration(1.28, 24.0))
    assert "of 9 frames (nframes), and has spots in frame 11" in error_of(
        lambda: open_tracks(xml(tmp_path, n_frames=9), short)
    )
    wide = changed_spots(xml(tmp_path), lambda spot: spot.set("POSITION_X", str(300.0 * 1.28)))
    assert "a width of 256 px, and a spot is at x = 300 px" in error_of(lambda: open_tracks(wide))


def test_spots_at_1_s_each_have_unknown_times(tmp_path: Path) -> None:
    """The scale was set in Fiji after the tracks were made."""
    path = changed_spots(xml(tmp_path), lambda spot: spot.set("POSITION_T", spot.attrib["FRAME"]))
    assert open_tracks(path).scale == SCALE


def test_spots_without_tracks_are_an_error(tmp_path: Path) -> None:
    assert "found 12 spots in 0 tracks" in error_of(lambda: open_tracks(xml(tmp_path, edges=[])))


def test_depth_is_said(tmp_path: Path) -> None:
    assert any("differ in z (0 to 5.5)" in note for note in open_tracks(xml(tmp_path, depth=0.5)).notes)


def test_loose_spots_are_counted(tmp_path: Path) -> None:
    found = open_tracks(xml(tmp_path, edges=[(0, 1), (1, 3)]))
    assert found.tracks["frame"].tolist() == [0, 1, 3]
    assert found.notes == ("9 of 12 spots are in no track that passes the filters, and were left out.",)


# T = 4: 1 divides into 2 and 3 after frame 1; 4 is alone.
FAMILY = draw("""
1.....4  1....4.  2....4.  2......
1.....4  1....4.  ...3.4.  ...3...
""")
MOTHERS = {2: 1, 3: 1}


def family() -> pd.DataFrame:
    points = [
        (1, 0, 0.5, 0.0),
        (1, 1, 0.5, 0.0),
        (2, 2, 0.0, 0.0),
        (2, 3, 0.0, 0.0),
        (3, 2, 1.0, 3.0),
        (3, 3, 1.0, 3.0),
    ]
    points += [(4, 0, 0.5, 6.0), (4, 1, 0.5, 5.0), (4, 2, 0.5, 5.0)]
    table = pd.DataFrame(points, columns=["track_id", "frame", "y_px", "x_px"])
    parents = table["track_id"].map(MOTHERS).astype("Int64")
    return tracks_from_points(table.assign(parent_id=parents), SCALE, "the test")


def lineage(tracks: pd.DataFrame) -> set[tuple[tuple[float, float], ...]]:
    """Each cell's first point with that of its mother, whatever the ids."""
    first = tracks.drop_duplicates("track_id").set_index("track_id")
    return {
        tuple((float(first.loc[cell, "frame"]), float(first.loc[cell, "x_px"])) for cell in family_of)  # type: ignore[arg-type]
        for family_of in first["parent_id"].dropna().items()
    }


@pytest.mark.parametrize("kind", ["csv", "trackmate", "geff", "ctc"])
def test_divisions_come_back_from_every_format_that_has_them(kind: str, tmp_path: Path) -> None:
    if kind == "geff":
        pytest.importorskip("geff")
    tracks = family()
    if kind == "csv":
        tracks.to_csv(tmp_path / "t.csv", index=False)
        back = read_tracks(tmp_path / "t.csv", SCALE)
    elif kind == "ctc":
        write_ctc(tmp_path / "RES", FAMILY, tracks)
        assert (tmp_path / "RES" / "res_track.txt").read_text() == "1 0 1 0\n2 2 3 1\n3 2 3 1\n4 0 2 0\n"
        back = read_ctc(tmp_path / "RES", SCALE)
    else:
        (write_trackmate if kind == "trackmate" else write_geff)(tmp_path / "t", tracks, SCALE)
        back = read_tracks(tmp_path / "t", SCALE)
    assert lineage(back) == lineage(tracks) == {((2.0, 0.0), (0.0, 0.0)), ((2.0, 3.0), (0.0, 0.0))}
    assert back.groupby("track_id").size().tolist().count(2) == 3


def test_a_mother_that_was_deleted_is_no_mother() -> None:
    tracks = family().query("track_id != 1")
    assert tracks_from_points(tracks, SCALE, "the test")["parent_id"].isna().all()
