"""Stage `trust`: analyses of simulated experiments, scored against their ground truth; the small version."""

from pathlib import Path

import pandas as pd

from somanet.analysis.validation import figures
from somanet.analysis.validation.conditions import MovieCondition, TrackCondition, interval_conditions, movie_intervals
from somanet.analysis.validation.movies import network_masks, score_movies
from somanet.analysis.validation.tables import headline, mean_coverage
from somanet.analysis.validation.tracks import score_condition
from somanet.config import load_params
from somanet.core.files import write_json
from somanet.core.plots import save_figure
from somanet.io.tables import write_table
from somanet.training.experiments import stage, write_scores

REPORTS = Path("reports/trust")


def main() -> None:
    params = load_params()
    chosen = params.trust
    base = TrackCondition(n_cells=chosen.cells, hours=chosen.hours)
    tracks = pd.concat(
        [
            score_condition(condition, replicates=chosen.replicates, seed=params.seed)
            for condition in interval_conditions(base, intervals_min=chosen.intervals_min)
        ],
        ignore_index=True,
    )
    segment = network_masks(chosen.model)
    filmed = MovieCondition(n_frames=chosen.movie_frames, side_px=chosen.movie_px)
    movies = pd.concat(
        [
            score_movies(condition, segment, movies=chosen.movies, seed=params.seed)
            for condition in movie_intervals(filmed, intervals_min=chosen.movie_intervals_min)
        ],
        ignore_index=True,
    )
    write_table(REPORTS / "tracks.csv", tracks)
    write_table(REPORTS / "movies.csv", movies)
    write_json(REPORTS / "metrics.json", headline(tracks, movies))
    write_scores("trust", {"coverage": mean_coverage(tracks)})
    save_figure(figures.sampling(tracks), REPORTS / "sampling.png")
    save_figure(figures.events(tracks), REPORTS / "events.png")
    save_figure(figures.chain(movies), REPORTS / "chain.png")


if __name__ == "__main__":
    stage(main, network=True)
