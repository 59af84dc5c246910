"""The real movie: its reference masks without their ids, linked, against its reference tracks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from somanet.core.calibration import Calibration
from somanet.evaluation.tracks import match_masks, match_points, track_scores
from somanet.io.movies import open_movie
from somanet.tracking.detections import detect_cells
from somanet.tracking.drift import measure_drift
from somanet.tracking.linking import link_cells
from somanet.tracking.relabel import relabel_movie
from somanet.tracking.touching import separate_touching

SCALE = Calibration(pixel_size_um=1.28, frame_interval_min=12.0)


def reference(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "tracks.csv").rename(columns={"track": "track_id"})
    return table.assign(y_um=table["y_px"] * SCALE.pixel_size_um, x_um=table["x_px"] * SCALE.pixel_size_um)


@pytest.mark.real
def test_reference_masks_without_ids_give_the_reference_tracks(data_root: Path) -> None:
    """The ids are discarded in two ways: redrawn in each frame, and lost with the borders between touching somas."""
    pytest.importorskip("ctc_metrics")
    folder = data_root / "neuritetracker"
    with open_movie(folder / "soma_labels.tif") as movie:
        ground_truth = [np.asarray(frame, np.int32) for frame in movie]
    with open_movie(folder / "cell_body.tif") as movie:
        frames_of_movie = list(movie)
    rng = np.random.default_rng(0)
    permuted = [np.append(0, rng.permutation(int(frame.max())) + 1).astype(np.int32)[frame] for frame in ground_truth]
    connected = np.array([ndimage.label(frame > 0)[0] for frame in ground_truth], np.int32)
    kinds = {"permuted": permuted, "connected": connected, "separated": list(separate_touching(connected, SCALE))}
    scores = {}
    for kind, frames in kinds.items():
        tracks = link_cells(detect_cells(frames, frames_of_movie), SCALE)
        by_mask = track_scores(match_masks(ground_truth, relabel_movie(frames, tracks)))
        by_point = track_scores(match_points(reference(folder), tracks, min_reference_frames=20))
        scores[kind] = (by_mask, by_point)
        for name, found in (("masks", by_mask), ("points", by_point)):
            print(kind, name, {key: round(value, 3) for key, value in found.items()})
    for kind, least in (("permuted", 0.95), ("separated", 0.94)):
        by_mask, by_point = scores[kind]
        assert min(by_mask["IDF1"], by_point["IDF1"]) >= least
        assert min(by_mask["LNK"], by_point["LNK"]) >= least
    assert scores["separated"][0]["identity_switches"] < scores["connected"][0]["identity_switches"]


@pytest.mark.real
def test_the_real_movie_has_no_background_to_register_on(data_root: Path) -> None:
    """All that it shows moves on its own, by a mean of 1.1 µm (phase correlation) or 0.7 µm (block matching)."""
    folder = data_root / "neuritetracker"
    with open_movie(folder / "soma_labels.tif") as labels, open_movie(folder / "cell_body.tif") as frames:
        drift = measure_drift(frames, SCALE, masks=labels)
    assert drift.verdict == "nothing to register"
    assert not drift.removed_yx_px.any()
    last = drift.table.iloc[-1]
    assert np.hypot(last["shift_y_um"], last["shift_x_um"]) < 3 * last["error_um"]
