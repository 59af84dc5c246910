"""The study's section of the parameter file: every row is there, once, and comes from one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from somanet.config import Params as AllParams
from somanet.config import load_params
from somanet.core.errors import SomaNetError
from somanet.core.settings import parse, read_yaml
from somanet.training.paper.published import LOSS_FIGURES, PAPER
from somanet.training.paper.settings import StudyParams, StudyRow

ROOT = Path(__file__).resolve().parents[3]
ROWS = [
    {"network": "n", "what": "untouched", "paper": "baseline"},
    {"variant": "a", "what": "retrained", "paper": "run 1"},
]


def study(*rows: dict[str, Any], reference: str = "a") -> StudyParams:
    return StudyParams.model_validate(
        {
            "title": "t",
            "threshold": {"threshold": 70, "opening_radius_px": 4},
            "reference": reference,
            "sections": [{"title": "s", "rows": list(rows)}],
        }
    )


def test_rows_are_named_as_the_comparison_names_them() -> None:
    assert [row.name for row in study(*ROWS).rows] == ["baseline: n", "a"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"what": "nothing"}, "expected either variant or network"),
        ({"variant": "a", "network": "n", "what": "both"}, "expected either variant or network"),
        ({"variant": "a", "what": "x", "paper": "run 8"}, "paper is 'run 8'; the paper's results are baseline, one"),
    ],
)
def test_a_row_has_one_source(row: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudyRow.model_validate(row)


def test_a_row_twice_and_a_reference_that_is_no_row() -> None:
    with pytest.raises(ValueError, match="name a more than once"):
        study(*ROWS, ROWS[1])
    with pytest.raises(ValueError, match="reference is 'b', which is not a variant"):
        study(*ROWS, reference="b")


def test_a_row_that_was_never_trained_is_refused_with_what_there_is() -> None:
    values = read_yaml(ROOT / "params.yaml")
    values["study"]["sections"][0]["rows"][1]["variant"] = "paper_last9"
    values["study"]["reference"] = "paper_last9"
    with pytest.raises(SomaNetError, match="study names 'paper_last9'; finetune has compact_all, compact_scratch"):
        parse(AllParams, values, source="params.yaml")


@pytest.mark.parametrize("profile", ["profiles/study", "profiles/real"])
def test_the_whole_study_has_every_result_of_the_paper(profile: str) -> None:
    """But one: `augmentation` is run 1 before its search, with the same data and layers."""
    rows = load_params(ROOT / profile / "params.yaml").study.rows
    assert {row.paper for row in rows if row.paper} == set(PAPER) - {"augmentation"}


@pytest.mark.parametrize("profile", ["profiles/study", "profiles/real"])
def test_runs_differ_from_the_best_in_what_the_paper_varied_and_nothing_else(profile: str) -> None:
    params = load_params(ROOT / profile / "params.yaml")
    by_paper = {row.paper: params.finetune[row.variant] for row in params.study.rows if row.variant and row.paper}
    best = by_paper["run 1"]
    assert (best.training.learning_rate, best.training.batch_size, best.training.weight_decay) == (1e-3, 8, 1e-4)
    expected = {
        "learning_rate": {"run 2": 1e-2, "run 3": 1e-4},
        "batch_size": {"run 4": 16, "run 5": 32},
        "weight_decay": {"run 6": 1e-3, "run 7": 1e-5},
    }
    for quantity, runs in expected.items():
        assert set(runs) < set(LOSS_FIGURES[quantity])
        for run, value in runs.items():
            training = best.training.model_copy(update={quantity: value})
            assert by_paper[run] == best.model_copy(update={"training": training})
