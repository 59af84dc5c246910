"""Stage `migrate`: saltations, pauses, directions and statistics of every movie's cells."""

from pathlib import Path

import pandas as pd

from somanet.analysis import names
from somanet.analysis.headline import migration_headline
from somanet.analysis.project import project_movies
from somanet.analysis.scores import reference_numbers
from somanet.analysis.stages.files import read_metadata
from somanet.analysis.stages.migrate import migrate_movie
from somanet.config import load_params
from somanet.core.counting import counted
from somanet.core.files import write_json
from somanet.io.tables import write_table
from somanet.training.experiments import echo, stage, write_scores

RAW, TRACKS, MIGRATION, REPORTS = (Path(p) for p in ("data/raw", "data/tracks", "data/migration", "reports/migrate"))
SHOWN = ("frequency_per_h", "frequency_corrected_per_h", "mean_length_um", "mean_length_corrected_um")


def main() -> None:
    params = load_params()
    metrics, events = {}, []
    for movie in project_movies(RAW):
        tracks, folder = TRACKS / movie.name, MIGRATION / movie.name
        measures = migrate_movie(tracks, folder, params.migrate)
        metrics[movie.name] = read_metadata(folder / names.SUMMARY)
        if reference := reference_numbers(movie, tracks, params.migrate):
            metrics[movie.name]["reference"] = reference
        events.append(measures.migration.saltations.events.assign(movie=movie.name))
        numbers = {name: round(measures.summary.numbers[name].value, 3) for name in SHOWN}
        cells = counted(measures.summary.n_cells, "cell")
        echo(f"{movie.name}: {cells}, {counted(measures.summary.n_events, 'saltation')}, {numbers}")
    write_json(REPORTS / "metrics.json", metrics)
    write_scores("migration", migration_headline(metrics))
    write_table(REPORTS / "saltations.csv", pd.concat(events, ignore_index=True))


if __name__ == "__main__":
    stage(main)
