"""Tracks that other programs wrote about real cells: speeds against those of the standard library's parsers alone."""

from __future__ import annotations

import csv
import itertools
import math
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.migration.kinematics import steps_of
from somanet.tracking.formats import read_tracks

SCALE = Calibration(pixel_size_um=0.5, frame_interval_min=12.0)
Points = dict[str, list[tuple[float, float, float]]]


def trackmate(path: Path) -> Points:
    """Frame, y and x of the spots of each track, along its edges."""
    root = ET.parse(path).getroot()
    spots = {spot.attrib["ID"]: spot.attrib for spot in root.iter("Spot")}
    tracks: Points = {}
    for track in root.iter("Track"):
        ids = {edge.attrib[end] for edge in track.iter("Edge") for end in ("SPOT_SOURCE_ID", "SPOT_TARGET_ID")}
        rows = [tuple(float(spots[i][name]) for name in ("FRAME", "POSITION_Y", "POSITION_X")) for i in ids]
        tracks[track.attrib["TRACK_ID"]] = sorted(rows)  # type: ignore[arg-type]
    return tracks


def table(path: Path, names: tuple[str, str, str, str]) -> Points:
    tracks: Points = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            tracks[row[names[0]]].append((float(row[names[1]]), float(row[names[2]]), float(row[names[3]])))
    return {name: sorted(rows) for name, rows in tracks.items()}


def speeds(points: Points, *, um_per_unit: float) -> list[float]:
    """µm/h of each step from a frame to the next one; steps across missing frames do not count."""
    hours = SCALE.frame_interval_min / 60
    steps = (pair for rows in points.values() for pair in itertools.pairwise(rows))
    return [um_per_unit * math.dist(a[1:], b[1:]) / hours for a, b in steps if b[0] - a[0] == 1]


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    [
        "laptrack/trackmate_tracks_with_gap_closing.xml",
        "laptrack/trackmate_tracks_without_gap_closing.xml",
        "pytrackmate/FakeTracks.xml",
        "motile/hela_example_tracks.csv",
    ],
)
def test_speeds_are_those_of_the_file(data_root: Path, name: str) -> None:
    path = data_root / "wild" / "tracks" / name
    if not path.exists():
        pytest.skip("these tracks are not there")
    points = trackmate(path) if path.suffix == ".xml" else table(path, ("track_id", "t", "y", "x"))
    steps = steps_of(read_tracks(path, SCALE))
    found = np.sort(steps.speed_um_per_h[~steps.gap])
    expected = np.sort(speeds(points, um_per_unit=SCALE.pixel_size_um))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert len(found) > 5


@pytest.mark.real
@pytest.mark.parametrize("kind", ["merging", "splitting", "splitting_merging"])
def test_what_divides_or_fuses_is_refused_by_name(data_root: Path, kind: str) -> None:
    path = data_root / "wild" / "tracks" / "laptrack" / f"trackmate_tracks_with_{kind}.xml"
    if not path.exists():
        pytest.skip("these tracks are not there")
    with pytest.raises(SomaNetError, match=r"in frame \d+; expected cells that neither divide nor fuse"):
        read_tracks(path, SCALE)
