"""An analysed movie as an MLflow run, a child of the run that trained its network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from somanet.analysis import names
from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import DatasetRef, read_run, track_run, write_run_file

EXPERIMENT = "movies"
SCORES = ("DET", "SEG", "TRA", "LNK", "HOTA", "IDF1", "precision", "recall", "followed", "identity_switches")


def record_movie(
    manifest: Mapping[str, Any],
    summary: Mapping[str, Any],
    scores: Mapping[str, Any],
    *,
    movie: Path,
    files: list[Path],
    root: Path,
    run_file: Path,
) -> str:
    """Record parameters, numbers, scores and files of one movie; return the run id.

    The run is a child of the run that trained the network, in its experiment, if the store has it; otherwise it has no
    parent, is in the experiment `movies` and names the weights.

    Args:
        manifest: from :func:`somanet.analysis.manifest.provenance_of`.
        summary: content of `summary.json`.
        scores: from :func:`somanet.analysis.scores.score_tracks`; may be empty.
        movie: the file, for its hash.
        files: stored with the run.
        root: the project.
        run_file: JSON file to write the run id to.
    """
    model = manifest.get("model") or {}
    experiment, parent = EXPERIMENT, None
    if model.get("mlflow_run"):
        try:
            parent = read_run(model["mlflow_run"], root=root)
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
        tags={"movie": source["movie"], "movie_sha256": source["sha256"], "network_sha256": model.get("sha256") or ""},
        datasets=[DatasetRef(source["movie"], movie.resolve(), context="movie", n_images=source["n_frames"])],
        parent_run_id=parent.run_id if parent else None,
        system_metrics=False,
    ) as run:
        metrics = {f"migration_{name}": value["value"] for name, value in summary["numbers"].items()}
        metrics |= {f"migration_{name}": summary[name] for name in ("n_cells", "n_events")}
        for kind, values in scores.items():
            metrics |= {f"tracks_{kind}_{name}": values[name] for name in SCORES}
        run.log_metrics({name: float(value) for name, value in metrics.items() if value is not None and value == value})
        for file in files:
            run.log_file(file, "figures" if file.suffix == ".png" else "results")
        write_run_file(run_file, run)
    return run.run_id


RECORDED = (
    names.TRACKS, names.DRIFT, names.SALTATIONS, names.MIGRATION, names.MIGRATION_INTERNALS, names.SUMMARY,
    names.REPORT, names.MANIFEST,
)  # fmt: skip
"""The files stored with a run; label movies and videos stay in DVC's cache."""
