"""Recipes of the benchmarks: they are compared with the bundled model."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.training import read_recipe
from somanet.analysis.network import BUNDLED
from somanet.segmentation.network.models import build_model

PEERS = Path(__file__).parents[3] / "benchmarks" / "peers"
BUNDLED_NUCLEI = read_recipe(BUNDLED / "recipe.yaml", "nuclei")


def test_the_widths_are_trained_alike_and_one_is_the_network_that_comes_along() -> None:
    names = ("lite0", "lite0_full", "mobilenet", "mobilenet_wide", "regnet")
    widths = {name: read_recipe(PEERS / "widths.yaml", name) for name in names}
    assert widths["lite0"] == BUNDLED_NUCLEI
    assert {recipe.training.model_dump_json() for recipe in widths.values()} == {
        BUNDLED_NUCLEI.training.model_dump_json()
    }
    same = {"outputs", "input", "instances", "architecture"}
    assert len({recipe.model.model_dump_json(include=same) for recipe in widths.values()}) == 1
    sizes = {
        name: sum(p.numel() for p in build_model(recipe.model, load_encoder_weights=False).parameters())
        for name, recipe in widths.items()
    }
    assert sizes["mobilenet"] < sizes["mobilenet_wide"] < sizes["lite0"] < sizes["lite0_full"]


def test_the_race_is_run_by_the_network_that_comes_along() -> None:
    """Validated after every epoch, so that the moment when it is good enough is noticed."""
    race = read_recipe(PEERS / "race.yaml", "nuclei")
    assert race.model.model_dump(exclude={"instances"}) == BUNDLED_NUCLEI.model.model_dump(exclude={"instances"})
    assert race.training.validate_every == 1
