"""How far to trust saltation statistics: frame intervals swept over simulated tracks with known truth.

python benchmarks/migration_trust.py --replicates 100
python benchmarks/migration_trust.py --intervals 5 10 --donors 4 --movies 2 --cells 10 --donor-cv 0.2

Tracks only, no images: cells at rest jitter by 0.5 µm within half an hour, and positions have 0.5 µm of noise per axis.
Bias is that of all replicates together; coverage is the share of replicates whose 95 % interval holds the
population's true value.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from somanet.calibration import Calibration
from somanet.evaluation.migration import interval_coverage, relative_bias, score_saltations
from somanet.migration.cells import migration_of
from somanet.migration.summary import pooled_numbers, summarize
from somanet.simulation.motion import simulate_path, soma_positions
from somanet.simulation.settings import NeuronSettings

EXPECTED_RECALL = {5.0: 0.98, 10.0: 0.89, 15.0: 0.82, 20.0: 0.74, 30.0: 0.62}


def simulate_tracks(
    *, seed: int, n_cells: int, duration_h: float, interval_min: float, sigma_um: float, settings: NeuronSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tracks and true saltations of cells that never touch or leave."""
    rng = np.random.default_rng(seed)
    interval_h = Calibration(1.0, interval_min).frame_interval_h
    t_h = np.arange(round(duration_h / interval_h) + 1) * interval_h
    tracks, saltations = [], []
    for cell in range(1, n_cells + 1):
        path = simulate_path(rng, rng.uniform(0, 1000, 2), duration_h=duration_h, settings=settings)
        place = soma_positions(rng, path, t_h, settings=settings) + rng.normal(0, sigma_um, (t_h.size, 2))
        y, x = place.T
        columns = {"track_id": cell, "frame": np.arange(t_h.size), "t_h": t_h}
        tracks.append(pd.DataFrame({**columns, "y_px": y, "x_px": x, "y_um": y, "x_um": x}))
        events = {"start_h": path.starts_h, "end_h": path.ends_h, "length_um": path.lengths_um}
        saltations.append(pd.DataFrame({"track_id": cell, **events, "speed_um_per_h": path.speeds_um_per_h}))
    return pd.concat(tracks, ignore_index=True), pd.concat(saltations, ignore_index=True)


def true_frequency(settings: NeuronSettings) -> float:
    """Saltations per hour and cell: one per mean cycle of the cells that move."""
    return settings.motile_fraction / (settings.pause_mean_h + jump_hours(settings))


def jump_hours(settings: NeuronSettings) -> float:
    """Mean duration of a jump; the mean of 1/speed of a gamma is 1/(mean·(1 - cv²))."""
    return settings.jump_length_um / settings.jump_speed_um_per_h / (1 - settings.jump_speed_cv**2)


def population_frequency(settings: NeuronSettings, *, donor_cv: float) -> float:
    """The mean of donors whose mean pauses are log-normal around the settings' one."""
    spread = np.linspace(-4, 4, 81)
    weight = np.exp(-(spread**2) / 2) / np.exp(-(spread**2) / 2).sum()
    donors = [replace(settings, pause_mean_h=settings.pause_mean_h * np.exp(donor_cv * z)) for z in spread]
    return float(weight @ [true_frequency(donor) for donor in donors])


def one_experiment(
    interval_min: float, replicate: int, arguments: argparse.Namespace
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Cells, events and true saltations of donors with movies; track ids are unique within them."""
    rng = np.random.default_rng([arguments.seed, replicate])
    parts = []
    for donor in range(arguments.donors):
        pause_h = NeuronSettings().pause_mean_h * np.exp(arguments.donor_cv * rng.standard_normal())
        for movie in range(arguments.movies):
            tracks, true = simulate_tracks(
                seed=int(rng.integers(2**31)),
                n_cells=arguments.cells,
                duration_h=arguments.hours,
                interval_min=interval_min,
                sigma_um=arguments.sigma_um,
                settings=replace(NeuronSettings(), pause_mean_h=float(pause_h)),
            )
            result = migration_of(tracks, detector=arguments.detector)
            cells = result.cells.assign(donor=f"d{donor}", movie=f"d{donor}m{movie}")
            parts.append((cells, result.saltations.events, true))
    return tuple(_joined([part[i] for part in parts], step=arguments.cells) for i in range(3))


def _joined(tables: list[pd.DataFrame], *, step: int) -> pd.DataFrame:
    """One table, with track ids made unique."""
    moved = [table.assign(track_id=table["track_id"] + i * step) for i, table in enumerate(tables)]
    return pd.concat(moved, ignore_index=True)


def one_interval(interval_min: float, arguments: argparse.Namespace) -> dict[str, float]:
    """One row of the table."""
    settings = NeuronSettings()
    experiments = [one_experiment(interval_min, i, arguments) for i in range(arguments.replicates)]
    step = arguments.donors * arguments.movies * arguments.cells
    cells, events, true = (_joined([e[i] for e in experiments], step=step) for i in range(3))
    scores = score_saltations(true, events, cells[["track_id", "start_h", "end_h"]])
    numbers = {name: float(v[0]) for name, v in pooled_numbers(cells, np.ones((1, len(cells)))).items()}
    frequency_true = population_frequency(settings, donor_cv=arguments.donor_cv)
    length_true = settings.jump_length_um
    summaries = [summarize(e[0], seed=i, resamples=arguments.resamples) for i, e in enumerate(experiments)]

    def coverage(number: str, truth: float) -> float:
        estimates = [summary.numbers[number] for summary in summaries]
        return interval_coverage(
            np.array([e.low for e in estimates]), np.array([e.high for e in estimates]), truth=truth
        )

    return {
        "interval_min": interval_min,
        "recall": scores.recall,
        "expected": EXPECTED_RECALL.get(interval_min, float("nan")),
        "precision": scores.precision,
        "freq_raw": relative_bias(numbers["frequency_per_h"], frequency_true),
        "freq_corr": relative_bias(numbers["frequency_corrected_per_h"], frequency_true),
        "len_raw": relative_bias(numbers["mean_length_um"], length_true),
        "len_corr": relative_bias(numbers["mean_length_corrected_um"], length_true),
        "speed": relative_bias(numbers["mobile_speed_um_per_h"], length_true / jump_hours(settings)),
        "cover_freq_raw": coverage("frequency_per_h", frequency_true),
        "cover_freq": coverage("frequency_corrected_per_h", frequency_true),
        "cover_len_raw": coverage("mean_length_um", length_true),
        "cover_len": coverage("mean_length_corrected_um", length_true),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--intervals", type=float, nargs="+", default=list(EXPECTED_RECALL), help="minutes")
    parser.add_argument("--replicates", type=int, default=100, help="experiments per interval")
    parser.add_argument("--donors", type=int, default=1, help="per experiment")
    parser.add_argument("--movies", type=int, default=1, help="per donor")
    parser.add_argument("--donor-cv", type=float, default=0.0, help="spread (log-normal) of the donors' mean pauses")
    parser.add_argument("--cells", type=int, default=30, help="per movie")
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument("--sigma-um", type=float, default=0.5, help="localisation noise per axis")
    parser.add_argument("--detector", choices=["rule", "model"], default="rule")
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    table = pd.DataFrame([one_interval(m, arguments) for m in arguments.intervals])
    print(table.to_string(index=False, float_format=lambda v: f"{v:.3f}"))  # noqa: T201


if __name__ == "__main__":
    main()
