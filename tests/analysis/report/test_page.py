"""The page as a file: what it must and must not contain."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from somanet.analysis.report import ReportInput, page, write_report
from somanet.analysis.report.definitions import HEADLINES, NUMBER_LABELS, estimate_in_words, in_words
from somanet.analysis.report.plot_data import walk_in_words
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.migration.intervals import Estimate, not_estimated
from somanet.migration.measures import measure_movie
from somanet.migration.pooling import UNITS
from somanet.simulation import simulate_movie
from tests.analysis.report import worlds

EVIL = '</script><script>alert("x")</script> <b> & {{data}} \u2028'


class Parts(HTMLParser):
    """Tags, visible text, and the content of scripts by id."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = (dict(attrs).get("id") or "code") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.texts.append(data)
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


def written(path: Path, report: ReportInput) -> Parts:
    write_report(path, report)
    parts = Parts()
    parts.feed(path.read_text(encoding="utf-8"))
    return parts


def data_of(parts: Parts) -> dict[str, Any]:
    return dict(json.loads(parts.scripts["data"]))


def frames_of(parts: Parts) -> list[dict[str, Any]]:
    return [json.loads(line) for line in parts.scripts["frames"].splitlines() if line]


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, worlds.report())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    """No address in any attribute but `data:`, none in the style, and a policy that forbids the rest."""
    parts = written(tmp_path / "a.html", worlds.report())
    links = [value for _, attrs in parts.tags for name, value in attrs.items() if name in ("src", "href", "srcset")]
    pictures = [link for link in links if link and link.startswith("data:image/jpeg;base64,")]
    saved = [attrs["href"] for _, attrs in parts.tags if "download" in attrs]
    own = [link for link in links if link and link.startswith("#")]
    assert {attrs["id"] for _, attrs in parts.tags if "id" in attrs} >= {link.removeprefix("#") for link in own}
    assert all(re.match(r"data:(text/csv|image/svg\+xml);charset=utf-8;base64,", link or "") for link in saved)
    assert [link for link in links if link not in (*pictures, *saved, *own)] == ["data:,"]
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}
    [policy] = [a["content"] for _, a in parts.tags if a.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(parts.scripts["code"].encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert f"'sha256-{digest}'" in policy


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    report = worlds.report(title=EVIL, warnings=(EVIL,), notes=(EVIL,), provenance={EVIL: {"x": [EVIL]}})
    parts = written(tmp_path / "a.html", report)
    assert data_of(parts)["movie"]["title"] == EVIL
    assert [attrs.get("id") for tag, attrs in parts.tags if tag == "script"] == ["data", "frames", None]
    assert sum(EVIL in text for text in parts.texts) == 6  # title, heading, warning, fact, provenance twice


def test_every_frame_has_its_image_and_outlines(tmp_path: Path) -> None:
    parts = written(tmp_path / "a.html", worlds.report())
    frames = frames_of(parts)
    assert len(frames) == worlds.N_FRAMES
    for t, frame in enumerate(frames):
        code = np.frombuffer(base64.b64decode(frame["image"]), np.uint8)
        image = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
        assert image.shape == (worlds.ROWS, worlds.COLUMNS)
        assert image[12, 20] > image[12, 40] + 50
        cells = [outline[0] for outline in frame["outlines"]]
        assert cells == ([0, 1, 2] if 3 <= t <= 6 else [0, 1])
    # Cell 1 fills rows 10-14 and columns 18-22: half pixels 20-29 and 36-45.
    corners = np.cumsum(np.reshape(frames[0]["outlines"][0][1:], (-1, 2)), axis=0)
    assert corners.min(axis=0).tolist() == [20, 36]
    assert corners.max(axis=0).tolist() == [29, 45]


def test_the_numbers_are_on_the_page_without_the_script(tmp_path: Path) -> None:
    report = worlds.report(notes=("Frame 3 is black.",))
    parts = written(tmp_path / "a.html", report)
    words = " ".join(parts.texts)
    for line in (*report.warnings, *report.notes, "3, 2 of them observed long enough", "4.83 h", "160 × 96 µm", "0123"):
        assert line in words
    value, interval = estimate_in_words(report.measures.summary.numbers["average_speed_um_per_h"])
    assert f"95 % interval  {interval}".split()[-1] in words
    assert value in words
    meanings = [attrs["data-tip"] for tag, attrs in parts.tags if tag == "button" and "data-tip" in attrs]
    assert {headline.meaning for headline in HEADLINES} <= set(meanings)


def test_nothing_found_says_so_and_what_to_try(tmp_path: Path) -> None:
    parts = written(tmp_path / "a.html", worlds.empty_report())
    words = " ".join(parts.texts)
    assert "No cells were found" in words
    assert "right channel" in words
    assert "–" in parts.texts  # undefined numbers
    assert len(frames_of(parts)) == worlds.N_FRAMES
    assert data_of(parts)["cells"]["paths"] == []


@pytest.mark.parametrize("n_rows", [1, 2])
def test_the_shortest_tracks_are_shown(tmp_path: Path, n_rows: int) -> None:
    table = worlds.tracks()[:n_rows]
    parts = written(tmp_path / "a.html", worlds.report(tracks=table, measures=measure_movie(table, sigma_um=0.5)))
    assert len(data_of(parts)["cells"]["paths"][0]["y"]) == n_rows


def test_tracks_without_labels_are_circles(tmp_path: Path) -> None:
    report = worlds.report(labels=None, tracks=worlds.tracks().assign(area_um2=100.0))
    parts = written(tmp_path / "a.html", report)
    data = data_of(parts)
    assert data["movie"]["circles"] is True
    assert data["cells"]["area_um2"] == [100, 100, 100]
    assert all(frame["outlines"] == [] for frame in frames_of(parts))


def test_too_large_a_movie_is_thinned_and_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tmp_path / "whole.html"
    parts = written(whole, worlds.report())
    assert "To keep this file small" not in " ".join(parts.texts)
    room = len(parts.scripts["frames"]) // 2
    monkeypatch.setattr(page, "MOST_BYTES", 0)
    monkeypatch.setattr(page, "LEAST_FRAME_BYTES", room)
    parts = written(tmp_path / "thin.html", worlds.report())
    shown = data_of(parts)["movie"]["frames"]
    assert shown == list(range(0, worlds.N_FRAMES, shown[1]))
    assert shown[1] > 1
    assert len(frames_of(parts)) == len(shown)
    assert len(parts.scripts["frames"]) <= room
    assert f"of {worlds.N_FRAMES} frames is embedded" in " ".join(parts.texts)


def test_outlines_of_a_simulated_movie_cover_its_masks(tmp_path: Path) -> None:
    """Filled again, on the doubled grid that they live on, the outlines of each frame are its masks but for corners."""
    movie = simulate_movie(seed=3, n_frames=12, shape_YX=(96, 128), calibration=Calibration(1.28, 12.0))
    measures = measure_movie(movie.tracks, sigma_um=0.5)
    report = ReportInput(
        "simulated", movie.calibration, movie.frames_TYX, movie.labels_TYX, movie.tracks, measures, measures.warnings
    )
    frames = frames_of(written(tmp_path / "a.html", report))
    assert len(frames) == 12
    ids = measures.migration.cells["track_id"].to_numpy()
    for frame, labels in zip(frames, movie.labels_TYX, strict=True):
        large = labels.repeat(2, axis=0).repeat(2, axis=1)
        assert {int(ids[outline[0]]) for outline in frame["outlines"]} == set(np.unique(labels)) - {0}
        for outline in frame["outlines"]:
            polygon = np.cumsum(np.reshape(outline[1:], (-1, 2)), axis=0)[:, ::-1]
            filled = cv2.fillPoly(np.zeros(large.shape, np.uint8), [polygon.astype(np.int32)], 1) > 0
            mask = large == ids[outline[0]]
            assert (filled & mask).sum() / (filled | mask).sum() > 0.85


class OneAtATime:
    """A movie that is only read frame by frame."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self.reads = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, t: int) -> np.ndarray:
        assert isinstance(t, int)
        self.reads += 1
        return np.array(self._frames[t])

    def __iter__(self) -> object:
        raise AssertionError("read whole")


def test_movies_are_read_frame_by_frame_and_progress_is_told(tmp_path: Path) -> None:
    movie, masks = OneAtATime(worlds.frames()), OneAtATime(worlds.labels())
    told: list[tuple[int, int]] = []
    write_report(
        tmp_path / "a.html", worlds.report(frames=movie, labels=masks), progress=lambda n, of: told.append((n, of))
    )
    assert told == [(n + 1, worlds.N_FRAMES) for n in range(worlds.N_FRAMES)]
    # Once for the page, once for the frames around the saltations, and a few samples.
    assert movie.reads < 2.5 * worlds.N_FRAMES
    assert masks.reads < 2 * worlds.N_FRAMES


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": worlds.frames()[:0]}, "no frames"),
        ({"frames": worlds.frames()[:9], "labels": worlds.labels()[:9]}, "reach frame 29"),
        ({"labels": worlds.labels()[:5]}, "found 5"),
        ({"labels": worlds.labels()[:, :20]}, "another movie"),
        ({"frames": np.zeros((worlds.N_FRAMES, 4, 5, 3), np.uint8)}, "one channel"),
        ({"tracks": worlds.tracks().drop(columns="y_px")}, "lacks"),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        write_report(tmp_path / "a.html", worlds.report(**changes))
    assert list(tmp_path.iterdir()) == []


def test_every_number_of_the_summary_has_words() -> None:
    assert set(UNITS) <= set(NUMBER_LABELS)
    assert {name for headline in HEADLINES for name in (headline.name, headline.raw) if name} <= set(UNITS)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.44123, "0.441"),
        (26.88, "26.9"),
        (179.7, "180"),
        (-3.0, "−3.00"),
        (0.0, "0"),
        (math.nan, "–"),
        (5e-7, "0.0000"),
    ],
)
def test_numbers_have_three_digits(value: float, words: str) -> None:
    assert in_words(value) == words


def test_an_interval_has_its_values_decimals() -> None:
    assert estimate_in_words(Estimate(26.88, 5.0, 128.8)) == ("26.9", "5.0 to 128.8")
    assert estimate_in_words(Estimate(0.879, 0.7, math.nan), factor=100) == ("87.9", "–")
    assert estimate_in_words(Estimate(math.nan, math.nan, math.nan)) == ("–", "–")
    assert estimate_in_words(Estimate(-1.5, -2.0, 1.0)) == ("−1.50", "−2.00 to 1.00")
    assert estimate_in_words(not_estimated(0.0, "no jumps")) == ("–", "not estimated: no jumps")


def test_a_reason_that_holds_for_speed_and_persistence_stands_once() -> None:
    known, unknown = Estimate(24.4, 20.0, 30.0), not_estimated(0.195, "only S²P is known.")
    assert walk_in_words({"speed_um_per_h": not_estimated(24.4, "only S²P is known."), "persistence_h": unknown}) == (
        "speed S and persistence P not estimated: only S²P is known"
    )
    assert walk_in_words({"speed_um_per_h": known, "persistence_h": unknown}) == (
        "speed S = 24.4 µm/h (20.0 to 30.0), persistence P not estimated: only S²P is known"
    )
