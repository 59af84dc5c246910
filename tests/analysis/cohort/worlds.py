"""Two groups of three donors with two movies each, from drawn tracks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from somanet.analysis.cohort.write import Question
from tests.analysis.worlds import save_results, tracks

GROUPS = {"control": 3, "patient": 6}
"""Saltations per cell in 9 h 50 min."""


def save_study(root: Path, **options: object) -> list[Path]:
    """Movies of four cells each; one more saltation in each third donor, so that donors differ."""
    found = []
    for group, jumps in GROUPS.items():
        for donor in range(3):
            for movie in range(2):
                table = tracks(4, seed=100 * donor + movie + jumps, jumps=jumps + (donor == 2))
                found.append(save_results(root / f"{group}{donor}{movie}", table, **options))
    return found


def conditions(
    path: Path, folders: list[Path], *, columns: tuple[str, ...] = ("donor", "group"), shared: bool = False
) -> Path:
    """Donors and groups by the movies' names; with ``shared`` the donors of both groups have the same ids."""
    names = [folder.name for folder in folders]
    table = pd.DataFrame({"movie": [f"{name}.ome.tif" for name in names]})
    table["donor"] = [name[-2] if shared else name[:-1] for name in names]
    table["group"] = [name[:-2] for name in names]
    table["batch"] = [f"b{name[-1]}" for name in names]
    table[["movie", *columns]].sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


def question(path: Path, folders: list[Path], *, paired: bool = False, **options: object) -> Question:
    return Question(conditions(path, folders, **options), "control", paired)
