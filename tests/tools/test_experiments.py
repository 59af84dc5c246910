"""The table of experiments: what `dvc exp show --csv` has, turned, and never wider than the screen."""

from __future__ import annotations

import pytest

from tools.experiments import tables

SHOWN = """\
Experiment,rev,typ,Created,parent,HOTA,train.rate
,workspace,baseline,,,0.5,0.01
,main,baseline,2026-11-30T06:56:40,,0.25,0.02
loud-fox,1988f49,branch_base,2026-11-30T07:08:59,,0.5,0.01
meek-owl,2a88f50,branch_base,2026-11-30T08:10:11,,!,
"""
TURNED = """\
            workspace              main          loud-fox          meek-owl
---------------------------------------------------------------------------
Created             -  2026-11-30 06:56  2026-11-30 07:08  2026-11-30 08:10
HOTA              0.5              0.25               0.5                 !
train.rate       0.01              0.02              0.01                 -"""


def test_experiments_are_columns() -> None:
    assert tables(SHOWN, 200) == TURNED


@pytest.mark.parametrize("width", [28, 40, 41, 60, 74, 75])
def test_what_does_not_fit_is_a_table_of_its_own(width: int) -> None:
    """The names take 10 characters, the first experiment 2 + 9, each further one 2 + 16."""
    shown = tables(SHOWN, width)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    heads = [line.split() for line in lines if line.startswith(" ")]
    assert [name for head in heads for name in head] == ["workspace", "main", "loud-fox", "meek-owl"]
    assert len(heads) == {28: 4, 40: 3, 41: 3, 60: 2, 74: 2, 75: 1}[width]
    rates = [line.split()[1:] for line in lines if line.startswith("train.rate")]
    assert [rate for row in rates for rate in row] == ["0.01", "0.02", "0.01", "-"]


def test_without_experiments_commits_are_columns() -> None:
    """DVC then leaves out the column of their names."""
    assert tables("rev,typ,Created,cells\nworkspace,baseline,,3\nmain,baseline,,2\n", 80).splitlines() == [
        "         workspace  main",
        "------------------------",
        "Created          -     -",
        "cells            3     2",
    ]


def test_a_project_without_a_commit_has_no_table() -> None:
    assert tables("Experiment,rev,typ,Created\n", 80) == ""
