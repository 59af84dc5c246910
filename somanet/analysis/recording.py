"""An analysed movie as an MLflow run, a child of the run that trained its network; a cohort, parent of its movies.

A movie's analysis belongs to one network and to any number of cohorts, and MLflow gives a run one parent. So a cohort's
children are runs of their own, which name the run of the analysis.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.migration.pooling import UNITS
from somanet.provenance.mlflow import (
    MANIFEST_SHA256,
    DatasetRef,
    read_run,
    run_of_results,
    track_run,
    training_of,
    write_run_file,
)

EXPERIMENT = "movies"
COHORTS = "cohorts"
SCORES = ("DET", "SEG", "TRA", "LNK", "HOTA", "IDF1", "precision", "recall", "followed", "identity_switches")


def record_movie(
    manifest: Mapping[str, Any],
    summary: Mapping[str, Any],
    scores: Mapping[str, Any],
    *,
    movie: Path,
    files: list[Path],
    root: Path,
    run_file: Path | None,
) -> str:
    """Record parameters, numbers, scores and files of one movie; return the run id.

    The run is a child of the run that trained the network, in its experiment, if the store has it; otherwise it has no
    parent, is in the experiment `movies` and names the weights. The tag `manifest_sha256` leads from results to it.

    Args:
        manifest: from :func:`somanet.analysis.manifest.provenance_of`.
        summary: content of `summary.json`.
        scores: from :func:`somanet.analysis.scores.score_tracks`; may be empty.
        movie: the file, for its hash.
        files: stored with the run.
        root: the project.
        run_file: JSON file to write the run id to; None in the pipeline, whose outputs name no run.
    """
    model = manifest.get("model") or {}
    experiment, parent = EXPERIMENT, None
    trained_by = model.get("mlflow_run") or (training_of(model["sha256"], root=root) if model.get("sha256") else None)
    if trained_by:
        try:
            parent = read_run(trained_by, root=root)
            experiment = parent.experiment
        except SomaNetError:  # trained in another store
            parent = None
    source = manifest["input"]
    with track_run(
        f"movie {source['movie']}",
        experiment=experiment,
        root=root,
        params={**manifest["parameters"], "pixel_size_um": source["pixel_size_um"]}
        | {"frame_interval_min": source["frame_interval_min"]},
        tags={
            "movie": source["movie"],
            "movie_sha256": source["sha256"],
            "network_sha256": model.get("sha256") or "",
            **_corrected(manifest),
            MANIFEST_SHA256: next((sha256_file(file) for file in files if file.name == names.MANIFEST), ""),
        },
        datasets=[DatasetRef(source["movie"], movie.resolve(), context="movie", n_images=source["n_frames"])],
        parent_run_id=parent.run_id if parent else None,
        system_metrics=False,
    ) as run:
        metrics = {f"migration_{name}": value["value"] for name, value in summary["numbers"].items()}
        metrics |= {f"migration_{name}": summary[name] for name in ("n_cells", "n_events")}
        metrics["migration_saltations_supported"] = float(summary["saltations_supported"])
        for kind, values in scores.items():
            metrics |= {f"tracks_{kind}_{name}": values[name] for name in SCORES}
        run.log_metrics({name: float(value) for name, value in metrics.items() if value is not None and value == value})
        for file in files:
            run.log_file(file, "figures" if file.suffix == ".png" else "results")
        if run_file is not None:
            write_run_file(run_file, run)
    return run.run_id


def _corrected(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a movie that a person corrected."""
    found = manifest.get("corrections")
    return {"corrections_sha256": found["sha256"], "corrections_edits": str(found["n_applied"])} if found else {}


RECORDED = (
    names.TRACKS, names.DRIFT, names.SALTATIONS, names.MIGRATION, names.MIGRATION_INTERNALS, names.SUMMARY,
    names.REPORT, names.MANIFEST,
)  # fmt: skip
"""The files stored with a run; label movies and videos stay in DVC's cache."""


def record_cohort(
    record: Mapping[str, Any],
    comparisons: Mapping[str, Mapping[str, Mapping[str, Any]]],
    movies: Mapping[str, Mapping[str, Any]],
    *,
    results: Path,
    root: Path,
    run_file: Path | None,
) -> str:
    """Record a cohort's comparison, and below it a run for each movie; return the cohort's run id.

    Args:
        record: content of `cohort.json`.
        comparisons: content of `comparison.json`: pair of groups → number → name → value.
        movies: rows of `movies.csv`, by movie.
        results: the cohort's folder, which is stored with the run.
        root: the project.
        run_file: see :func:`record_movie`.
    """
    with track_run(
        f"cohort of {len(movies)} movies",
        experiment=COHORTS,
        root=root,
        params={"reference": record["reference"], "paired": record["paired"], "movies": len(movies)},
        tags={
            "conditions_sha256": (record["conditions"] or {}).get("sha256") or "",
            MANIFEST_SHA256: sha256_file(results / names.COHORT_RECORD),
        },
        system_metrics=False,
    ) as run:
        found = {
            _key(f"{pair}/{number}/{name}"): value
            for pair, numbers in comparisons.items()
            for number, values in numbers.items()
            for name, value in values.items()
        }
        run.log_metrics(_finite(found))
        for file in sorted(path for path in results.iterdir() if path.is_file() and path != run_file):
            run.log_file(file, "results")
        for file in sorted((results / names.FIGURES).iterdir()):
            run.log_file(file, "figures")
        if run_file is not None:
            write_run_file(run_file, run)
    for movie, row in movies.items():
        _record_member(movie, row, record["movies"][movie], results=results, root=root, parent=run.run_id)
    return run.run_id


def _record_member(
    movie: str, row: Mapping[str, Any], about: Mapping[str, Any], *, results: Path, root: Path, parent: str
) -> None:
    """A movie of a cohort: its numbers, and which analysis, movie and network they are from."""
    tags = {
        "movie": movie,
        "movie_run": run_of_results(results / about["results"], names.MANIFEST, root=root) or "",
        "movie_sha256": about["movie_sha256"],
        "network_sha256": about["network_sha256"] or "",
        "tracks_sha256": about["tracks_sha256"] or "",
        **{level: str(row[level]) for level in ("donor", "group", "batch") if level in row},
    }
    with track_run(
        f"movie {movie}", experiment=COHORTS, root=root, tags=tags, parent_run_id=parent, system_metrics=False
    ) as run:
        counts = {name: row[name] for name in ("n_cells", "n_events")}
        run.log_metrics(_finite({f"migration_{name}": value for name, value in {**counts, **_of(row)}.items()}))


def _of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in UNITS}


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None and value == value}


def _key(text: str) -> str:
    """A name that MLflow accepts for a metric."""
    return re.sub(r"[^\w\-./: ]", "_", text)
