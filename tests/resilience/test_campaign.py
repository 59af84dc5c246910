"""Some trials of the campaign, with a fixed seed; `make test-kill` draws others and more of them."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from somanet.provenance.mlflow.client import open_client
from tests.resilience.campaign import Campaign, trials
from tests.resilience.processes import Broken, Process
from tests.resilience.scenarios import DISKS, PAIRS, SCENARIOS, files_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    one = Campaign(tmp_path_factory.mktemp("campaign"))
    one.warm_up()
    return one


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_command_ends_the_same(name: str, campaign: Campaign) -> None:
    campaign.kill(name, random.Random(f"fixed {name}"))


@pytest.mark.parametrize("name", PAIRS)
def test_of_two_commands_with_one_output_one_is_whole(name: str, campaign: Campaign) -> None:
    campaign.pair(name, random.Random(f"fixed {name}"))


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a disk")
@pytest.mark.parametrize("name", DISKS)
def test_a_disk_that_is_too_small_breaks_nothing(name: str, campaign: Campaign) -> None:
    campaign.disk(name, random.Random(f"fixed {name}"))


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "an output is cut": (lambda project: (project / "labels/a.tif").write_bytes(b"cut"), "other files than"),
    "an input is overwritten": (lambda project: (project / "raw/a.png").write_bytes(b"over"), "other files than"),
    "something half-written is left": (lambda project: (project / ".labels.1.part").mkdir(), "left over: .*labels.1"),
    "a run is left open": (lambda project: open_client(project).create_run("0"), "runs {'RUNNING': 1}"),
}


@pytest.mark.parametrize(("harm", "words"), HARM.values(), ids=HARM.keys())
def test_harm_is_noticed(harm: Callable[[Path], object], words: str, campaign: Campaign) -> None:
    """Each check is tripped once."""
    scenario = SCENARIOS["predict"]
    before = campaign.reference("predict", scenario, replaces=True)
    project = campaign.copy(before.project)
    read = files_in(project, scenario.inputs)
    assert Process(scenario.command, project).end() == 0
    campaign.judge(project, scenario, [before.new], read, ["nothing happened"])
    harm(project)
    with pytest.raises(Broken, match=words):
        campaign.judge(project, scenario, [before.new], read, ["harmed"])


def test_a_trial_is_repeated_by_its_seed_and_number() -> None:
    """However many there are; scenarios take turns."""
    few, many = trials(7, "kill", list(SCENARIOS), 3), trials(7, "kill", list(SCENARIOS), 20)
    assert [(name, chance.random()) for name, chance in few] == [(name, chance.random()) for name, chance in many[:3]]
    assert {name for name, _ in many} == set(SCENARIOS)
    assert trials(8, "kill", ["train"], 1)[0][1].random() != trials(7, "kill", ["train"], 1)[0][1].random()
