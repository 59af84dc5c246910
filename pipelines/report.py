"""Stage `report`: the page and the video of every movie, and its MLflow run as a child of the network's."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.analysis.finished import FinishedMovies, movie_inputs, noted
from somanet.analysis.manifest import provenance_of
from somanet.analysis.methods import movie_methods
from somanet.analysis.network import about_network
from somanet.analysis.project import ProjectMovie, project_movies
from somanet.analysis.recording import RECORDED, record_movie
from somanet.analysis.stages.files import read_drift_of, read_metadata, read_tracks_of
from somanet.analysis.stages.report import overlay_movie, report_movie
from somanet.config import Params, load_params
from somanet.core.files import make_folder, read_json, write_json, write_text
from somanet.core.hashing import sha256_tree
from somanet.core.result_records import hashes_of
from somanet.migration.measures import measure_movie
from somanet.provenance.code import project_root
from somanet.training.experiments import echo, stage

RAW, TRACKS, MIGRATION, OUT = (Path(p) for p in ("data/raw", "data/tracks", "data/migration", "reports/movies"))


def main() -> None:
    params = load_params()
    root = project_root()
    scores = read_json(Path("reports/track/metrics.json"), expected="scores written by the stage track")
    finished = FinishedMovies.of("report")
    for movie in project_movies(RAW):
        tracks, folder = TRACKS / movie.name, OUT / movie.name
        sha256 = read_metadata(tracks / names.SEGMENTATION)["model_sha256"]
        model = about_network(Path(params.segment.model), sha256)
        provenance = provenance_of(tracks, params.migrate, model=model, of_stage=True)
        _, computed = finished.result(
            {
                **movie_inputs(movie.source),
                "tracks": sha256_tree(tracks),
                "migration": sha256_tree(MIGRATION / movie.name),
                "provenance": provenance,
                "migrate": params.migrate.model_dump(mode="json"),
                "report": params.report.model_dump(mode="json"),
            },
            folder,
            partial(_reported, movie, params, provenance),
        )
        echo(f"{movie.name}: {folder / names.REPORT}{noted(computed)}")
        record_movie(
            provenance,
            read_metadata(folder / names.SUMMARY),
            {kind: value for kind, value in scores[movie.name].items() if isinstance(value, dict)},
            movie=movie.source.path,
            files=[folder / name for name in RECORDED],
            root=root,
            run_file=None,
        )


def _reported(movie: ProjectMovie, params: Params, provenance: dict[str, Any]) -> dict[str, Any]:
    """One movie's page, video, tables and manifest, in its folder."""
    tracks, migration, folder = TRACKS / movie.name, MIGRATION / movie.name, make_folder(OUT / movie.name)
    measures = measure_movie(read_tracks_of(tracks), stage=read_drift_of(tracks), **params.migrate.arguments())
    with movie.source.keeping_frames(folder) as source:
        summary = read_metadata(migration / names.SUMMARY)
        report_movie(source, tracks, folder, measures, provenance, summary=summary)
        if params.report.overlay:
            overlay_movie(source, tracks, folder, measures)
    edits = [tracks / names.EDITS] if (tracks / names.EDITS).exists() else []
    for file in (tracks / names.TRACKS, tracks / names.DRIFT, *edits, *migration.iterdir()):
        shutil.copyfile(file, folder / file.name)
    write_text(folder / names.METHODS, movie_methods(provenance, read_metadata(folder / names.SUMMARY)))
    write_json(folder / names.MANIFEST, {**provenance, "files": hashes_of(folder, names.RESULTS)})
    return {}


if __name__ == "__main__":
    stage(main)
