"""Stage `track`: tracks of the somas, corrected where a person did, scored if a movie has a reference."""

from functools import partial
from pathlib import Path
from typing import Any

from somanet.analysis.finished import FinishedMovies, movie_inputs, noted
from somanet.analysis.headline import tracks_headline
from somanet.analysis.project import ProjectMovie, project_movies
from somanet.analysis.scores import score_tracks
from somanet.analysis.stages.correct import correct_tracks, files_of_corrections, note_corrections
from somanet.analysis.stages.files import copy_metadata
from somanet.analysis.stages.track import track_movie
from somanet.config import load_params
from somanet.core.counting import counted
from somanet.core.files import write_json
from somanet.core.hashing import sha256_file, sha256_tree
from somanet.corrections import read
from somanet.tracking.settings import TrackSettings
from somanet.training.experiments import echo, stage, write_scores

RAW, MASKS, TRACKS = Path("data/raw"), Path("data/masks"), Path("data/tracks")


def main() -> None:
    params = load_params()
    metrics = {}
    movies = project_movies(RAW)
    corrected = files_of_corrections(Path(params.correct.folder), [movie.name for movie in movies])
    finished = FinishedMovies.of("track")
    for movie in movies:
        masks, edits = MASKS / movie.name, corrected.get(movie.name)
        found, computed = finished.result(
            {
                **movie_inputs(movie.source),
                "masks": sha256_tree(masks),
                "track": params.track.model_dump(mode="json"),
                "corrections": None if edits is None else sha256_file(edits),
                "reference": movie.sha256_of_reference(),
            },
            TRACKS / movie.name,
            partial(_tracked, movie, params.track, edits),
        )
        for line in found["lines"]:
            echo(f"{movie.name}: {line}{noted(computed)}")
        metrics[movie.name] = found["metrics"]
    write_json("reports/track/metrics.json", metrics)
    write_scores("tracks", tracks_headline(metrics))


def _tracked(movie: ProjectMovie, settings: TrackSettings, edits: Path | None) -> dict[str, Any]:
    """One movie's tracks, in its folder; lines for the screen, and its row of the metrics."""
    masks, folder, lines = MASKS / movie.name, TRACKS / movie.name, []
    found = track_movie(movie.source, masks, folder, settings)
    copy_metadata(masks, folder)
    if edits is not None:
        corrections = correct_tracks(movie.source, folder, read(edits))
        note_corrections(folder, corrections)
        found |= corrections["after"]
        applied = counted(corrections["n_applied"], "edit")
        lines.append(f"{applied}, {corrections['n_unfit']} without a place here")
    lines.append(f"{counted(found['n_tracks'], 'track')}, {counted(found['n_points'], 'point')}")
    counts = {"n_tracks": found["n_tracks"], "n_points": found["n_points"]}
    return {"lines": lines, "metrics": {**counts, **score_tracks(movie, folder)}}


if __name__ == "__main__":
    stage(main)
