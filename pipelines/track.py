"""Stage `track`: tracks of the somas, scored if a movie has a reference."""

from pathlib import Path

from somanet.analysis.headline import tracks_headline
from somanet.analysis.project import project_movies
from somanet.analysis.scores import score_tracks
from somanet.analysis.stages.files import copy_metadata
from somanet.analysis.stages.track import track_movie
from somanet.config import load_params
from somanet.core.files import write_json
from somanet.training.experiments import echo, stage, write_scores

RAW, MASKS, TRACKS = Path("data/raw"), Path("data/masks"), Path("data/tracks")


def main() -> None:
    params = load_params()
    metrics = {}
    for movie in project_movies(RAW):
        masks, folder = MASKS / movie.name, TRACKS / movie.name
        found = track_movie(movie.source, masks, folder, params.track)
        copy_metadata(masks, folder)
        echo(f"{movie.name}: {found['n_tracks']} tracks, {found['n_points']} points")
        metrics[movie.name] = {
            "n_tracks": found["n_tracks"],
            "n_points": found["n_points"],
            **score_tracks(movie, folder),
        }
    write_json("reports/track/metrics.json", metrics)
    write_scores("tracks", tracks_headline(metrics))


if __name__ == "__main__":
    stage(main)
