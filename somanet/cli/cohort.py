"""`somanet cohort`: groups of donors compared, from the results of their movies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.typed import typed

if TYPE_CHECKING:
    from somanet.analysis.cohort.write import Question


class Pairing(StrEnum):
    """What is compared with itself."""

    donor = "donor"


ConditionsFile = Annotated[
    Path | None,
    typer.Option("--conditions", help="CSV movie,donor,group of several movies, for comparisons; batch is optional."),
]
Reference = Annotated[str | None, typer.Option(help="The group that the others are compared with.")]
Paired = Annotated[
    Pairing | None,
    typer.Option(
        help="donor: the same donor id in two groups is the same donor, compared with itself (drug, vehicle)."
    ),
]


def cohort(
    output: Annotated[
        Path,
        typer.Argument(metavar="STUDY", help="Folder with results of movies, where the cohort's are written."),
    ],
    conditions: ConditionsFile = None,
    reference: Reference = None,
    paired: Paired = None,
) -> None:
    """Combine analysed movies, corrected ones included: tables, comparison of groups, report, methods."""
    from somanet.analysis.cohort.results import find_results

    if (reference is not None or paired is not None) and conditions is None:
        raise SomaNetError("--reference and --paired are about the groups of --conditions: give that table too.")
    write_and_print(find_results(output), output, question_of(conditions, reference, paired))


def question_of(conditions: Path | None, reference: str | None, paired: Pairing | None) -> Question:
    """The options as one value."""
    from somanet.analysis.cohort.write import Question

    return Question(conditions, reference, paired is not None)


def check_groups_of(question: Question, movies: Sequence[str]) -> None:
    """Refuse conditions that miss movies, donors or the reference, and name rows of no movie, before the work."""
    from somanet.analysis.cohort.conditions import check_groups, read_conditions

    if question.conditions is not None:
        found = read_conditions(question.conditions, movies)
        check_groups(found.table, question.reference)
        if found.unused:
            typer.echo(f"note: {question.conditions}: rows of no movie here: {', '.join(found.unused)}", err=True)


def write_and_print(
    folders: Sequence[Path],
    output: Path,
    question: Question,
    *,
    notes: Sequence[str] = (),
    told: Sequence[str] = (),
    paths: Mapping[Path, Path] | None = None,
) -> None:
    """Build the cohort of these results, and print its outcome.

    Args:
        folders: of results.
        output: the study.
        question: what is compared.
        notes: for the reader of the cohort.
        told: those of them that the user has been told.
        paths: by folder, where movies are, as far as they are known.
    """
    from somanet.analysis import names
    from somanet.analysis.cohort.page import comparison_notes, outcome
    from somanet.analysis.cohort.write import build_cohort
    from somanet.cli.unapplied import note_unapplied
    from somanet.core.files import json_object

    found = build_cohort(folders, output, question, notes=notes)
    typer.echo(f"{counted(len(found.movies), 'movie')}, {counted(found.summaries['all'].n_cells, 'cell')}")
    for one in found.comparisons:
        typer.echo(outcome(one))
    for note in (*comparison_notes(found), *found.notes, *found.warnings):
        if note not in told:
            typer.echo(f"  note: {note}")
    for folder in folders:
        note_unapplied(folder, folders, movie=(paths or {}).get(folder))
    files = json_object(output / names.COHORT_RECORD).get("files", {})
    typer.echo(f"Written: {output} ({', '.join(sorted(files))})")
    traced = output / (names.COMPARISON if names.COMPARISON in files else names.MOVIES)
    typer.echo(f"Next: open {output / names.REPORT} in a browser; {typed('trace', traced)}")
