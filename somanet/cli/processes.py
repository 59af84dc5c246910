"""`somanet processes`: the processes of an analysed movie's cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def processes(
    result: Annotated[Path, typer.Argument(help="Folder of results of one movie, of `somanet analyze`.")],
    output: Annotated[Path, typer.Option(help="Folder for the table and the video.")],
    movie: Annotated[Path | None, typer.Option(help="The movie, if it is not beside RESULT.")] = None,
    overlay: Annotated[bool, typer.Option(help="Write processes.mp4.")] = True,
) -> None:
    """Experimental: trace the leading process of every cell in every frame: its length, direction and tip."""
    from somanet.analysis.processes.writing import RECORD, TABLE, VIDEO, write_processes

    written = write_processes(result, output, movie=movie, overlay=overlay)
    typer.echo(
        f"{written.cells} cells in {written.points} places: {written.leading} leading processes; {written.unknown} "
        "places where the cell does not move far enough to tell which leads."
    )
    typer.echo("Experimental: docs/processes.md says how often they are right.")
    typer.echo(f"Written: {output} ({', '.join([TABLE, *([VIDEO] if overlay else []), RECORD])})")
