"""A word on recorded corrections that the numbers of results do not show."""

from __future__ import annotations

from pathlib import Path

import typer


def note_unapplied(result: Path) -> None:
    """Say that corrections lie beside results that were not computed with them, if so.

    Args:
        result: a folder with the results of one movie.
    """
    from somanet.analysis import names

    beside, shown = result / names.CORRECTIONS, result / names.AUTOMATIC / names.CORRECTIONS
    if not beside.is_file() or (shown.is_file() and shown.read_bytes() == beside.read_bytes()):
        return
    typer.echo(
        f"note: {beside} has corrections that these numbers do not show. Apply them: somanet correct {result} --output "
        "CORRECTED",
        err=True,
    )
