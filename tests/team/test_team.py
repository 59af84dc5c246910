"""Two users in two clones, with one MLflow server on PostgreSQL and one DVC remote over SSH, as docs/team.md has it.

The tests stand in the order of the page and share one lab.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from somanet.io.datasets.writers import write_pairs
from somanet.provenance.mlflow import track_run
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.cli.test_promote import table
from tests.resilience.proxy import Proxy
from tests.resilience.records import check_whole
from tests.servers import free_port
from tests.team.lab import Lab, User, page_commands
from tests.team.services import Postgres
from tests.worlds import bright_network, save_bright_network, scene

pytestmark = pytest.mark.slow

SMALLEST = " --set training.epochs=2 --set training.size_px=32 --set training.batch_size=2"
DAY = "A day of two users"


def test_the_page_marks_what_is_not_run_here() -> None:
    """The commands that the fixtures leave out are those that the page names as such."""
    [install, extra, *_] = page_commands("The server")
    [tunnel, *_] = page_commands("Each user")
    assert (install, extra) == ("sudo apt-get install postgresql", "pip install 'somanet[team]'")
    assert tunnel.startswith("ssh -fN -L 5000:127.0.0.1:5000")


def day() -> tuple[list[str], list[str]]:
    """Anna's and Ben's commands."""
    every = page_commands(DAY)
    begins = every.index("git pull")
    return every[:begins], every[begins:]


def do(user: User, lab: Lab, command: str) -> str:
    return user.run(lab.here(command) + (SMALLEST if command.startswith("somanet train") else ""))


@pytest.fixture(scope="module")
def anna(users: tuple[User, User]) -> User:
    """Anna, with labelled images and a network that finds them."""
    for name, images in (("crops", "abcdefgh"), ("val", "ijklmn")):
        write_pairs(users[0].clone / "data" / name, [scene(one) for one in images])
    save_bright_network(users[0].clone / "models" / "drawn")
    return users[0]


@pytest.fixture(scope="module")
def anna_s(lab: Lab, anna: User) -> dict[str, str]:
    """What Anna's commands printed."""
    return {command: do(anna, lab, command) for command in day()[0]}


@pytest.fixture(scope="module")
def ben_s(lab: Lab, users: tuple[User, User], anna_s: dict[str, str]) -> dict[str, str]:
    """What Ben's commands printed."""
    return {command: do(users[1], lab, command) for command in day()[1]}


def client(lab: Lab) -> MlflowClient:
    return MlflowClient(lab.server.url)


def said(outputs: dict[str, str], begin: str) -> str:
    [found] = [text for command, text in outputs.items() if command.startswith(begin)]
    return found


def test_both_trainings_are_in_one_store_under_their_user(
    lab: Lab, users: tuple[User, User], ben_s: dict[str, str]
) -> None:
    runs = client(lab).search_runs([client(lab).get_experiment_by_name("train").experiment_id])
    assert sorted(run.data.tags["mlflow.user"] for run in runs) == ["anna", "ben"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len({run.data.params["data.validation.sha256"] for run in runs}) == 1
    for user in users:
        assert not (user.clone / "mlruns" / "mlflow.db").exists()
        assert list((user.clone / "mlruns").glob("spool/*")) == []
    assert client(lab).search_runs([run.info.experiment_id for run in runs], "user_id = 'ben'")


def test_the_data_came_over_ssh_and_are_the_same(users: tuple[User, User], ben_s: dict[str, str]) -> None:
    anna, ben = users
    for name in ("crops", "val"):
        here, there = (sorted((user.clone / "data" / name).rglob("*.*")) for user in users)
        assert [path.relative_to(anna.clone) for path in here] == [path.relative_to(ben.clone) for path in there] != []
        assert [path.read_bytes() for path in here] == [path.read_bytes() for path in there]
    assert (ben.clone / ".dvc" / "config").read_text().count("ssh://") == 1
    assert "user" not in (ben.clone / ".dvc" / "config").read_text()


def run_of(user: User) -> str:
    """The run of a user's training."""
    file = user.clone / "models" / f"{user.name}_report" / "mlflow_run.json"
    [found] = re.findall(r"[0-9a-f]{32}", file.read_text())
    return str(found)


def test_ben_compares_with_a_run_whose_files_he_does_not_have(users: tuple[User, User], ben_s: dict[str, str]) -> None:
    text = said(ben_s, "somanet compare")
    assert all(f"`{run_of(user)}`" in text for user in users)
    assert "(2 networks)" in text
    assert not (users[1].clone / "models" / "anna").exists()


def test_the_champion_is_anna_s_network_everywhere(
    lab: Lab, users: tuple[User, User], anna_s: dict[str, str], ben_s: dict[str, str]
) -> None:
    assert "is now champion: version 1" in said(anna_s, "somanet promote")
    assert "is now challenger: version 2" in said(ben_s, "somanet promote")
    aliases = client(lab).get_registered_model("somanet").aliases
    assert {name: str(number) for name, number in aliases.items()} == {"champion": "1", "challenger": "2"}
    scores = [(users[i].clone / f"scores/{name}/metrics.json") for i, name in ((0, "anna"), (1, "champion"))]
    hers, champion_s = (re.findall(r'"iou": ([\d.e-]+)', file.read_text()) for file in scores)
    assert hers == champion_s != []


def test_the_lineage_of_ben_s_network_leads_to_the_data_s_hash(ben_s: dict[str, str]) -> None:
    text = said(ben_s, "somanet trace")
    assert "crops" in text
    assert "FINISHED" in text


def test_ui_prints_the_scores_of_the_server(lab: Lab, ben_s: dict[str, str]) -> None:
    experiment = client(lab).get_experiment_by_name("train").experiment_id
    link = f"#/experiments/{experiment}/runs?viewStateShareKey=somanet-scores&workflowType=machine_learning"
    lines = said(ben_s, "somanet ui").splitlines()
    assert lines[0] == f"Open {lab.server.url}"
    assert f"  train  {lab.server.url}/{link}" in lines


@pytest.fixture
def scored(lab: Lab, anna: User, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Runs whose scores are such that each beats the one before, and a registry without any."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", lab.server.url)
    for model in client(lab).search_registered_models():
        client(lab).delete_registered_model(model.name)
    runs = {}
    for i, (name, more) in enumerate((("first", 0.0), ("better", 0.05), ("best", 0.08))):
        network = bright_network()
        with torch.no_grad():
            network.head.bias.fill_(-10.0 - 0.001 * i)
        sha256 = save_checkpoint(anna.clone / "models" / name, network, ModelSpec(), {})
        with track_run(name, experiment="promoted", root=anna.clone, system_metrics=False) as run:
            runs[name] = run.run_id
            run.set_tags({"weights_sha256": sha256})
            run.log_file(anna.clone / "models" / name, "checkpoint")
            run.log_table(table(more), "neurons_per_image.csv")
    return runs


AT_ONCE = """
import sys
import time
from pathlib import Path
from somanet.cli import script
from somanet.training.promotion import champion

decide, meeting, run = champion.decide, Path(sys.argv[1]), sys.argv[2]

def slow(*arguments):
    time.sleep(2)
    return decide(*arguments)

champion.decide = slow
(meeting / run).touch()
while len(list(meeting.iterdir())) < 2:
    time.sleep(0.01)
sys.argv = ["somanet", "promote", run]
script()
"""


def test_two_promotions_at_once_are_ordered(
    lab: Lab, users: tuple[User, User], scored: dict[str, str], tmp_path: Path
) -> None:
    """Each takes seconds to decide, so both would see the first champion; whoever comes second must see the other's.

    The best network is champion in either order: after the better one, or instead of it.
    """
    anna, ben = users
    anna.run(f"somanet promote {scored['first']}")
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    (tmp_path / "at_once.py").write_text(AT_ONCE)
    script = f"{sys.executable} {tmp_path / 'at_once.py'} {meeting}"
    processes = {name: user.start(f"{script} {scored[name]}") for name, user in (("better", anna), ("best", ben))}
    outputs = {name: process.communicate(timeout=300)[0] for name, process in processes.items()}
    status = {name: process.returncode for name, process in processes.items()}
    assert status["best"] == 0, outputs
    versions = client(lab).search_model_versions("name = 'somanet'")
    number = {version.run_id: str(version.version) for version in versions}
    champion = client(lab).get_model_version_by_alias("somanet", "champion")
    assert champion.run_id == scored["best"]
    aliases = client(lab).get_registered_model("somanet").aliases
    assert {name: str(version) for name, version in aliases.items()} == {"champion": number[scored["best"]]}
    if status["better"] == 0:
        assert champion.tags["promotion.previous_champion"] == number[scored["better"]]
    else:
        [line] = [line for line in outputs["better"].splitlines() if line.startswith("error: ")]
        assert "(better). Not better with 95 % confidence: iou 0.6500 against 0.6800" in line
        assert champion.tags["promotion.previous_champion"] == number[scored["first"]]
        assert scored["better"] not in number
    assert [one.name for one in client(lab).search_registered_models()] == ["somanet"]


def test_no_command_left_the_clones_dirty(users: tuple[User, User], ben_s: dict[str, str]) -> None:
    assert [user.run("git status --porcelain") for user in users] == ["", ""]


def test_a_backup_comes_back_and_the_upgrade_runs(
    lab: Lab, postgres: Postgres, anna: User, scored: dict[str, str], tmp_path: Path
) -> None:
    dump, _rsync, create, restore, _pip, upgrade = page_commands("Backup and upgrades")
    keeper = User("keeper", tmp_path, {**anna.environment, **postgres.variables})
    for command in (dump, create.removeprefix("sudo -u postgres "), restore, upgrade):
        keeper.run(lab.here(command))
    counts = [
        keeper.run(f"psql -At -c 'select count(*), max(end_time) from runs' {name}") for name in ("mlflow", "restored")
    ]
    assert counts[0] == counts[1]
    assert int(counts[0].partition("|")[0]) >= len(scored)


def test_server_and_database_crash_in_the_middle_of_a_training(lab: Lab, postgres: Postgres, anna: User) -> None:
    """Both are killed at the second epoch and come back some seconds later: nothing of the run is missing."""
    epochs = 40

    def crash() -> int:
        door.trouble(None)
        lab.server.kill()
        postgres.kill()
        back.start()
        return 0

    def come_back() -> None:
        time.sleep(2)
        postgres.start()
        lab.server.start()

    back = threading.Thread(target=come_back)
    with Proxy(lab.server.port) as door:
        user = User(anna.name, anna.clone, {**anna.environment, "MLFLOW_TRACKING_URI": door.url})
        door.trouble(crash, call=3)
        command = "somanet train data/crops --output models/small --experiment crash --seed 5"
        text = user.run(command + SMALLEST.replace("epochs=2", f"epochs={epochs}"))
        back.join()
        assert "The tracking store does not respond or refuses" in text
        if "`somanet sync` sends them" in text:  # the training was faster than the server's start
            user.run("somanet sync")
    check_whole(anna.clone, epochs, client(lab), "crash")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:{free}", "does not respond: nothing listens at that address. Is MLFLOW_TRACKING_URI right"),
        ("http://127.0.0.1:{ssh}", "does not respond: what answers there is not an MLflow server."),
        ("http://nowhere.invalid:5000", "does not respond: no computer has that name."),
        ("/srv/mlruns", "a folder. MLflow 3.13 and later need a database or a server"),
    ],
)
def test_an_address_that_is_none_is_one_line(lab: Lab, anna: User, free: int, address: str, words: str) -> None:
    """Before a training; a prediction, which needs no record, is made in spite of it."""
    uri = address.format(free=free, ssh=lab.ssh.port)
    user = User(anna.name, anna.clone, {**anna.environment, "MLFLOW_TRACKING_URI": uri})
    text = user.run("somanet train data/crops --output models/none" + SMALLEST, status=1)
    [error] = [line for line in text.splitlines() if line]
    assert error.startswith("error: ")
    assert words in error
    assert not (anna.clone / "models" / "none").exists()
    user.run("somanet predict data/val/images --model models/drawn --output labels --replace")


@pytest.fixture
def free() -> int:
    return free_port()
