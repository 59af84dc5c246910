"""`somanet compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.core.counting import counted

SHOWN_IN_FULL = 30
"""With more networks no table is printed: it is in comparison.md."""


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
        str | None, typer.Option(metavar="RUN", help="All finished trainings of this MLflow run: a study or a sweep.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Network to compare with; default: the best.")] = None,
    score: Annotated[
        str, typer.Option(help="Score for choosing the best and for ranks: iou, precision, recall, accuracy, mean_ap.")
    ] = "iou",
    scored_on: Annotated[
        str | None, typer.Option(help="Data that runs were scored on, if there are several: neurons, nuclei.")
    ] = None,
    log_to: Annotated[
        str | None, typer.Option(metavar="RUN", help="Also store the files in this MLflow run, e.g. a sweep's.")
    ] = None,
) -> None:
    """Compare networks on the same images: scores, paired differences, ranks and cost."""
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import add_files, read_run
    from somanet.training.comparison.artefact import write_comparison
    from somanet.training.comparison.sources import collect_networks

    root = project_root()
    if log_to is not None:
        read_run(log_to, root=root)  # checked before the work, not after
    found = collect_networks(
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
    typer.echo(f"Written: {', '.join(map(str, files))} ({counted(len(found.networks), 'network')})")
    if log_to is not None:
        run_id = add_files(log_to, files, "comparison", root=root)
        typer.echo(f"Stored: comparison/ of run {run_id}")
