"""Simulated data instead of the real data, and three systems scored on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.yolo import scoring, sets, stages
from somanet.core.calibration import Calibration
from somanet.io.datasets.writers import write_kaggle
from somanet.io.images import write_labels
from somanet.io.movies import write_movie
from somanet.simulation import simulate_movie, simulate_nuclei
from tests.benchmarks.yolo.worlds import N_FRAMES, predictions

NUCLEI = {"train": 6, "val": 3, "test": 5}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and small simulated crops, few resamples."""
    monkeypatch.setattr(sets, "SIM_CROPS", 4)
    monkeypatch.setattr(sets, "VAL_CROPS", 2)
    monkeypatch.setattr(sets, "TILE_PX", 64)
    monkeypatch.setattr(scoring, "RESAMPLES", 20)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real data's folder, simulated: nuclei with a split, crops of a movie, and the movie."""
    folder = tmp_path_factory.mktemp("data")
    nuclei = simulate_nuclei(n_images=sum(NUCLEI.values()), shape_YX=(64, 96), seed=0)
    write_kaggle(folder / "dsb2018" / "stage1_train.zip", nuclei)
    parts = [part for part, count in NUCLEI.items() for _ in range(count)]
    rows = [f"{item.name},{part}" for item, part in zip(nuclei, parts, strict=True)]
    (folder / "dsb2018" / "split.csv").write_text("\n".join(["image_id,split", *rows]) + "\n")
    crops = sets.neuron_crops(n_crops=5, size_px=64, seed=1)
    write_kaggle(folder / "soma" / "train", crops[:3])
    write_kaggle(folder / "soma" / "val", crops[3:])
    scale = Calibration(1.28, 12.0)
    movie = simulate_movie(seed=2, n_frames=N_FRAMES, shape_YX=(96, 600), calibration=scale)
    (folder / sets.MOVIE).mkdir()
    write_movie(folder / sets.MOVIE / "cell_body.tif", movie.frames_TYX, scale)
    write_labels(folder / sets.MOVIE / "soma_labels.tif", movie.labels_TYX)
    ground_truth = movie.tracks.rename(columns={"track_id": "track"})[["track", "frame", "y_px", "x_px"]]
    ground_truth.to_csv(folder / sets.MOVIE / "tracks.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def scored(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Three systems: ground truth masks, ground truth boxes, and boxes far from anything."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SIM_CROPS", 4), ("VAL_CROPS", 2), ("TILE_PX", 64)):
            patch.setattr(sets, name, value)
        patch.setattr(scoring, "RESAMPLES", 20)
        output = tmp_path_factory.mktemp("scored")
        wanted = sets.scored_sets(data)
        predictions(wanted, output / "SomaNet", lambda sides: sides, masks=True)
        predictions(wanted, output / "right", lambda sides: sides)
        predictions(wanted, output / "wrong", lambda sides: sides[:, [0, 1, 0, 1]] + np.array([0, 0, 1, 1]))
        systems = [
            scoring.System("SomaNet", output / "SomaNet", "own"),
            scoring.System("right", output / "right"),
            scoring.System("wrong", output / "wrong"),
        ]
        return stages.score(systems, wanted, data / sets.MOVIE, output), output
