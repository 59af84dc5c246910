"""Stage `track`: tracks of the somas, corrected where a person did, scored if a movie has a reference."""

import shutil
from pathlib import Path

from somanet.analysis.headline import tracks_headline
from somanet.analysis.project import project_movies
from somanet.analysis.scores import score_tracks
from somanet.analysis.stages.correct import correct_tracks, files_of_corrections, note_corrections
from somanet.analysis.stages.files import copy_metadata
from somanet.analysis.stages.track import track_movie
from somanet.config import load_params
from somanet.core.counting import counted
from somanet.core.files import write_json
from somanet.corrections import read
from somanet.training.experiments import echo, stage, write_scores

RAW, MASKS, TRACKS = Path("data/raw"), Path("data/masks"), Path("data/tracks")


def main() -> None:
    params = load_params()
    metrics = {}
    movies = project_movies(RAW)
    corrected = files_of_corrections(Path(params.correct.folder), [movie.name for movie in movies])
    for movie in movies:
        masks, folder = MASKS / movie.name, TRACKS / movie.name
        if folder.is_dir():
            shutil.rmtree(folder)  # what an earlier run corrected
        found = track_movie(movie.source, masks, folder, params.track)
        copy_metadata(masks, folder)
        if movie.name in corrected:
            corrections = correct_tracks(movie.source, folder, read(corrected[movie.name]))
            note_corrections(folder, corrections)
            found |= corrections["after"]
            edits = counted(corrections["n_applied"], "edit")
            echo(f"{movie.name}: {edits}, {corrections['n_unfit']} without a place here")
        echo(f"{movie.name}: {counted(found['n_tracks'], 'track')}, {counted(found['n_points'], 'point')}")
        metrics[movie.name] = {
            "n_tracks": found["n_tracks"],
            "n_points": found["n_points"],
            **score_tracks(movie, folder),
        }
    write_json("reports/track/metrics.json", metrics)
    write_scores("tracks", tracks_headline(metrics))


if __name__ == "__main__":
    stage(main)
