"""The real movie, GFP channel alone, with the bundled model, against tracks from the nucleus channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from somanet.analysis.movie import AnalysisNetworks, Options, analyze_movie
from somanet.analysis.network import network_folder
from somanet.analysis.source import MovieSource
from somanet.core.calibration import Calibration
from somanet.evaluation.tracks import match_points, track_scores
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.tracking.formats import read_tracks

SCALE = Calibration(1.28, 12.0)
UNSEEN_FROM_PX = 440
"""The network was trained on crops left of this column."""


@pytest.mark.real
def test_the_real_movie_is_followed(data_root: Path, tmp_path: Path) -> None:
    folder = data_root / "neuritetracker"
    source = MovieSource(folder / "cell_body.tif", "cell_body")
    network = AnalysisNetworks(Segmenter((load_checkpoint(network_folder(None)),)))
    analyze_movie(source, tmp_path / "out", network=network, options=Options(report=False, overlay=False))
    found = read_tracks(tmp_path / "out" / "tracks.csv", None)
    reference = read_tracks(folder / "tracks.csv", SCALE)
    scores = {
        "detection": track_scores(match_points(reference, found, min_reference_frames=10)),
        "long": track_scores(match_points(reference, found, min_reference_frames=20)),
        "unseen": track_scores(match_points(*(table[table["x_px"] >= UNSEEN_FROM_PX] for table in (reference, found)))),
    }
    for part, values in scores.items():
        print(part, {name: round(value, 3) for name, value in values.items()})
    assert scores["detection"]["recall"] >= 0.90
    assert scores["detection"]["precision"] >= 0.80
    assert scores["long"]["IDF1"] >= 0.85
    assert scores["unseen"]["recall"] >= 0.90
    assert scores["unseen"]["precision"] >= 0.80
