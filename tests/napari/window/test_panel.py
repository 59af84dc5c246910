"""The plug-in as a person uses it: keys, clicks and drags in a real window."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.napari.window.worlds import N_FRAMES, SHAPE, why_not

if reason := why_not():
    pytest.skip(reason, allow_module_level=True)

from somanet.core.errors import SomaNetError
from somanet.corrections import NAME, Recorder, read
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.origins import Origin, read_origins
from tests.napari.window.events import Person, rows

pytestmark = [pytest.mark.napari, pytest.mark.filterwarnings("default")]


def recorded(world: Path) -> list[tuple[str, int]]:
    return [(edit.kind, edit.frame) for edit in read(world / "results" / NAME).edits]


def all_labels(person: Person) -> np.ndarray:
    return np.stack([person.labels(t) for t in range(N_FRAMES)])


def track_at(person: Person, t: int, y: int, x: int) -> int:
    return int(person.labels(t)[y, x])


# Opening


def test_what_was_found_is_shown_at_its_scale(person: Person) -> None:
    editor = person.editor
    assert [layer.name for layer in person.panel.viewer.layers] == ["movie", "somas", "tracks", "selection"]
    for layer in person.panel.viewer.layers:
        np.testing.assert_allclose(layer.scale, (1, 1, 1))
    assert str(editor.layers.image.units[-1]) in ("micrometer", "µm", "um")
    shown = all_labels(person) > 0
    frames = np.stack([person.panel.shown.opened.frames.frame(t) for t in range(N_FRAMES)])
    np.testing.assert_array_equal(shown, frames > 30000)
    ids = {(int(track), int(frame)) for track, frame, *_ in editor.layers.tracks.data}
    assert ids == set(rows(all_labels(person)))


def test_opening_reads_only_what_is_shown(person: Person) -> None:
    """The frame that is shown and the first, for the contrast."""
    assert person.panel.shown.opened.frames.n_read <= 2
    assert person.panel.shown.opened.results.labels.n_read <= 2


@pytest.mark.parametrize("another", [False, True])
def test_a_large_movie_that_turns_out_to_be_another_is_closed_and_no_other_one(
    another: bool, person: Person, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash takes a while, in which the person may have opened something else."""
    known = threading.Event()

    def refused(*_: object) -> None:
        assert known.wait(60)
        raise SomaNetError("It is another movie.")

    monkeypatch.setattr("somanet.napari.window.tasks.MOST_HASHED_AT_ONCE", 0)
    monkeypatch.setattr("somanet.napari.window.tasks.check_same_movie", refused)
    person.panel.open(world / "results")
    if another:
        person.panel.open(world / "squares.ome.tif")
    known.set()
    person.wait(1.0)
    assert (person.panel.shown is not None) == another
    assert ("another movie" in person.panel.told) != another


# Masks


def test_a_soma_is_deleted_by_a_click_and_a_key(person: Person, world: Path) -> None:
    person.show(3)
    track = track_at(person, 3, 30, 66)
    person.click(30, 66)
    assert person.editor.selected == [track]
    person.press("D")
    assert not (person.labels(3) == track).any()
    assert (person.labels(2) == track).any()
    assert recorded(world) == [("delete", 3)]


def test_painting_and_erasing_are_edits(person: Person, world: Path) -> None:
    person.show(2)
    track = track_at(person, 2, 30, 66)
    before = int((person.labels(2) == track).sum())
    person.click(30, 66)
    person.press("P")
    person.editor.layers.labels.brush_size = 5
    person.drag((37, 62), (37, 66), (37, 70))
    person.wait_for(lambda: recorded(world) == [("paint", 2)])
    larger = int((person.labels(2) == track).sum())
    assert larger > before
    person.press("E")
    person.drag((24, 60), (24, 71))
    person.wait_for(lambda: len(recorded(world)) == 2)
    assert recorded(world) == [("paint", 2), ("erase", 2)]
    assert int((person.labels(2) == track).sum()) < larger


def test_a_new_soma_is_painted(person: Person, world: Path) -> None:
    person.show(5)
    new = person.editor.session.next_id()
    person.press("A")
    person.editor.layers.labels.brush_size = 9
    person.drag((12, 80), (14, 82))
    person.wait_for(lambda: (world / "results" / NAME).exists())
    assert recorded(world) == [("new", 5)]
    assert (person.labels(5) == new).any()


def test_two_somas_are_merged(person: Person, world: Path) -> None:
    """3 and 4, which touch."""
    person.show(9)
    kept = track_at(person, 9, 50, 25)
    person.click(50, 25)
    person.click(50, 40, held="Shift")
    assert len(person.editor.selected) == 2
    person.press("M")
    assert recorded(world) == [("merge", 9)]
    assert len(set(np.unique(person.labels(9)[44:56])) - {0}) == 1
    assert track_at(person, 9, 50, 40) == track_at(person, 9, 50, 25) == kept


def test_a_soma_is_split_by_a_line(person: Person, world: Path) -> None:
    """Soma 2, of columns 60 to 71, between columns 65 and 66."""
    person.show(4)
    track = track_at(person, 4, 30, 66)
    person.press("L")
    person.drag((20, 65.5), (30, 65.5), (40, 65.5))
    assert recorded(world) == [("split", 4)]
    parts = set(np.unique(person.labels(4)[24:36, 60:72]).tolist())
    assert len(parts) == 2
    assert track in parts
    for part in parts:
        assert abs(int((person.labels(4) == part).sum()) - 72) <= 12  # the mouse is exact to a pixel


def test_a_missed_soma_is_drawn_at_a_click(person: Person, world: Path, bright: Path) -> None:
    """It is deleted first; the network, which sees what is bright, draws it again to the pixel."""
    person.panel.tasks.choices = person.panel.tasks.choices.using(bright)
    person.show(6)
    before = person.labels(6) > 0
    person.click(30, 66)
    person.press("D")
    person.press("N")
    person.click(31, 65)
    person.wait_for(lambda: len(recorded(world)) == 2)
    assert recorded(world) == [("delete", 6), ("new", 6)]
    np.testing.assert_array_equal(person.labels(6) > 0, before)


# Tracks


def test_cutting_joining_and_swapping(person: Person, world: Path) -> None:
    untouched = all_labels(person)
    person.show(5)
    track = track_at(person, 5, 30, 66)
    person.click(30, 66)
    person.press("C")
    new = track_at(person, 5, 30, 66)
    assert new != track == track_at(person, 4, 30, 66)
    person.show(4)
    person.click(30, 66)
    person.show(5)
    person.click(30, 66, held="Shift")
    person.press("J")
    np.testing.assert_array_equal(all_labels(person), untouched)
    one = track_at(person, 5, 10, 20)
    person.press("Escape")
    person.click(30, 66)
    person.click(10, 20, held="Shift")
    person.press("S")
    assert track_at(person, 9, 30, 66) == one
    assert track_at(person, 4, 30, 66) == track
    assert recorded(world) == [("cut", 5), ("join", 5), ("swap", 5)]


@pytest.mark.parametrize(("key", "kind"), [("Shift-D", "delete_track"), ("Shift-S", "not_a_soma")])
def test_a_track_is_deleted(person: Person, world: Path, key: str, kind: str) -> None:
    person.show(0)
    track = track_at(person, 0, 30, 66)
    person.click(30, 66)
    person.press(key)
    assert not (all_labels(person) == track).any()
    assert track not in set(person.editor.layers.tracks.data[:, 0].astype(int))
    assert recorded(world) == [(kind, 0)]


def test_undo_and_redo_by_keys(person: Person, world: Path) -> None:
    untouched = all_labels(person)
    person.show(3)
    person.click(30, 66)
    person.press("D")
    once = all_labels(person)
    person.show(7)
    person.click(10, 20)
    person.press("D")
    twice = all_labels(person)
    person.press("Control-Z")
    assert person.editor.frame == 7
    np.testing.assert_array_equal(all_labels(person), once)
    person.press("Control-Z")
    assert person.editor.frame == 3
    np.testing.assert_array_equal(all_labels(person), untouched)
    person.press("Control-Shift-Z")
    person.press("Control-Shift-Z")
    np.testing.assert_array_equal(all_labels(person), twice)
    assert [kind for kind, _ in recorded(world)] == ["delete", "delete", "undo", "undo", "undo", "undo"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["D"], "select one soma"), (["J"], "select two"), (["M"], "needs two somas"),
        (["Control-Z"], "nothing to undo"),
        (["Control-Shift-Z"], "nothing to do again"), (["K"], "suspicious place first"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(person: Person, world: Path, keys: list[str], words: str) -> None:
    for key in keys:
        person.press(key)
    assert words in person.panel.told
    assert not (world / "results" / NAME).exists()


# Places


def test_places_are_stepped_through(person: Person) -> None:
    """3 and 4 touch: once the contacts are found, that is a place."""
    person.wait_for(lambda: bool(person.editor.contacts))
    assert person.editor.suspicious.places
    person.press(".")
    first = person.editor.suspicious.current
    assert person.editor.frame == first.frame
    assert person.editor.selected == [first.track]
    assert person.panel.told.startswith(f"1 of {len(person.editor.suspicious.places)}")
    camera = person.panel.viewer.camera.center
    assert np.hypot(camera[-2] - first.y_px, camera[-1] - first.x_px) < 2
    number = len(person.editor.suspicious.places)
    person.press("K")
    assert len(person.editor.suspicious.places) == number - 1
    assert first not in person.editor.suspicious.places


# What is saved, measured anew and trained on


def test_the_next_opening_shows_the_corrections(person: Person, world: Path) -> None:
    person.show(3)
    person.click(30, 66)
    person.press("D")
    corrected = all_labels(person)
    person.panel.close_movie()
    assert len(person.panel.viewer.layers) == 0
    person.panel.open(world / "results")
    np.testing.assert_array_equal(all_labels(person), corrected)
    assert "1 correction in" in person.panel._about.text()


def test_a_closed_window_keeps_what_a_full_disk_did_not_take(
    person: Person, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    append = Recorder.append

    def full(recorder: Recorder, edit: Any) -> Any:
        if recorder.path.parent == world / "results":
            raise SomaNetError("Cannot write it: the disk is full.")
        return append(recorder, edit)

    monkeypatch.setattr(Recorder, "append", full)
    person.show(3)
    person.click(30, 66)
    person.press("D")
    assert "NOT SAVED" in person.panel._about.text()
    person.panel.viewer.window._qt_window.close()
    person.wait(0.2)
    [rescued] = home.iterdir()
    assert str(rescued) in person.panel.rescued
    assert [(edit.kind, edit.frame) for edit in read(rescued).edits] == [("delete", 3)]


def test_results_are_measured_anew(person: Person, world: Path) -> None:
    summary = world / "results" / "summary.json"
    before = json.loads(summary.read_text())
    person.show(0)
    person.click(30, 66)
    person.press("Shift-S")
    person.panel._measure_button.click()
    person.wait_for(lambda: not person.panel._work.busy)
    assert "Measured anew" in person.panel.told
    after = json.loads(summary.read_text())
    manifest = json.loads((world / "results" / "manifest.json").read_text())
    assert manifest["corrections"]["applied"] == {"not_a_soma": 1}
    assert after != before
    person.show(4)  # the work goes on in the same file
    person.click(10, 16)
    person.press("D")
    assert recorded(world) == [("not_a_soma", 0), ("delete", 4)]


def test_a_corrected_crop_is_added_to_the_training_set(person: Person, world: Path) -> None:
    person.show(3)
    person.click(30, 66)
    person.press("D")
    person.panel._add_button.click()
    person.show(5)
    person.panel._add_button.click()
    dataset = open_dataset(world / "training_set")
    assert dataset.names == ("squares_t03_y000_x000", "squares_t05_y000_x000")
    item = dataset.load("squares_t03_y000_x000")
    assert item.image.shape == SHAPE
    np.testing.assert_array_equal(item.labels > 0, person.labels(3) > 0)
    assert read_origins(world / "training_set")["squares_t05_y000_x000"] == Origin("squares", 0, 0)


@pytest.mark.parametrize("better", [True, False])
def test_the_answer_to_use_the_new_network_is_yes_only_if_it_is_better(
    better: bool, person: Person, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever presses Return at once keeps the network that they had, unless the new one was shown to be better."""
    from qtpy.QtWidgets import QMessageBox

    monkeypatch.setattr("somanet.napari.jobs.retrain", lambda *_: SimpleNamespace(checkpoint=world / "network_1"))
    monkeypatch.setattr("somanet.napari.jobs.verdict", lambda _: "the verdict")
    monkeypatch.setattr("somanet.napari.jobs.is_better", lambda _: better)
    monkeypatch.setattr(QMessageBox, "question", lambda *given: given[-1])  # Return presses the default
    person.panel._retrain_button.click()
    person.wait_for(lambda: "the verdict" in person.panel.told)
    assert (person.panel.tasks.choices.model == str(world / "network_1")) is better


def test_a_movie_is_analysed_and_opened(person: Person, world: Path, bright: Path) -> None:
    person.panel.tasks.choices = person.panel.tasks.choices.using(bright)
    person.panel.open(world / "squares.ome.tif")
    assert person.panel.editor is None
    assert person.panel._analysis.pixel.value() == 1.0
    person.panel._analysis.start.click()
    person.wait_for(lambda: not person.panel._work.busy)
    assert person.panel.editor is not None, person.panel.told
    assert (world / "squares_somanet" / "report.html").exists()
    assert len(person.editor.session.points) > 30
