"""From folders of results to all outputs of a cohort: how `cohort`, `analyze` of several movies and DVC end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import somanet
from somanet.analysis import names
from somanet.analysis.cohort.conditions import read_conditions
from somanet.analysis.cohort.figures import save_figures
from somanet.analysis.cohort.gather import Cohort, gather_cohort
from somanet.analysis.cohort.page import cohort_page
from somanet.analysis.cohort.results import read_results
from somanet.analysis.cohort.tables import COMPARISON, comparison_metric, comparison_table
from somanet.analysis.manifest import code_record
from somanet.analysis.methods import cohort_methods
from somanet.core.files import write_json, write_text
from somanet.core.guard import reading
from somanet.core.hashing import sha256_file
from somanet.core.result_records import hashes_of
from somanet.core.results import result_folder
from somanet.io.tables import write_table
from somanet.migration.groups import COMPARED
from somanet.migration.tables import CELL_INTERNALS
from somanet.migration.verdict_names import VERDICT


@dataclass(frozen=True)
class Question:
    """What a cohort is asked.

    Attributes:
        conditions: CSV with movie, and donor, group and batch as far as known; None describes the movies only.
        reference: the group that the others are compared with.
        paired: a donor id in two groups is one donor.
    """

    conditions: Path | None = None
    reference: str | None = None
    paired: bool = False


def build_cohort(
    folders: Sequence[Path], output: Path, question: Question, *, notes: Sequence[str] = (), of_stage: bool = False
) -> Cohort:
    """Combine the results of movies and write tables, figures, report, methods and record; all of it, or nothing.

    Args:
        folders: with results of movies, corrected ones included.
        output: the folder; it may be that of the movies' folders, which are not touched.
        question: what is compared.
        notes: further ones for the reader, such as movies that could not be analysed.
        of_stage: the folder is an output of a pipeline, see :func:`somanet.analysis.manifest.code_record`.

    Raises:
        SomaNetError: results or conditions cannot be used, or the output cannot be written.
    """
    results, left_out = read_results(folders)
    conditions = None if question.conditions is None else read_conditions(question.conditions, list(results))
    cohort = gather_cohort(
        results,
        conditions,
        reference=question.reference,
        paired=question.paired,
        notes=(*notes, *left_out),
    )
    with (
        reading(question.conditions),
        result_folder(output, names.COHORT, writes=names.COHORT_FILES) as folder,
    ):
        record = record_of_cohort(cohort, question, output, of_stage=of_stage)
        _write(cohort, folder, record, title=output.resolve().name)
    return cohort


def _write(cohort: Cohort, folder: Path, record: dict[str, Any], *, title: str) -> None:
    compared = list(dict.fromkeys(one.number for one in cohort.comparisons)) or list(COMPARED)
    table = comparison_table(cohort)
    write_table(folder / names.MOVIES, cohort.movies)
    write_table(folder / names.CELLS, cohort.cells.drop(columns=[*CELL_INTERNALS.names[1:], VERDICT]))
    write_json(folder / names.SUMMARY, {group: _summary(cohort, group) for group in cohort.summaries})
    if len(cohort.donors):
        write_table(folder / names.DONORS, cohort.donors)
    if len(table):
        write_table(folder / names.COMPARISON, table, COMPARISON)
        write_json(folder / names.COMPARISON_METRIC, comparison_metric(cohort.comparisons))
    figures = save_figures(cohort, folder / names.FIGURES, compared)
    methods = cohort_methods(
        [result.manifest for result in cohort.results.values()],
        table,
        counts={
            "movies": len(cohort.movies),
            "donors": cohort.summaries["all"].n_donors,
            "cells": cohort.summaries["all"].n_cells,
            "given": sum(one.given for one in cohort.results.values()),
            "corrected": sum(one.corrected and not one.given for one in cohort.results.values()),
        },
        reference=cohort.reference,
        code=record["code"],
        version=somanet.__version__,
        verdicts=[one.in_words for one in cohort.verdicts],
        drift=cohort.drift,
    )
    write_text(folder / names.METHODS, methods)
    write_text(folder / names.REPORT, cohort_page(cohort, table, figures, methods, record, title=title))
    write_json(folder / names.COHORT_RECORD, {**record, "files": hashes_of(folder, names.COHORT)})


def _summary(cohort: Cohort, group: str) -> dict[str, Any]:
    """Pooled numbers of a group, and whether its saltation numbers hold; of all movies, each group's verdicts."""
    verdicts = [one for one in cohort.verdicts if group in ("all", one.group)]
    return cohort.summaries[group].as_dict() | {"verdicts": [{"group": one.group} | one.as_dict() for one in verdicts]}


def record_of_cohort(cohort: Cohort, question: Question, output: Path, *, of_stage: bool) -> dict[str, Any]:
    """Everything that determined a cohort's numbers, by hash: movies, conditions, question, code."""
    conditions = None
    if question.conditions is not None:
        conditions = {"file": question.conditions.name, "sha256": sha256_file(question.conditions)}
    return {
        "somanet": somanet.__version__,
        "conditions": conditions,
        "reference": question.reference,
        "paired": "donor" if question.paired else None,
        "movies": {name: _movie(result.folder, result.manifest, output) for name, result in cohort.results.items()},
        "code": code_record(of_stage=of_stage),
        "warnings": list(cohort.warnings),
        "notes": list(cohort.notes),
    }


def _movie(folder: Path, manifest: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """A movie in the record: its folder from the cohort's, and the hash of its manifest, which has all others."""
    return {
        "results": Path(os.path.relpath(folder.resolve(), output.resolve())).as_posix(),
        "manifest_sha256": sha256_file(folder / names.MANIFEST),
        "movie_sha256": manifest["input"]["sha256"],
        "network_sha256": (manifest.get("model") or {}).get("sha256"),
        "tracks_sha256": manifest.get("tracks_sha256"),
        "commit": manifest["code"].get("commit"),
    }
