"""What is given, and whether it holds: R and directions of headings, persistence times of walks, missing detections.

python -m benchmarks.what_is_given                        # all three tables of docs/trust.md, some minutes
python -m benchmarks.what_is_given --part missing         # headings, persistence or missing
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from somanet.analysis.validation.world_tracks import simulate_world
from somanet.analysis.validation.worlds import BASE
from somanet.core.markdown import table
from somanet.migration.intervals import Resampling
from somanet.migration.measures import measure_movie
from somanet.migration.msd import cell_msd_of, fit_persistent_walk, walk_estimates

SPEED_UM_PER_H, INTERVAL_H, ERROR_UM, FINE = 20.0, 1 / 6, 0.5, 10
NAMES = ("frequency_corrected_per_h", "mean_length_corrected_um", "mean_pause_corrected_h", "straightness_corrected")
Row = list[object]


def headings(n_movies: int) -> Iterator[Row]:
    """Of cells with von Mises distributed headings: how often R and the mean direction are given and hold."""
    yield ["cells", "κ", "R", "R given", "holds", "direction given", "holds", "p < 0.05"]
    for n_cells in (6, 9, 12, 20, 30):
        for kappa in (0.0, 0.5, 1.0, 2.0, 4.0):
            rng = np.random.default_rng(11)
            true = float(special.iv(1, kappa) / special.iv(0, kappa))
            lengths, directions, ps = [], [], []
            for seed in range(n_movies):
                angles = rng.vonmises(0, kappa, n_cells) if kappa else rng.uniform(-np.pi, np.pi, n_cells)
                sets = Resampling.of(np.arange(n_cells), level="cell", resamples=300, seed=seed)
                vectors = np.exp(1j * angles)
                drawn = (sets.weights @ vectors) / sets.weights.sum(axis=1)
                ps.append(sets.random_p(vectors))
                found = sets.resultant(abs(vectors.mean()), drawn, vectors)
                if found.problem:
                    continue
                lengths.append(found.low <= true <= found.high)
                mean = sets.direction(float(np.degrees(np.angle(vectors.mean()))), drawn, found)
                if not mean.problem:
                    directions.append(mean.low <= 0 <= mean.high)
            yield [
                n_cells, f"{kappa:g}", f"{true:.2f}", _share(len(lengths), n_movies), _mean(lengths),
                _share(len(directions), n_movies), _mean(directions), _mean([p < 0.05 for p in ps]),
            ]  # fmt: skip


def persistence(n_movies: int) -> Iterator[Row]:
    """Of Ornstein-Uhlenbeck walks: how often the persistence time is given, how far it is off, and whether it holds."""
    yield ["cells", "h", "P, h", "P given", "bias", "holds", "lower bound given", "holds", "S holds"]
    conditions = [(20, 10.0, p) for p in (0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)]
    conditions += [(8, 10.0, p) for p in (1.0, 2.0, 3.0)] + [(30, 5.0, p) for p in (0.5, 1.0, 2.0)]
    for n_cells, hours, true in conditions:
        given, held, bounds, speeds = [], [], [], []
        for number in range(n_movies):
            rng = np.random.default_rng(77000 + int(true * 1000) + number)
            cells = cell_msd_of(_walks(true, hours, n_cells, rng))
            walk = fit_persistent_walk(cells.pooled(), sigma_um=ERROR_UM)
            sets = Resampling.of(np.arange(n_cells), level="cell", resamples=300, seed=number)
            found = walk_estimates(cells, walk, sets, sigma_um=ERROR_UM)
            time, speed = found["persistence_h"], found["speed_um_per_h"]
            if not time.problem:
                given.append(time.value)
                held.append(time.low <= true <= time.high)
            elif "at least" in time.problem:
                bounds.append(float(time.problem.split()[-2]) <= true)
            if not speed.problem:
                speeds.append(speed.low <= SPEED_UM_PER_H <= speed.high)
        bias = f"{100 * (np.mean(given) / true - 1):+.0f} %" if given else "–"
        yield [
            n_cells, f"{hours:g}", f"{true:g}", _share(len(given), n_movies), bias, _mean(held),
            _share(len(bounds), n_movies), _mean(bounds), _mean(speeds),
        ]  # fmt: skip


def _walks(persistence_h: float, hours: float, n_cells: int, rng: np.random.Generator) -> pd.DataFrame:
    """Tracks of cells whose velocity is forgotten, with errors."""
    n_frames = round(hours / INTERVAL_H) + 1
    fine_h, n_steps = INTERVAL_H / FINE, (n_frames - 1) * FINE
    kept, spread = np.exp(-fine_h / persistence_h), SPEED_UM_PER_H / np.sqrt(2)
    velocity = np.zeros((n_steps + 1, n_cells, 2))
    velocity[0] = rng.normal(0, spread, (n_cells, 2))
    kicks = rng.normal(0, spread * np.sqrt(1 - kept * kept), (n_steps, n_cells, 2))
    for step in range(n_steps):
        velocity[step + 1] = kept * velocity[step] + kicks[step]
    moved = np.cumsum((velocity[:-1] + velocity[1:]) / 2 * fine_h, axis=0)
    place = np.concatenate([np.zeros((1, n_cells, 2)), moved])[::FINE]
    place = place + rng.normal(0, ERROR_UM, place.shape)
    frame = np.arange(n_frames)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "track_id": cell + 1, "frame": frame, "t_h": frame * INTERVAL_H,
                    "y_px": place[:, cell, 0], "x_px": place[:, cell, 1],
                    "y_um": place[:, cell, 0], "x_um": place[:, cell, 1],
                }
            )
            for cell in range(n_cells)
        ],
        ignore_index=True,
    )  # fmt: skip


def missing(n_movies: int) -> Iterator[Row]:
    """Of movies of which detections are missing: changes from the same movies with all, and of how many."""
    yield ["missing", "verdicts that hold", "frequency", "length", "pause", "straightness"]
    world = replace(BASE, n_cells=30, hours=10.0)
    movies = [simulate_world(world, seed=seed)[0] for seed in range(n_movies)]
    whole = [_numbers(tracks) for tracks in movies]
    cases = [(share, "anywhere") for share in (0.0, 0.04, 0.08, 0.15)] + [(share, "in motion") for share in (0.1, 0.2)]
    for share, where in cases:
        rows = []
        for number, tracks in enumerate(movies):
            lost = np.random.default_rng(number).random(len(tracks)) < share
            lost &= _in_motion(tracks) if where == "in motion" else True
            rows.append(_numbers(tracks[~lost]))
        holds = _mean([verdict == "hold" for verdict, _ in rows])
        changes = []
        for name in NAMES:
            pairs = [(one[name], other[name]) for (_, one), (_, other) in zip(rows, whole, strict=True)]
            known = [a / b for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
            changes.append(f"{100 * (np.mean(known) - 1):+.0f} % ({len(known)})" if known else "–")
        yield [f"{100 * share:.0f} % {where}", holds, *changes]


def _numbers(tracks: pd.DataFrame) -> tuple[str, dict[str, float]]:
    found = measure_movie(tracks, drift="none", resamples=200)
    numbers = {name: found.summary.numbers[name] for name in NAMES}
    return found.support.verdict, {name: one.value if not one.problem else np.nan for name, one in numbers.items()}


def _in_motion(tracks: pd.DataFrame) -> np.ndarray:
    """Frames beside a step of more than 3 µm."""
    place = tracks[["y_um", "x_um"]].to_numpy()
    same = tracks["track_id"].to_numpy()[1:] == tracks["track_id"].to_numpy()[:-1]
    far = (np.hypot(*np.diff(place, axis=0).T) > 3) & same
    return np.append(far, False) | np.append(False, far)


def _share(n: int, of: int) -> str:
    return f"{n / of:.2f}"


def _mean(values: list[bool]) -> str:
    return f"{np.mean(values):.2f}" if values else "–"


PARTS = {"headings": (headings, 1000), "persistence": (persistence, 150), "missing": (missing, 20)}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--movies", type=int, help="in each row")
    given = parser.parse_args()
    for name in [given.part] if given.part else PARTS:
        part, n_movies = PARTS[name]
        head, *rows = part(given.movies or n_movies)
        print(table([str(word) for word in head], [list(map(str, row)) for row in rows]), flush=True)


if __name__ == "__main__":
    main()
