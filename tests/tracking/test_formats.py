"""One interface to every format: recognition, round trips, and errors in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somanet.core.calibration import Calibration, FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.schema import TRACKS
from somanet.tracking.challenge import CtcCells
from somanet.tracking.exchange import scale_of_tracks
from somanet.tracking.formats import FORMATS, format_by_name, read_tracks, recognise, scale_in_file, write_tracks
from somanet.tracking.points import tracks_from_points
from tests.tracking.worlds import draw

SCALE = Calibration(pixel_size_um=1.28, frame_interval_min=12.0)
NAMES = list(TRACKS.names)
NAME = {
    "csv": "t.csv", "napari": "n.csv", "ctc": "RES", "geff": "t.geff", "trackmate": "t.xml", "deepcell": "t.trk",
    "labels": "t.tif",
}  # fmt: skip

# T = 4, Y = 3, X = 7. Track 3 is missed in frame 2, track 8 enters in frame 1.
CELLS = draw("""
33.....  .33....  .......  ..33...
33.....  .33..88  .....88  ..33...
.......  .....88  .....88  .......
""")


def table(*points: tuple[int, int, float, float], scale: Calibration = SCALE) -> pd.DataFrame:
    frame = pd.DataFrame(points, columns=["track_id", "frame", "y_px", "x_px"])
    return tracks_from_points(frame, scale, "the test")


def cells() -> pd.DataFrame:
    return table(*((int(i), t, *np.argwhere(f == i).mean(0)) for t, f in enumerate(CELLS) for i in np.unique(f[f > 0])))


def written(folder: Path, kind: str) -> Path:
    if kind == "geff":
        pytest.importorskip("geff")
    size = {"shape_YX": CELLS.shape[1:], "n_frames": len(CELLS)}
    write_tracks(folder / NAME[kind], cells(), SCALE, kind=kind, labels=CELLS, frames=CELLS, **size)
    return folder / NAME[kind]


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(SomaNetError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Every format


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_is_recognised_and_comes_back(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind)
    assert recognise(path).kind == kind
    pd.testing.assert_frame_equal(read_tracks(path, SCALE)[NAMES], cells(), rtol=1e-8)
    assert format_by_name(path) == (kind if kind != "napari" else "csv")


@pytest.mark.parametrize("kind", FORMATS)
def test_content_tells_not_the_name(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind)
    renamed = path.rename(tmp_path / "tracks.of anything")
    assert recognise(renamed).kind == kind


@pytest.mark.parametrize("kind", FORMATS)
def test_which_formats_hold_their_scale(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind)
    if kind in ("csv", "geff", "trackmate", "labels"):
        assert scale_in_file(path) == FileCalibration(1.28, 12.0)
        pd.testing.assert_frame_equal(read_tracks(path, None)[NAMES], cells(), rtol=1e-8)
    else:
        assert scale_in_file(path) == FileCalibration()
        assert "scale" in error_of(lambda: read_tracks(path, None))
        assert "--frame-interval-min" in error_of(lambda: read_tracks(path, None))


def test_trackmate_gets_the_size_of_the_frame(tmp_path: Path) -> None:
    text = written(tmp_path, "trackmate").read_text(encoding="utf-8")
    assert 'width="7" height="3"' in text


def test_what_a_format_needs(tmp_path: Path) -> None:
    assert "--labels" in error_of(lambda: write_tracks(tmp_path / "RES", cells(), SCALE, kind="ctc"))
    for kind in ("geff", "trackmate"):
        path = tmp_path / NAME[kind]
        assert "scale" in error_of(lambda path=path, kind=kind: write_tracks(path, cells(), None, kind=kind))
    assert "no track format 'xlsx'" in error_of(lambda: write_tracks(tmp_path / "t.xlsx", cells(), SCALE, kind="xlsx"))
    assert "'.xlsx'" in error_of(lambda: format_by_name("t.xlsx"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_folder_of_other_things_is_not_replaced(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("geff")
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "thesis.doc").write_text("years of work")
    error = error_of(lambda: write_tracks(tmp_path / "album", cells(), SCALE, kind=kind, labels=CELLS))
    assert f"contains files other than tracks in the format {kind} (thesis.doc)" in error
    assert (tmp_path / "album" / "thesis.doc").read_text() == "years of work"


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_format_is_replaced(kind: str, tmp_path: Path) -> None:
    written(tmp_path, kind)
    assert recognise(written(tmp_path, kind)).kind == kind


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nowhere", None, "no such file or folder"),
        ("empty.csv", "", "empty file"),
        ("t.csv", "track_id,frame,y_px\n1,0,2\n", r"it lacks ['x_px'] and has ['track_id', 'frame', 'y_px']"),
        (
            "t.csv",
            "a,b\n1,2\n",
            "or with the columns track_id, frame, y_px, x_px (in µm: y_um, x_um), found the columns ['a', 'b']",
        ),
        ("t.csv", "track,frame,y_px,x_px\n1,0,2,3\n1,0,4,5\n", "track 1 has two points in frame 0"),
        ("t.csv", "track,frame,y_px,x_px\n1,0,2,3\n1,one,4,5\n", "line 3: expected a whole number in 'frame'"),
        ("t.xml", "track_id,t", "cannot be read as XML"),
        ("t.xml", "<html/>", "found <html>"),
        ("t.xml", "<Tracks/>", "export of bare tracks"),
        ("t.tif", "II*\0\xff\xfe", "the TIFF is truncated"),
        ("t.trk", "\x1f\x8b\x08", "DeepCell"),
    ],
)
def test_what_is_no_tracks(name: str, content: str | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="latin-1")
    assert words in error_of(lambda: read_tracks(tmp_path / name, SCALE))


def test_folders_that_are_no_tracks(tmp_path: Path) -> None:
    assert "found an empty folder" in error_of(lambda: recognise(tmp_path))
    (tmp_path / "zarr.json").write_text('{"attributes": {"ome": {}}}')
    assert "found zarr.json" in error_of(lambda: recognise(tmp_path))
    (tmp_path / "zarr.json").write_text("{")
    assert "found zarr.json" in error_of(lambda: recognise(tmp_path))


# Plain points


def test_a_plain_table_of_a_reference(tmp_path: Path) -> None:
    """Point (3, 4) px of frame 5 at 2 µm and 30 min: 6 and 8 µm, 2.5 h."""
    (tmp_path / "t.csv").write_text("track,frame,y_px,x_px,note\n7,5,3,4,sure\n")
    back = read_tracks(tmp_path / "t.csv", Calibration(2.0, 30.0))
    assert back.to_dict("records") == [
        {"track_id": 7, "frame": 5, "t_h": 2.5, "y_px": 3, "x_px": 4, "y_um": 6, "x_um": 8, "note": "sure"}
    ]
    assert "lacks ['t_h', 'y_um', 'x_um']" in error_of(lambda: read_tracks(tmp_path / "t.csv", None))
    (tmp_path / "t.csv").write_text("track,frame,y_px,x_px\n")
    assert "a header without a row below" in error_of(lambda: read_tracks(tmp_path / "t.csv", SCALE))


POINT = st.tuples(st.integers(1, 4), st.integers(0, 6), st.floats(0, 500), st.floats(0, 900))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    points=st.lists(POINT, unique_by=lambda point: point[:2], min_size=1, max_size=12),
    dropped=st.sets(st.sampled_from(["t_h", "y_um", "x_um"])),
    renamed=st.booleans(),
)
def test_physical_columns_follow_from_the_scale(
    points: list[tuple[int, int, float, float]], dropped: set[str], renamed: bool, tmp_path: Path
) -> None:
    tracks = table(*points)
    changed = tracks.drop(columns=list(dropped)).rename(columns={"track_id": "track"} if renamed else {})
    changed.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(read_tracks(tmp_path / "t.csv", SCALE), tracks, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("calibration", [None, SCALE])
@pytest.mark.parametrize("column", ["t_h", "y_px", "x_um"])
def test_a_point_corrected_by_half_is_refused(calibration: Calibration | None, column: str, tmp_path: Path) -> None:
    tracks = cells()
    tracks.loc[4, column] += 3
    tracks.to_csv(tmp_path / "t.csv", index=False)
    error = error_of(lambda: read_tracks(tmp_path / "t.csv", calibration))
    assert "track 8" in error
    assert "1 of 5 points" in error


@pytest.mark.parametrize("other", [Calibration(1.3, 12.0), Calibration(1.28, 15.0)])
def test_another_scale_than_the_tables_is_refused(other: Calibration, tmp_path: Path) -> None:
    points = [(1, t, 100.0 + t, 300.0) for t in range(9)]
    write_tracks(tmp_path / "t.csv", table(*points), None, kind="csv")
    assert "another movie" in error_of(lambda: read_tracks(tmp_path / "t.csv", other))


def test_a_table_rounded_in_a_spreadsheet_is_accepted(tmp_path: Path) -> None:
    cells().round(2).to_csv(tmp_path / "t.csv", index=False)
    assert len(read_tracks(tmp_path / "t.csv", SCALE)) == len(cells())


@pytest.mark.parametrize("scale", [Calibration(0.3225, 5.0), Calibration(1 / 3, 20 / 60), Calibration(1.28, 12.0)])
def test_the_scale_of_a_table(scale: Calibration) -> None:
    found = scale_of_tracks(table((1, 0, 0.0, 0.0), (1, 1, 2.5, 0.0), (1, 7, 3.0, 99.9), scale=scale))
    assert found.pixel_size_um == pytest.approx(scale.pixel_size_um, rel=1e-6)
    assert found.frame_interval_min == pytest.approx(scale.frame_interval_min, rel=1e-6)


def test_a_table_that_tells_no_scale() -> None:
    assert scale_of_tracks(table()) == FileCalibration()
    assert scale_of_tracks(table((1, 0, 0.0, 0.0))) == FileCalibration()
    assert scale_of_tracks(table((1, 0, 0.0, 9.0))) == FileCalibration(1.28, None)


# Challenge folders


def test_a_reference_folder_is_read_from_its_part(tmp_path: Path) -> None:
    result = written(tmp_path, "ctc")
    (tmp_path / "GT").mkdir()
    inner = result.rename(tmp_path / "GT" / "TRA")
    for path in inner.glob("mask*"):
        path.rename(inner / path.name.replace("mask", "man_track"))
    (inner / "res_track.txt").rename(inner / "man_track.txt")
    for folder in (inner, inner.parent):
        assert recognise(folder).kind == "ctc"
        pd.testing.assert_frame_equal(read_tracks(folder, SCALE)[NAMES], cells())


def test_cells_over_gaps_and_no_mothers(tmp_path: Path) -> None:
    """After its gap cell 3 is label 9 with the parent 3 in the files: the same cell, and no division."""
    found = CtcCells(written(tmp_path, "ctc"))
    assert found.mothers == {}
    for _ in range(2):  # it can be read again
        np.testing.assert_array_equal(np.array(list(found)), CELLS)


def test_mothers(tmp_path: Path) -> None:
    """1 divides into 2 and 3; 3 goes on as 4 after a gap: 4 is 3 and comes from 1."""
    labels = draw("""
    1....  2...3  2....  2...3
    1....  2....  2....  2....
    """)
    points = [(int(i), t, 0.0, 0.0) for t, frame in enumerate(labels) for i in np.unique(frame[frame > 0])]
    write_tracks(tmp_path / "RES", table(*points), None, kind="ctc", labels=labels)
    (tmp_path / "RES" / "res_track.txt").write_text("1 0 0 0\n2 1 3 1\n3 1 1 1\n4 3 3 3\n")
    assert CtcCells(tmp_path / "RES").mothers == {2: 1, 3: 1}
