"""Tracks drawn by hand, and simulated ones with known truth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from somanet.simulation.motion import simulate_path, soma_positions
from somanet.simulation.settings import NeuronSettings

STEADY = NeuronSettings(motile_fraction=1.0, pause_jitter_um=0.0)


def track(yx, *, interval_h=1.0, track_id=1, frames=None):
    """One track through (y, x) places in µm; pixels of 2 µm."""
    place = np.asarray(yx, float)
    frame = np.arange(len(place)) if frames is None else np.asarray(frames)
    return pd.DataFrame(
        {
            "track_id": track_id,
            "frame": frame,
            "t_h": frame * interval_h,
            "y_px": place[:, 0] / 2,
            "x_px": place[:, 1] / 2,
            "y_um": place[:, 0],
            "x_um": place[:, 1],
        }
    )


def along_x(x, **options):
    """One track that moves in x only."""
    return track(np.stack([np.zeros(len(x)), np.asarray(x, float)], axis=1), **options)


def drift_table(shift_yx_um, *, applied=True, pixel_size_um=2.0):
    """The stage as the images show it: (T, 2) shift in µm."""
    shift = np.asarray(shift_yx_um, float)
    table = {"frame": np.arange(len(shift))}
    table |= {f"shift_{axis}_px": shift[:, i] / pixel_size_um for i, axis in enumerate("yx")}
    table |= {f"shift_{axis}_um": shift[:, i] for i, axis in enumerate("yx")}
    zeros = dict.fromkeys(("error_um", "rotation_deg", "rotation_error_deg"), 0.0)
    return pd.DataFrame({**table, **zeros, "quality": 0.9, "measured": 1, "applied": int(applied)})


def simulated(*, seed, n_cells=40, hours=12.0, interval_h=1 / 6, sigma_um=0.5, settings=STEADY, t_h=None):
    """Tracks and true saltations, at even times or at the given ones."""
    rng = np.random.default_rng(seed)
    t_h = np.arange(round(hours / interval_h) + 1) * interval_h if t_h is None else np.asarray(t_h, float)
    hours = float(t_h[-1])
    tracks, truth = [], []
    for cell in range(1, n_cells + 1):
        path = simulate_path(rng, rng.uniform(0, 500, 2), duration_h=hours, settings=settings)
        place = soma_positions(rng, path, t_h, settings=settings) + rng.normal(0, sigma_um, (t_h.size, 2))
        tracks.append(track(place, track_id=cell).assign(t_h=t_h))
        events = {"start_h": path.starts_h, "end_h": path.ends_h, "length_um": path.lengths_um}
        truth.append(pd.DataFrame({"track_id": cell, **events, "speed_um_per_h": path.speeds_um_per_h}))
    return pd.concat(tracks, ignore_index=True), pd.concat(truth, ignore_index=True)


def persistent_tracks(speed: float, persistence: float, sigma: float) -> list[pd.DataFrame]:
    """40 walks of an Ornstein-Uhlenbeck velocity, <v²> = speed², 200 frames of 6 min in substeps of 0.6 min."""
    rng = np.random.default_rng(2)
    dt = 0.01
    v = rng.normal(0, speed / math.sqrt(2), (40, 2))
    places = [np.zeros((40, 2))]
    keep = math.exp(-dt / persistence)
    for _ in range(2000):
        places.append(places[-1] + v * dt)
        v = keep * v + math.sqrt(1 - keep**2) * rng.normal(0, speed / math.sqrt(2), (40, 2))
    seen = np.array(places)[::10] + rng.normal(0, sigma, (201, 40, 2))
    return [track(seen[:, i], interval_h=0.1, track_id=i + 1) for i in range(40)]
