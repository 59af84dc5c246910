"""`somanet processes` as a user runs it: what it writes, and what it refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from somanet.analysis import names
from somanet.analysis.processes.tracing import PROCESSES
from somanet.core.calibration import Calibration
from somanet.core.files import json_object, write_json
from somanet.core.hashing import sha256_file
from somanet.core.result_records import hashes_of
from somanet.core.schema import TRACKS
from somanet.io.label_movies import write_label_movie
from somanet.io.movies import sha256_movie, write_movie
from somanet.io.tables import read_table, write_table
from tests.analysis.processes.worlds import disc, photo, ray
from tests.worlds import somanet

SCALE = Calibration(1.25, 12.0)
N_FRAMES = 3


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A movie of one cell that moves down with a process ahead, and its results, as far as they are read here."""
    places = [(50.0 + 6 * t, 90.0) for t in range(N_FRAMES)]
    labels = np.stack([disc([place]) for place in places])
    frames = np.stack([photo(one, [ray(place, 90, 30)], seed=3) for one, place in zip(labels, places, strict=True)])
    write_movie(tmp_path / "movie.ome.tif", np.rint(frames).astype(np.uint16), SCALE)
    result = tmp_path / "results"
    size = {"n_frames": N_FRAMES, "shape_YX": labels.shape[1:], "largest_id": 1}
    write_label_movie(result / names.LABELS_TIFF, labels, **size, calibration=SCALE)
    rows = [
        {"track_id": 1, "frame": t, "t_h": 0.2 * t, "y_px": y, "x_px": x, "y_um": y * 1.25, "x_um": x * 1.25}
        for t, (y, x) in enumerate(places)
    ]
    write_table(result / names.TRACKS, TRACKS.frame(rows), TRACKS)
    about = {
        "movie": "movie", "file": "movie.ome.tif", "sha256": sha256_movie(tmp_path / "movie.ome.tif"),
        "truncated": False,
        "pixel_size_um": 1.25, "frame_interval_min": 12.0, "channel": None, "z": None, "axes": None, "position": None,
    }  # fmt: skip
    record(result, input=about)
    return tmp_path


def record(result: Path, **changed: object) -> None:
    """The manifest of what is in a folder of results, as it is now."""
    old = json_object(result / names.MANIFEST)
    content = {"somanet": "0", "input": {}, "code": {}, "parameters": {}, **old, **changed}
    write_json(result / names.MANIFEST, content | {"files": hashes_of(result, names.RESULTS)}, updates=True)


def test_processes_of_another_movie_are_not_replaced(world: Path) -> None:
    """Nor those of another position of the same file; with --replace they are kept."""
    arguments = ("processes", "results", "--output", "out", "--no-overlay")
    assert somanet(*arguments, cwd=world) is None
    assert somanet(*arguments, cwd=world) is None  # its own
    before = (world / "out" / "processes.json").read_bytes()
    about = json_object(world / "results" / names.MANIFEST)["input"]
    record(world / "results", input={**about, "movie": "second", "position": "0"})
    error = somanet(*arguments, cwd=world)
    assert error is not None
    assert "out holds processes of other inputs, which new ones would replace: movie. Choose another --output" in error
    assert (world / "out" / "processes.json").read_bytes() == before
    assert somanet(*arguments, "--movie", "movie.ome.tif", "--replace", cwd=world) is None
    assert (world / "out.before" / "processes.json").read_bytes() == before
    assert json_object(world / "out" / "processes.json")["input"]["movie"] == "second"


def test_it_writes_a_table_a_video_and_a_record(world: Path) -> None:
    """The movie is found beside the results; all inputs stay as they were."""
    before = {path: sha256_file(path) for path in world.rglob("*") if path.is_file()}
    assert somanet("processes", "results", "--output", "out", cwd=world) is None
    assert {path: sha256_file(path) for path in before} == before
    written = {path.name for path in (world / "out").iterdir()}
    assert written - {".somanet.jsonl"} == {"processes.csv", "processes.json", "processes.mp4"}
    table = read_table(world / "out" / "processes.csv", PROCESSES)
    assert list(table["frame"].unique()) == list(range(N_FRAMES))
    leading = table[table["role"] == "leading"]
    assert leading["direction_deg"].to_numpy() == pytest.approx([90] * N_FRAMES, abs=6)
    assert leading["length_um"].to_numpy() == pytest.approx([37.5] * N_FRAMES, abs=5)
    about = json.loads((world / "out" / "processes.json").read_text())
    assert about["results"][names.TRACKS] == sha256_file(world / "results" / names.TRACKS)
    assert about["input"]["sha256"] == sha256_movie(world / "movie.ome.tif")
    assert about["parameters"]["sectors"] == 24
    assert about["experimental"]


def test_the_same_inputs_give_the_same_table(world: Path) -> None:
    for name in ("a", "b"):
        assert somanet("processes", "results", "--no-overlay", "--output", name, cwd=world) is None
    assert (world / "a" / "processes.csv").read_bytes() == (world / "b" / "processes.csv").read_bytes()


def error_of(world: Path, *options: str) -> str:
    """The line that the command ends with; nothing may be left behind."""
    error = somanet("processes", "results", *options, "--output", "out", cwd=world)
    assert error is not None
    assert "\n" not in error
    assert not (world / "out").exists()
    return error


def test_results_without_masks_are_refused(world: Path) -> None:
    (world / "results" / names.LABELS_TIFF).unlink()
    record(world / "results")
    assert "expected the somas' masks (labels.tif), found none" in error_of(world)


def test_results_without_tracks_are_refused(world: Path) -> None:
    empty = TRACKS.frame([])
    (world / "results" / names.TRACKS).unlink()
    write_table(world / "results" / names.TRACKS, empty, TRACKS)
    record(world / "results")
    assert "expected tracks of cells, found none" in error_of(world)


def test_edited_tracks_are_refused(world: Path) -> None:
    with (world / "results" / names.TRACKS).open("a") as table:
        table.write("2,0,0,5,5,6.25,6.25\n")
    assert "was changed" in error_of(world)


def test_another_movie_is_refused(world: Path) -> None:
    """Of another size, and none at all."""
    write_movie(world / "other.ome.tif", np.zeros((N_FRAMES, 40, 50), np.uint16), SCALE)
    assert "is not the movie of results: expected SHA-256" in error_of(world, "--movie", "other.ome.tif")
    (world / "movie.ome.tif").unlink()
    assert "movie.ome.tif is not beside results. Name it: --movie PATH" in error_of(world)


@pytest.mark.parametrize("broken", ["none", "number"])
def test_results_without_a_scale_are_refused(world: Path, broken: str) -> None:
    """A damaged record."""
    about = dict(json_object(world / "results" / names.MANIFEST)["input"])
    if broken == "none":
        del about["pixel_size_um"]
    else:
        about["pixel_size_um"] = 0
    record(world / "results", input=about)
    assert "ixel" in error_of(world)


def test_a_folder_that_has_no_results_is_refused(world: Path) -> None:
    error = somanet("processes", "movie.ome.tif", "--output", "out", cwd=world)
    assert error is not None
    assert "expected results of a movie" in error
