"""There is one count of saltations, that of `saltations.csv`; the others on the page are parts of it and say so."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.analysis import names
from somanet.analysis.cell_tables import write_migration
from somanet.analysis.report import write_report
from somanet.analysis.report.counts import count_saltations
from somanet.core.calibration import Calibration
from somanet.io.tables import write_table
from somanet.migration.measures import measure_movie
from somanet.migration.tables import SALTATION_EVENTS
from tests.analysis.report import worlds
from tests.analysis.worlds import tracks as drawn_tracks


def cut_tracks() -> pd.DataFrame:
    """Twelve cells that jump eight times each: a third of them brief, a third seen from within a jump or to within one.

    The jumps of a cell are its steps of more than 10 µm; the others are noise.
    """
    kept = []
    for cell, track in drawn_tracks(12, seed=4, jumps=8).groupby("track_id"):
        jumps = track["frame"][track["x_um"].diff() > 10].tolist()
        first, last = {0: (0, 59), 1: (jumps[0] - 1, jumps[-1]), 2: (jumps[2] - 3, jumps[2] + 4)}[int(cell) % 3]
        kept.append(track[track["frame"].between(first, last)])
    return pd.concat(kept, ignore_index=True)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and page of :func:`cut_tracks`, as an analysis writes them."""
    folder = tmp_path_factory.mktemp("results")
    tracks = cut_tracks()
    measures = measure_movie(tracks, sigma_um=0.3)
    write_table(folder / names.SALTATIONS, measures.migration.saltations.events, SALTATION_EVENTS)
    write_migration(folder, measures.migration.cells)
    frames = np.broadcast_to(np.arange(220, dtype=np.uint16), (60, 520, 220))
    scale = Calibration(pixel_size_um=1.0, frame_interval_min=10.0)
    report = worlds.report(calibration=scale, frames=frames, labels=None, tracks=tracks, measures=measures)
    write_report(folder / names.REPORT, report)
    return folder


def test_every_count_on_the_page_is_of_the_table(results: Path) -> None:
    page = (results / names.REPORT).read_text(encoding="utf-8")
    table = pd.read_csv(results / names.SALTATIONS, keep_default_na=False)
    cells = pd.read_csv(results / names.MIGRATION).set_index("track_id")
    long = table["track_id"].map(cells["long_enough"]) == 1
    started = table["censored"].isin(["", "end"])
    n, n_started = len(table), int((long & started).sum())
    n_complete, n_brief = int((long & (table["censored"] == "")).sum()), int((~long).sum())
    n_unseen = int((long & ~started).sum())
    assert n > n_started > n_complete > 0, "a world in which the counts differ"
    assert n_brief > 0
    assert n_unseen > 0
    assert n_started == cells[cells["long_enough"] == 1]["n_saltations"].sum()
    words = unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))
    assert re.search(rf"Saltations\s+{n}\s", words)
    assert f"{n} saltations were found" in words
    assert f"the frequency counts {n_started} (without {n_brief} of cells observed too briefly and {n_unseen}" in words
    assert f"those of the {n_complete} that also end in view" in words
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[0])
    assert data["counts"] == {"found": n, "started": n_started, "complete": n_complete}
    assert len(data["cells"]["saltations"]) == n
    assert len(data["plots"]["distributions"]["length_um"]) == n_complete
    assert data["plots"]["directions"]["saltations"]["n"] == n
    by_cell = Counter(table["track_id"])
    assert data["cells"]["numbers"]["n_found"] == [by_cell[cell] for cell in data["cells"]["numbers"]["track_id"]]
    shown = page.count('<figure class="strip">')
    assert shown == n or f"{shown} of {n} saltations, evenly spaced" in words


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "No saltation was found."),
        ([(1, "")], "1 saltation was found, and every number of saltations is based on all of them."),
        (
            [(1, "start"), (1, "")],
            (
                "2 saltations were found; the frequency counts 1 (without 1 whose start is not observed), lengths and "
                "speeds are of the same one."
            ),
        ),
        (
            [(1, "start"), (1, ""), (1, "")],
            (
                "3 saltations were found; the frequency counts 2 (without 1 whose start is not observed), lengths and "
                "speeds are of the same ones."
            ),
        ),
        (
            [(2, ""), (2, "start")],
            "2 saltations were found, all in cells observed too briefly, so no number of saltations is estimated.",
        ),
        (
            [(1, "start"), (2, "")],
            (
                "2 saltations were found, but none counts: 1 of cells observed too briefly and 1 whose start is not "
                "observed."
            ),
        ),
        (
            [(1, "end"), (2, "")],
            (
                "2 saltations were found; the frequency counts 1 (without 1 of cells observed too briefly). None of "
                "these ends in view, so none has a length or a speed."
            ),
        ),
        (
            [(1, ""), (1, "end")],
            (
                "2 saltations were found; the frequency counts all of them, lengths and speeds are those of the 1 that "
                "also end in view."
            ),
        ),
        (
            [(1, ""), (1, "end"), (1, "start"), (1, "both"), (2, ""), (2, "start")],
            (
                "6 saltations were found; the frequency counts 2 (without 2 of cells observed too briefly and 2 whose "
                "start is not observed), lengths and speeds are those of the 1 that also end in view."
            ),
        ),
    ],
)
def test_the_parts_are_named(rows: list[tuple[int, str]], words: str) -> None:
    """Cell 1 is observed long enough, cell 2 is not."""
    events = pd.DataFrame(rows, columns=["track_id", "censored"])
    assert count_saltations(events, {1}).in_words() == words
