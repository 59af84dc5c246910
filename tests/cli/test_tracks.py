"""`somanet tracks convert` and `somanet tracks score` as a user runs them."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from somanet.core.calibration import Calibration
from somanet.core.schema import TRACKS
from somanet.io.images import read_labels, write_labels
from somanet.io.movies import write_movie
from somanet.tracking.formats import read_tracks, recognise, write_tracks
from somanet.tracking.points import tracks_from_points
from tests.cli import invoking
from tests.tracking.worlds import draw

run, refusal = partial(invoking.run, "tracks"), partial(invoking.refusal, "tracks")
SCALE = Calibration(pixel_size_um=2.0, frame_interval_min=30.0)
GIVEN = ("--pixel-size-um", 2, "--frame-interval-min", 30)

# T = 4, Y = 3, X = 8: two cells of 2x2 that stand still, 6 px = 12 µm apart; 2 is missed in frame 2.
CELLS = draw("""
11....22  11....22  11......  11....22
11....22  11....22  11......  11....22
........  ........  ........  ........
""")


def tracks_of(labels: np.ndarray) -> pd.DataFrame:
    rows = [(int(i), t, *np.argwhere(f == i).mean(0)) for t, f in enumerate(labels) for i in np.unique(f[f > 0])]
    points = pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px"])
    return tracks_from_points(points, SCALE, "the test")


def swapped() -> np.ndarray:
    """The cells with swapped ids from frame 2 on, and a false one in frame 0 at x = 3."""
    labels = CELLS.copy()
    labels[2:] = np.choose(CELLS[2:], [0, 2, 1])
    labels[0, 0, 3] = 7
    return labels


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Result (swapped) and reference as tables and as label movies, a plain reference, and the movie."""
    for name, labels in (("result", swapped()), ("reference", CELLS)):
        write_tracks(tmp_path / f"{name}.csv", tracks_of(labels), None, kind="csv")
        write_labels(tmp_path / f"{name}.tif", labels)
        write_tracks(tmp_path / f"{name}_folder", tracks_of(labels), None, kind="ctc", labels=labels)
    plain = tracks_of(CELLS).rename(columns={"track_id": "track"})[["track", "frame", "y_px", "x_px"]]
    plain.to_csv(tmp_path / "plain.csv", index=False)
    write_movie(tmp_path / "movie.tif", np.zeros(CELLS.shape, np.uint8), SCALE)
    noise = np.random.default_rng(2).integers(0, 200, (4, 30, 40)).astype(np.uint8)
    write_movie(tmp_path / "grey.tif", noise, SCALE)
    return tmp_path


# convert


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("t.csv", (), "csv"),
        ("t.csv", ("--to", "napari"), "napari"),
        ("t.xml", (), "trackmate"),
        ("t.geff", (), "geff"),
        ("RES", ("--labels", "reference.tif"), "ctc"),
        ("t.trk", ("--labels", "reference.tif", "--movie", "movie.tif"), "deepcell"),
        ("t.tif", ("--labels", "reference.tif"), "labels"),
    ],
)
def test_there_and_back(
    name: str, options: tuple[str, ...], kind: str, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SomaNet's own table needs no scale, other formats do: given, or from the movie."""
    if kind == "geff":
        pytest.importorskip("geff")
    monkeypatch.chdir(world)
    said = run("convert", "reference.csv", name, *options)
    assert f"Written: {name} ({kind}), 7 points of 2 tracks" in said
    assert "Next: " in said
    assert recognise(name).kind == kind
    for scale in (GIVEN, ("--movie", "movie.tif")):
        run("convert", name, "back.csv", *scale)
        pd.testing.assert_frame_equal(read_tracks("back.csv", None)[list(TRACKS.names)], tracks_of(CELLS))


def test_formats_of_masks_need_no_label_movie(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a challenge's folder to a .trk, to a label TIFF, and back to such a folder: the same masks."""
    monkeypatch.chdir(world)
    run("convert", "reference_folder", "t.trk", "--movie", "movie.tif")
    run("convert", "t.trk", "t.tif", *GIVEN)
    assert np.array_equal(tifffile.imread("t.tif"), CELLS)
    run("convert", "t.tif", "again", *GIVEN)
    masks = [read_labels(path) > 0 for path in sorted(Path("again").glob("mask*.tif"))]
    assert np.array_equal(masks, CELLS > 0)  # the format gives a cell another number behind a gap
    pd.testing.assert_frame_equal(read_tracks("again", SCALE)[list(TRACKS.names)], tracks_of(CELLS))


def test_the_movie_gives_trackmate_its_frame(world: Path) -> None:
    run("convert", world / "reference.csv", world / "t.xml", "--movie", world / "movie.tif")
    assert 'width="8" height="3"' in (world / "t.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("plain.csv t.csv", "--frame-interval-min"),
        ("plain.csv t.csv --pixel-size-um 2", "--frame-interval-min"),
        ("reference.csv t.csv --pixel-size-um 3 --frame-interval-min 30", "another movie"),
        ("reference.csv t.doc", "suffix '.doc'"),
        ("reference.csv t.csv --to excel", "no track format 'excel'"),
        ("reference.csv reference.csv", "is an input of this command"),
        ("reference.csv RES", "--labels"),
        ("reference.csv t.csv --labels reference.tif", "--labels is for formats of masks only"),
        ("reference.csv t.trk --labels reference.tif", "includes the images. Give the movie with --movie"),
        ("reference.csv t.trk --movie movie.tif", "--labels"),
        ("reference.csv t.csv --channel 0", "--channel is that of the --movie"),
        ("reference.csv RES --labels result.tif", "which no track has"),
        ("reference.csv album --labels reference.tif", "contains files that SomaNet did not write"),
        ("nowhere.csv t.csv", "no such file"),
        ("reference.csv t.xml --movie nowhere.tif", "no such file"),
    ],
)
def test_what_convert_refuses(arguments: str, words: str, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (world / "album").mkdir()
    (world / "album" / "thesis.doc").write_text("years of work")
    before = sorted(world.rglob("*"))
    monkeypatch.chdir(world)
    assert words in refusal("convert", *arguments.split())
    assert sorted(world.rglob("*")) == before


# score


def test_a_reference_against_itself(world: Path) -> None:
    pytest.importorskip("ctc_metrics")
    labels = ("--result-labels", world / "reference.tif", "--reference-labels", world / "reference.tif")
    few = ("--min-reference-frames", 1, "--output", world / "m.json")
    said = run("score", world / "reference.csv", world / "plain.csv", *labels, *few)
    found = json.loads((world / "m.json").read_text())
    assert (found["result"], found["reference"]) == ("reference.csv", "plain.csv")
    assert found["settings"]["max_distance_um"] == 8
    for part in ("points", "masks"):
        for name in ("DET", "TRA", "LNK", "HOTA", "IDF1", "precision", "recall", "followed"):
            assert found[part][name] == 1, (part, name)
    assert (found["points"]["SEG"], found["masks"]["SEG"]) == (None, 1)
    assert found["points"]["n_reference_tracks"] == 2
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line}
    assert rows["points"] == ["masks"]
    assert (rows["HOTA"], rows["SEG"]) == (["1.000", "1.000"], ["–", "1.000"])
    assert rows["n_reference_tracks"] == ["2", "2"]


def test_known_errors(world: Path) -> None:
    """Both cells switch ids once; of 8 detections 7 are correct; each of 7 cells is found."""
    pytest.importorskip("ctc_metrics")
    options = ("--min-reference-frames", 1, "--output", world / "m.json")
    run("score", world / "result.csv", world / "reference.csv", *options)
    found = json.loads((world / "m.json").read_text())["points"]
    assert (found["precision"], found["recall"], found["identity_switches"]) == (pytest.approx(7 / 8), 1, 2)
    assert found["followed"] == 0


def test_a_part_of_the_frame(world: Path) -> None:
    """From x = 4 on there are the 3 points of cell 2 only, before it 4 of cell 1 and what is false at 3."""
    pytest.importorskip("ctc_metrics")
    for ends, precision, n_reference in ((("--x-from", 4), 1, 1), (("--x-to", 4), 4 / 5, 1), ((), 7 / 8, 2)):
        options = ("--min-reference-frames", 1, *ends, "--output", world / "m.json")
        labels = ("--result-labels", world / "result.tif", "--reference-labels", world / "reference.tif")
        run("score", world / "result.csv", world / "reference.csv", *labels, *options)
        found = json.loads((world / "m.json").read_text())
        for part in ("points", "masks"):
            assert found[part]["precision"] == pytest.approx(precision)
            assert found[part]["n_reference_tracks"] == n_reference


def test_short_reference_tracks_and_the_distance(world: Path) -> None:
    """The cells have 4 and 3 frames. Moved by 1 px = 2 µm, nothing lies within 1.9 µm."""
    pytest.importorskip("ctc_metrics")
    moved = tracks_of(CELLS).drop(columns=["t_h", "y_um", "x_um"])
    moved.assign(y_px=moved["y_px"] + 1).to_csv(world / "moved.csv", index=False)
    for options, name, value in (
        (("--min-reference-frames", 4), "n_reference_tracks", 1),
        (("--min-reference-frames", 4, "--max-distance-um", 1.9), "recall", 0),
        (("--min-reference-frames", 4, "--max-distance-um", 2), "recall", 1),
    ):
        run("score", world / "moved.csv", world / "plain.csv", *GIVEN, *options, "--output", world / "m.json")
        assert json.loads((world / "m.json").read_text())["points"][name] == value


def test_reference_tracks_that_are_all_too_short_are_told(world: Path) -> None:
    """The longest of both has 4 frames, fewer than the 10 that count: the dashes have a reason, and 4 solves it."""
    pytest.importorskip("ctc_metrics")
    said = run("score", world / "result.csv", world / "reference.csv")
    assert "Nothing is scored by points: reference tracks of fewer than 10 frames are ignored" in said
    assert "of 2 the longest has 4. --min-reference-frames 4 or less" in said
    assert "Nothing" not in run("score", world / "result.csv", world / "reference.csv", "--min-reference-frames", 4)


def test_two_challenge_folders(world: Path) -> None:
    """Their masks need no scale; with one, the centres are scored too. A reference in the challenge's layout also gets
    the challenge's own scores, which agree."""
    pytest.importorskip("ctc_metrics")
    run("score", world / "result_folder", world / "reference_folder", "--output", world / "m.json")
    found = json.loads((world / "m.json").read_text())
    assert set(found) == {"result", "reference", "settings", "masks"}
    assert found["masks"]["identity_switches"] == 2
    inner = world / "GT" / "TRA"
    inner.parent.mkdir()
    (world / "reference_folder").rename(inner)
    for path in inner.glob("mask*"):
        path.rename(inner / path.name.replace("mask", "man_track"))
    (inner / "res_track.txt").rename(inner / "man_track.txt")
    for reference in (inner, inner.parent):
        run("score", world / "result_folder", reference, *GIVEN, "--output", world / "m.json")
        found = json.loads((world / "m.json").read_text())
        assert set(found) == {"result", "reference", "settings", "masks", "points", "challenge"}
        for name, value in found["challenge"].items():
            assert value == pytest.approx(found["masks"][name]), name
    run("score", world / "result_folder", inner, "--x-from", 4, "--output", world / "m.json")
    assert "challenge" not in json.loads((world / "m.json").read_text())


def test_lineages(world: Path) -> None:
    """They are traccuracy's; without it one line says how to get it."""
    pytest.importorskip("ctc_metrics")
    try:
        import traccuracy  # noqa: F401
    except ImportError:
        assert "somanet[traccuracy]" in refusal("score", world / "result.csv", world / "reference.csv", "--lineages")
        return
    run("score", world / "reference_folder", world / "reference_folder", "--lineages", "--output", world / "m.json")
    found = json.loads((world / "m.json").read_text())["masks"]
    assert (found["CHOTA"], found["complete_tracks"], found["n_reference_divisions"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("plain.csv plain.csv", "--frame-interval-min"),
        ("result.csv reference.csv --result-labels result.tif", "Give both"),
        ("result.csv reference.csv --x-from 5 --x-to 5", "begin before it ends"),
        ("result.csv reference.csv --max-distance-um 0", "max_distance_um"),
        ("result.csv bad.csv", r"lacks ['x_px']"),
        ("result.csv twice.csv", "track 1 has two points in frame 0"),
        ("result.csv grey.tif", "as grey values of an image are"),
        ("result.csv nowhere.csv", "no such file"),
        ("result.csv reference.csv --result-labels result.tif --reference-labels short.tif", "truth ends after 2"),
        ("result.csv reference.csv --result-labels result.tif --reference-labels masks.tif", "Is it a movie of masks?"),
    ],
)
def test_what_score_refuses(arguments: str, words: str, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (world / "bad.csv").write_text("track,frame,y_px\n1,0,2\n")
    (world / "twice.csv").write_text("track,frame,y_px,x_px\n1,0,2,3\n1,0,4,5\n")
    write_labels(world / "short.tif", CELLS[:2])
    three = np.kron([[255, 0, 255, 0, 255]], np.ones((4, 4), np.int32))
    write_labels(world / "masks.tif", np.stack([three] * len(CELLS)))
    monkeypatch.chdir(world)
    assert words in refusal("score", *arguments.split(), "--output", "m.json")
    assert not (world / "m.json").exists()
