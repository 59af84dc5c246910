"""Stage `migrate`: saltations, pauses, directions and statistics of every movie's cells."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from somanet.analysis import names
from somanet.analysis.finished import FinishedMovies, noted
from somanet.analysis.headline import migration_headline
from somanet.analysis.project import ProjectMovie, project_movies
from somanet.analysis.scores import reference_numbers
from somanet.analysis.stages.files import read_metadata
from somanet.analysis.stages.migrate import migrate_movie
from somanet.config import load_params
from somanet.core.counting import counted
from somanet.core.files import write_json
from somanet.core.hashing import sha256_tree
from somanet.io.tables import read_table, write_table
from somanet.migration.settings import MigrateSettings
from somanet.migration.tables import SALTATION_EVENTS
from somanet.training.experiments import echo, stage, write_scores

RAW, TRACKS, MIGRATION, REPORTS = (Path(p) for p in ("data/raw", "data/tracks", "data/migration", "reports/migrate"))
SHOWN = ("frequency_per_h", "frequency_corrected_per_h", "mean_length_um", "mean_length_corrected_um")


def main() -> None:
    params = load_params()
    metrics, events = {}, []
    finished = FinishedMovies.of("migrate")
    for movie in project_movies(RAW):
        tracks, folder = TRACKS / movie.name, MIGRATION / movie.name
        reference, computed = finished.result(
            {
                "movie": movie.name,
                "tracks": sha256_tree(tracks),
                "migrate": params.migrate.model_dump(mode="json"),
                "reference": movie.sha256_of_reference(),
            },
            folder,
            partial(_measured, movie, params.migrate),
        )
        summary = read_metadata(folder / names.SUMMARY)
        metrics[movie.name] = {**summary, **reference}
        events.append(read_table(folder / names.SALTATIONS, SALTATION_EVENTS).assign(movie=movie.name))
        values = {name: summary["numbers"][name]["value"] for name in SHOWN}
        numbers = {name: None if value is None else round(value, 3) for name, value in values.items()}
        counts = f"{counted(summary['n_cells'], 'cell')}, {counted(summary['n_events'], 'saltation')}"
        echo(f"{movie.name}: {counts}, {numbers}{noted(computed)}")
    write_json(REPORTS / "metrics.json", metrics)
    write_scores("migration", migration_headline(metrics))
    write_table(REPORTS / "saltations.csv", pd.concat(events, ignore_index=True))


def _measured(movie: ProjectMovie, settings: MigrateSettings) -> dict[str, Any]:
    """One movie's tables and summary, in its folder; the numbers of its reference tracks, if there are any."""
    tracks = TRACKS / movie.name
    migrate_movie(tracks, MIGRATION / movie.name, settings)
    reference = reference_numbers(movie, tracks, settings)
    return {"reference": reference} if reference else {}


if __name__ == "__main__":
    stage(main)
