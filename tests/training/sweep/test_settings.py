"""Valid `sweep:` sections, and the one-line error for everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from somanet.config import Params, load_params
from somanet.core.errors import SomaNetError
from somanet.core.settings import override, parse, read_yaml
from somanet.training.sweep.settings import SweepParams
from somanet.training.sweep.space import read_space

ROOT = Path(__file__).resolve().parents[3]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "profiles").glob("*/params.yaml"))]


def values(**changes: Any) -> dict[str, Any]:
    return {"base": "compact_all", "trials": 3, "space": {"training.epochs": [2, 4]}, **changes}


def parse_sweep(**changes: Any) -> SweepParams:
    return parse(SweepParams, values(**changes), source="params.yaml")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_the_sweeps_of_the_repository_are_possible(file: Path) -> None:
    params, raw = load_params(file), read_yaml(file)
    for sweep in params.sweep.values():
        assert read_space(sweep, raw["finetune"][sweep.base], source=str(file))


def test_there_are_sweeps() -> None:
    assert {"rates", "seeds"} <= set(load_params(FILES[0]).sweep)


def test_a_list_and_a_range_are_told_apart() -> None:
    space = parse_sweep(space={"training.epochs": [2, 4], "training.learning_rate": {"low": "1e-4", "high": 1}}).space
    assert space["training.epochs"].choices == (2, 4)
    assert space["training.learning_rate"].low == 1e-4  # YAML reads 1e-4 as text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials": None}, "needs trials or minutes"),
        ({"trials": 0}, "trials: Input should be greater than 0, found 0"),
        ({"minutes": 0}, "minutes: Input should be greater than 0"),
        ({"holdout": 1}, "holdout: Input should be less than 1"),
        ({"sampler": "best"}, "sampler: Input should be 'tpe', 'random', 'grid' or 'cmaes', found 'best'"),
        ({"pruner": "axe"}, "pruner: Input should be 'none', 'median' or 'hyperband'"),
        ({"metric": "val_loss"}, "metric: Input should be 'val_iou'"),
        ({"tirals": 3}, "unknown parameter 'tirals'. Did you mean 'trials'?"),
        ({"space": {}}, "space: "),
        ({"space": {"a": []}}, "space.a: choices must have at least one value, each only once"),
        ({"space": {"a": [1, 1]}}, "space.a: choices must have at least one value, each only once"),
        ({"space": {"a": {"low": 1}}}, "space.a: expected a list of values, or a range with low and high"),
        ({"space": {"a": {"lwo": 1, "high": 2}}}, "unknown parameter 'space.a.lwo'. Did you mean 'low'?"),
        ({"space": {"a": {"low": 2, "high": 1}}}, "space.a: low must be below high, found low 2 and high 1"),
        ({"space": {"a": {"low": 2, "high": 2}}}, "low must be below high"),
        ({"space": {"a": {"low": 0, "high": 1, "log": True}}}, "a range with log must lie above 0, found low 0"),
        ({"space": {"a": {"low": 1, "high": 9, "log": True, "step": 2}}}, "log and step exclude each other"),
        ({"space": {"a": {"low": 1, "high": 2, "step": 3}}}, "step 3 is longer than the range"),
        ({"space": {"a": {"choices": [1], "low": 2}}}, "a list of choices has no low, high, log or step"),
        ({"sampler": "grid", "space": {"a": {"low": 1, "high": 2}}}, "a grid needs lists or ranges with a step; 'a'"),
        ({"sampler": "cmaes", "space": {"a": [1, 2], "b": {"low": 1, "high": 2}}}, "cmaes needs ranges; 'a'"),
        ({"sampler": "cmaes", "space": {"b": {"low": 1, "high": 2}}}, "cmaes needs at least two settings"),
        ({"seeds_per_trial": 2, "space": {"seed": [0, 1]}}, "seed is in the space, so seeds_per_trial must be 1"),
    ],
)
def test_an_impossible_sweep_is_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SomaNetError) as error:
        parse_sweep(**changes)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_grid_needs_no_budget() -> None:
    assert parse_sweep(sampler="grid", trials=None).trials is None


def test_the_base_must_be_a_variant() -> None:
    params = override(read_yaml(ROOT / "params.yaml"), ["sweep.rates.base=compact_al"])
    with pytest.raises(SomaNetError, match=r"sweep\.rates\.base is 'compact_al'; finetune has \['compact_all'"):
        parse(Params, params, source="params.yaml")
