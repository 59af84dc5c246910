"""`somanet study`: the paper's experiments as one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def study(
    name: Annotated[Literal["paper"], typer.Argument(help="Name of the study.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of real data (dsb2018/, soma/); without it, data are simulated."),
    ] = None,
) -> None:
    """Run the paper's experiments and further ones, and show the results next to the paper's numbers.

    Half an hour on simulated data, about two hours on the real set, on 2 cores. A stopped study resumes; a finished
    one runs nothing.
    """
    from somanet.core.guard import alone
    from somanet.provenance.code import project_root
    from somanet.training.paper.pipeline import choose_profile, run_profile

    root = project_root()
    profile = choose_profile(root, data)
    with alone([profile]):
        run_profile(root, profile)
    reports = profile / "reports"
    typer.echo(f"Written: {reports / 'study.md'}, study.json, and the figures in {reports / 'study'}")
    typer.echo("Next: read study.md; `somanet ui` shows every run, nested under the study")
