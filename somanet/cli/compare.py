"""`somanet compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHOWN_IN_FULL = 30
"""Of more networks the terminal gets no table: the page has it."""


def compare(
    output: Annotated[Path, typer.Option(help="Folder for comparison.json, .md and .png.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|FOLDER|RUN|VARIANT]...",
            help="metrics.json files or folders that hold one, MLflow run ids, variants of this project.",
            show_default=False,
        ),
    ] = None,
    variants: Annotated[bool, typer.Option("--variants", help="All variants in reports/evaluate.")] = False,
    experiment: Annotated[str | None, typer.Option(help="All finished runs of this MLflow experiment.")] = None,
    study: Annotated[
        str | None, typer.Option(metavar="RUN", help="All finished runs below this MLflow run: a study or a sweep.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Network to compare with; the best unless told.")] = None,
    score: Annotated[
        str, typer.Option(help="Score that decides and ranks: iou, precision, recall, accuracy, mean_ap.")
    ] = "iou",
    scored_on: Annotated[
        str | None, typer.Option(help="Data that runs were scored on, where there are several: neurons, nuclei.")
    ] = None,
    log_to: Annotated[
        str | None, typer.Option(metavar="RUN", help="Also store the files in this MLflow run, say a sweep's.")
    ] = None,
) -> None:
    """Networks side by side on the same images: scores, paired differences, ranks and cost."""
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import add_files, read_run
    from somanet.training.comparison.artefact import write_comparison
    from somanet.training.comparison.sources import gather

    root = project_root()
    if log_to is not None:
        read_run(log_to, root=root)  # asked for before the work, not after it
    found = gather(
        sources or [],
        root=root,
        variants=variants,
        experiment=experiment,
        study=study,
        scored_on=scored_on,
        best_by=score,
    )
    files = write_comparison(found.networks, output, reference=reference, deciding=score, notes=found.notes)
    if len(found.networks) <= SHOWN_IN_FULL:
        typer.echo((output / "comparison.md").read_text(encoding="utf-8"))
    typer.echo(f"Written: {', '.join(map(str, files))} ({len(found.networks)} networks)")
    if log_to is not None:
        run_id = add_files(log_to, files, "comparison", root=root)
        typer.echo(f"Stored: comparison/ of run {run_id}")
