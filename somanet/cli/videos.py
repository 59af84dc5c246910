"""`somanet export-video`: an analysed movie as a video for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from somanet.core.counting import counted


def export_video(
    result: Annotated[Path, typer.Argument(help="Folder of results of one movie, of `somanet analyze`.")],
    output: Annotated[Path, typer.Option(help="Folder for the video and its settings.")],
    program: Annotated[Literal["idtracker"], typer.Option("--for", help="idtracker.ai 6.")],
    movie: Annotated[
        Path | None, typer.Option(help="The analysed movie: somas get its intensities. Default: all of one grey.")
    ] = None,
    animals: Annotated[
        int | None, typer.Option(min=1, help="How many cells there are. Default: the most in any frame.")
    ] = None,
) -> None:
    """Write an analysed movie's somas as a lossless video for a program that tracks animals, with settings."""
    from somanet.analysis.idtracker import SETTINGS, VIDEO, export_for_idtracker
    from somanet.analysis.source import MovieSource

    source = None if movie is None else MovieSource(movie, movie.name)
    written = export_for_idtracker(result, output, movie=source, n_animals=animals)
    for note in written.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(
        f"Written: {output} ({VIDEO}: {counted(written.n_frames, 'frame')}, {written.fewest} to {written.most} somas "
        f"in each; {SETTINGS}: {counted(written.n_animals, 'animal')})"
    )
    typer.echo(
        f"Next: in {output}, IDTRACKERAI_DISABLE_ANALYTICS=1 idtrackerai --load {SETTINGS} --track; then somanet "
        "tracks score session_somas/trajectories/trajectories_tidy.csv REFERENCE"
    )
