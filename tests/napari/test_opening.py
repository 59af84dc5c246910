"""What is opened, and what is refused before a window is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.corrections import NAME, Recorder, apply, making, read
from somanet.io.movies import write_movie
from somanet.napari import jobs
from somanet.napari.opening import check_openable, check_same_movie, find_and_open
from somanet.napari.places import find_places
from somanet.napari.session import Session
from tests.cli.test_locked_outputs import as_a_user
from tests.napari.window.worlds import N_FRAMES, SHAPE, somas


def test_no_frame_is_read_before_it_is_shown(world: Path) -> None:
    opened = find_and_open(world / "results", None, {})
    assert opened.results is not None
    assert (opened.frames.n_read, opened.results.labels.n_read) == (0, 0)
    assert opened.frames.shape == (N_FRAMES, *SHAPE)
    assert opened.scale.pixel_size_um == 1.0
    np.testing.assert_array_equal(opened.results.labels[3] > 0, somas()[3] > 0)
    assert opened.results.labels.n_read == 1
    opened.close()


def test_the_places_of_a_quiet_movie_are_its_contacts(world: Path) -> None:
    """3 and 4 are a pixel apart from frame 8 on; nothing else is wrong with squares."""
    opened = find_and_open(world / "results", None, {})
    results = opened.results
    assert results is not None
    contacts = jobs.find_contacts(results, 13.5)
    assert set(contacts) == {8, 9}
    points = results.points(apply(results.frames(), results.tracks, []))
    np.testing.assert_allclose(points["area_px"], 144)
    places = find_places(points, n_frames=N_FRAMES, shape_YX=SHAPE, contacts=contacts)
    assert any("touch in frames 8 to 9" in reason for place in places for reason in place.reasons)
    opened.close()


def test_areas_of_drawn_somas_are_those_drawn(world: Path) -> None:
    opened = find_and_open(world / "results", None, {})
    results = opened.results
    assert results is not None
    session = Session(results.frames(), results.tracks, results.base.header, world / "c.jsonl")
    mask = np.zeros(SHAPE, bool)
    mask[2:9, 80:91] = True
    session.new(4, mask)
    points = results.points(session.corrected)
    drawn = points[points["drawn"] == 1]
    assert drawn[["frame", "area_px"]].to_numpy().tolist() == [[4, 77]]
    session.close()
    opened.close()


def test_a_movie_elsewhere_is_named(world: Path, tmp_path: Path) -> None:
    (world / "squares.ome.tif").rename(tmp_path / "squares.ome.tif")
    with pytest.raises(SomaNetError, match="Name it: --movie PATH"):
        find_and_open(world / "results", None, {})
    find_and_open(world / "results", tmp_path / "squares.ome.tif", {}).close()


def test_another_movie_is_refused_by_its_shape_and_by_its_hash(world: Path, tmp_path: Path) -> None:
    scale = FileCalibration(1.0, 10.0)
    write_movie(tmp_path / "longer.ome.tif", np.zeros((N_FRAMES + 1, *SHAPE), np.uint16), scale)
    with pytest.raises(SomaNetError, match=r"is 11 frames of 64 × 96 px, and .* 10 frames of 64 × 96 px"):
        find_and_open(world / "results", tmp_path / "longer.ome.tif", {})
    write_movie(tmp_path / "other.ome.tif", np.zeros((N_FRAMES, *SHAPE), np.uint16), scale)
    opened = find_and_open(world / "results", tmp_path / "other.ome.tif", {})
    assert opened.results is not None
    with pytest.raises(SomaNetError, match="is not the movie of"):
        check_same_movie(opened.source, opened.results)
    opened.close()


@pytest.mark.parametrize(
    ("path", "movie", "reading", "words"),
    [
        ("squares.ome.tif", "squares.ome.tif", {}, "is no folder of results"),
        ("results", None, {"channel": "1", "z": None}, "--channel is for a movie without results"),
        ("nothing", None, {}, "nothing"),
    ],
)
def test_options_that_do_not_belong_are_refused(
    world: Path, path: str, movie: str | None, reading: dict[str, str | None], words: str
) -> None:
    with pytest.raises(SomaNetError, match=words):
        check_openable(world / path, None if movie is None else world / movie, reading)


def test_results_without_outlines_are_refused(world: Path) -> None:
    manifest = json.loads((world / "results" / "manifest.json").read_text())
    del manifest["files"]["labels.tif"]
    (world / "results" / "manifest.json").write_text(json.dumps(manifest))
    (world / "results" / "labels.tif").unlink()
    with pytest.raises(SomaNetError, match="there are no masks to correct"):
        find_and_open(world / "results", None, {})


def test_nothing_is_written_by_opening(world: Path) -> None:
    def state() -> list[tuple[str, int, int]]:
        files = sorted(path for path in world.rglob("*") if path.is_file())
        return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]

    before = state()
    check_openable(world / "results", None, {})
    check_openable(world / "squares.ome.tif", None, {})
    assert state() == before


def test_a_folder_that_may_only_be_read_can_be_looked_at(world: Path) -> None:
    """And what is corrected there goes on, into another file."""
    opened = find_and_open(world / "results", None, {})
    results = opened.results
    assert results is not None
    (world / "results").chmod(0o500)
    try:
        with as_a_user():
            found = Session(results.frames(), results.tracks, results.base.header, world / "results" / NAME)
            assert "permission denied or read-only folder" in found.problem
            found.delete_track(1)
            assert len(found.unsaved) == 1
            found.save_to(world / "mine.jsonl")
        assert found.problem == ""
        assert [edit.kind for edit in read(world / "mine.jsonl").edits] == ["delete_track"]
        found.close()
        opened.close()
    finally:
        (world / "results").chmod(0o700)


# Measured anew


def test_measuring_anew_says_how_far_the_numbers_moved(world: Path) -> None:
    """One of four squares is no soma; the same again with corrected results."""
    opened = find_and_open(world / "results", None, {})
    results = opened.results
    assert results is not None
    with Recorder(world / "results" / NAME, results.base.header) as recorder:
        recorder.append(making.delete_track(results.tracks, 1, soma=False))
    said = jobs.measure(results, opened.source, world / "results" / NAME)
    opened.close()
    assert said.startswith("Measured anew: cells ")
    again = find_and_open(world / "results", None, {})
    assert again.results is not None
    assert len(again.results.tracks) == len(results.tracks)  # the automatic ones, which edits are made on
    session = Session(again.results.frames(), again.results.tracks, again.results.base.header, world / "results" / NAME)
    assert session.problem == ""
    assert 1 not in set(session.points["track_id"])
    session.close()
    again.close()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            {"n_cells": 30, "numbers": {"frequency_corrected_per_h": {"value": 0.7777}}},
            {"n_cells": 28, "numbers": {"frequency_corrected_per_h": {"value": 0.5}}},
            "cells 30 → 28, saltations per hour 0.778 → 0.500",
        ),
        ({"n_cells": 3}, {"n_cells": 3}, "cells 3 → 3"),
        (
            {"n_cells": 1, "numbers": {"rms_speed_1h_um_per_h": {"value": None}}},
            {"n_cells": 1, "numbers": {"rms_speed_1h_um_per_h": {"value": 12.0}}},
            "cells 1 → 1, net speed over an hour unknown → 12.0 µm/h",
        ),
    ],
)
def test_how_far_numbers_moved_in_words(before: dict[str, object], after: dict[str, object], words: str) -> None:
    assert jobs.moved(before, after) == words
