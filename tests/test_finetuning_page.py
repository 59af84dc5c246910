"""The commands of docs/finetuning.md are accepted as written, its links lead somewhere, and its sentences are real."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.training.finetuning import judge
from tests.test_readme import ROOT, commands, local_links, problem_with, somanet_arguments

PAGE = (ROOT / "docs" / "finetuning.md").read_text(encoding="utf-8")


def test_every_command_is_accepted() -> None:
    given = {command: somanet_arguments(command) for command in commands(PAGE)}
    assert sum(arguments is not None for arguments in given.values()) == 3
    refused = {line: problem_with(words) for line, words in given.items() if words is not None}
    assert not {line: problem for line, problem in refused.items() if problem}


def test_every_dvc_command_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["dvc"])  # which DVC's parser reads as well
    parser = pytest.importorskip("dvc.cli")
    lines = [shlex.split(line)[1:] for line in commands(PAGE) if line.startswith("dvc ")]
    assert len(lines) == 4
    for words in lines:
        parser.parse_args(words)


def test_links_lead_somewhere() -> None:
    for link in local_links(PAGE):
        assert (ROOT / "docs" / Path(link.split("#")[0])).exists(), link


def test_the_sentences_of_the_page_are_those_of_the_command() -> None:
    """The first of the table, letter by letter but for its numbers; the last with its own."""

    def sentence(gains: list[float], n_movies: int) -> str:
        names = [f"c{number}" for number in range(len(gains))]
        start = pd.DataFrame({"name": names, "iou": 0.5, "n_true": 2, "tp_0.5": 1, "fp_0.5": 0, "fn_0.5": 1})
        of = {name: f"m{number % n_movies}" for number, name in enumerate(names)}
        tuned = start.assign(iou=0.5 + np.array(gains))
        return judge(tuned, start, start_name="bundled", unit="movie", unit_of=of).sentence

    better = re.sub(r"[\d.]+", "0", sentence([0.06, 0.02, 0.02, 0.01, 0.04, 0.02, 0.03, -0.005], 8))
    assert better in re.sub(r"[\d.]+", "0", PAGE)
    assert sentence([0.1] * 4, 2).split(" (")[0] in PAGE
