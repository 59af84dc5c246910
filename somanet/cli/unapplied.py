"""A word on recorded corrections that the numbers of results do not show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer


def note_unapplied(result: Path, others: Iterable[Path] = (), *, movie: Path | None = None) -> None:
    """Say that corrections lie beside results that were not computed with them, if so.

    Args:
        result: a folder with the results of one movie.
        others: further results that count, among which the corrected ones may be.
        movie: where the movie is, as far as it is known.
    """
    from somanet.analysis import names
    from somanet.analysis.next_steps import correcting

    beside = result / names.CORRECTIONS
    shown = (folder / names.AUTOMATIC / names.CORRECTIONS for folder in (result, *others))
    if not beside.is_file():
        return
    recorded = beside.read_bytes()
    if any(one.is_file() and one.read_bytes().startswith(recorded) for one in shown):  # perhaps with further edits
        return
    typer.echo(
        f"note: {beside} has corrections that these numbers do not show. Apply them: {correcting(result, movie=movie)}",
        err=True,
    )
