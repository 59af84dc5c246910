"""`somanet correct`: a person's corrections applied to results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.cli.options import Export
from somanet.core.errors import SomaNetError


def correct(
    result: Annotated[Path, typer.Argument(help="Folder of a movie's results; corrected ones are corrected anew.")],
    output: Annotated[Path, typer.Option(help="Folder for the corrected results; may be RESULT itself.")],
    corrections: Annotated[
        Path | None, typer.Argument(help="Recorded corrections; by default corrections.jsonl in RESULT.")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Take what another program changed in RESULT's tracks or labels: TrackMate, napari, GEFF, CSV, a "
            "Cell Tracking Challenge folder, or a label movie (TIFF, zarr).",
        ),
    ] = None,
    movie: Annotated[Path | None, typer.Option(help="The movie, if it is not beside RESULT.")] = None,
    export: Export = None,
    overlay: Annotated[bool, typer.Option(help="Write overlay.mp4.")] = True,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
) -> None:
    """Apply recorded corrections to results: the edited somas are measured anew, everything else stays."""
    from somanet.analysis.movie import Options, check_exports, correct_movie, tracks_to_take
    from somanet.analysis.names import CORRECTIONS
    from somanet.analysis.returned import taking_back
    from somanet.cli.analyze import print_summary

    check_exports(export or [])
    options = Options(report=report, overlay=overlay, exports=tuple(export or []))
    recorded = corrections if corrections is not None else result / CORRECTIONS
    if corrections is None and from_ is None and not recorded.is_file():
        raise SomaNetError(
            f"{recorded} is not there. Name the recorded corrections, or what another program corrected: --from FILE"
        )
    with tracks_to_take(from_, output) as taken:
        if taken is None:
            measures = correct_movie(result, output, corrections_file=recorded, movie=movie, options=options)
        else:
            with taking_back(result, taken, corrections, movie=movie) as found:
                typer.echo(f"{from_}: {found.in_words}")
                measures = correct_movie(result, output, corrections_file=found.path, movie=movie, options=options)
    print_summary(measures, output, movie)
