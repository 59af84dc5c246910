"""Networks by name. One store: a run with a checkpoint, one without, a child, a scoring, one that was deleted."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from somanet.analysis.network import about_network
from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import (
    list_run_tables,
    read_run,
    read_tables,
    register_run,
    resolve_checkpoint,
    run_checkpoint,
    set_alias,
    track_run,
    training_of,
)
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.database import open_database
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.training.experiments import SERVING_CODE
from tests.worlds import mlflow_may_warn, save_bright_network


def run_of(root: Path, name: str, experiment: str = "e", **tags: str) -> str:
    with track_run(name, experiment=experiment, root=root, tags=tags, system_metrics=False) as run:
        pass
    return run.run_id


@pytest.fixture(scope="module")
def store(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp("resolve") / "project #1"
    shutil.copytree(template, root)
    checkpoint = save_bright_network(root / "bright")
    sha256 = load_checkpoint(checkpoint).sha256
    with mlflow_may_warn():
        runs = {"empty": run_of(root, "empty")}
        for name, experiment in (("bright", "e"), ("deleted", "gone"), ("damaged", "e")):
            with track_run(name, experiment=experiment, root=root, system_metrics=False) as run:
                run.set_tags({"weights_sha256": sha256})
                if name == "bright":
                    run.log_model(checkpoint, SERVING_CODE)
                    [logged] = open_client(root).search_logged_models([run.experiment_id])
                    runs["model"] = f"models:/{logged.model_id}"
                else:
                    run.log_file(checkpoint, "checkpoint")
            runs[name] = run.run_id
        runs["scores"] = run_of(root, "scores", trained_by=runs["bright"])
        with track_run("m", experiment="e", root=root, parent_run_id=runs["bright"], system_metrics=False) as run:
            pass
        runs["movie"] = run.run_id
        register_run(runs["bright"], root, tags={"weights_sha256": sha256})
        set_alias("champion", "1", root)
        client = open_client(root)
        client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
        damaged = next((root / "mlruns" / "artifacts" / "e" / runs["damaged"]).rglob("*.safetensors"))
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    runs["sha256"] = sha256
    shutil.rmtree(checkpoint)
    return root, runs


NAMES = ["{bright}", "runs:/{bright}", "runs:/{bright}/checkpoint", "runs:/{bright}/model", "champion"]
NAMES += ["models:/somanet@champion", "models:/somanet/1", "{model}"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_leads_to_the_weights(store: tuple[Path, dict[str, str]], name: str) -> None:
    """The trained folder is gone; the store's copy suffices and is read in place."""
    root, runs = store
    folder = resolve_checkpoint(name.format(**runs), root=root)
    assert folder.is_relative_to(root / "mlruns")
    assert folder.name == "bright"
    assert load_checkpoint(folder).sha256 == runs["sha256"]


def test_a_folder_wins_and_a_path_stays_a_path(
    store: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, runs = store
    monkeypatch.chdir(tmp_path)
    for name in ("champion", runs["bright"]):
        (tmp_path / name).mkdir()
        assert resolve_checkpoint(name, root=root) == Path(name)
    assert resolve_checkpoint("models/none", root=root) == Path("models/none")
    assert resolve_checkpoint(tmp_path / "none", root=root) == tmp_path / "none"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("0" * 32, r"The run 0{{32}} is not in sqlite:///mlruns/mlflow\.db"),
        ("{empty}", r"run [0-9a-f]{{32}} \(empty, FINISHED\) has no checkpoint\. Was its training killed"),
        ("{scores}", "It scored the network of run {bright}: name that one"),
        ("{movie}", "It is a child of run {bright}: name that one"),
        (
            "{deleted}",
            r"belongs to the experiment 'gone', which was deleted in MLflow\. Restore it with .*--experiment-id",
        ),
        ("{damaged}", "The weights of run {damaged} are not those that were recorded: expected sha256"),
        ("champoin", r"no such alias of the registered model 'somanet'; it has champion \(version 1\)\."),
        ("models:/somanet@challenger", "cannot be found"),
        ("models:/somanet/7", "cannot be found"),
        ("models:/m-0", "cannot be found"),
        ("runs:/{bright}/other", "has no model 'other'"),
    ],
)
def test_what_is_not_there_is_one_line(store: tuple[Path, dict[str, str]], name: str, words: str) -> None:
    root, runs = store
    with pytest.raises(SomaNetError, match=words.format(**runs)) as error:
        resolve_checkpoint(name.format(**runs), root=root)
    assert "\n" not in str(error.value)
    assert str(root) not in str(error.value)


def test_a_deleted_run_can_be_brought_back(store: tuple[Path, dict[str, str]]) -> None:
    root, runs = store
    client = open_client(root)
    client.delete_run(runs["bright"])
    with pytest.raises(SomaNetError, match=r"was deleted in MLflow\. Restore it with .*runs restore"):
        run_checkpoint(runs["bright"], root=root)
    client.restore_run(runs["bright"])
    assert run_checkpoint(runs["bright"], root=root).is_dir()


def test_without_aliases_the_first_step_is_named(root: Path) -> None:
    with pytest.raises(SomaNetError, match="it has none yet: `somanet promote RUN`"):
        resolve_checkpoint("champion", root=root)


def test_looking_for_a_network_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("champion", "0" * 32, "runs:/x/model"):
        with pytest.raises(SomaNetError, match=f"No checkpoint at {name}: expected a folder"):
            resolve_checkpoint(name, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/x", "s3://bucket/x", "nothing-that-is-known://x"])
def test_files_of_runs_in_a_place_that_cannot_be_reached(place: str, root: Path) -> None:
    """A store from elsewhere; MLflow raises what the package raises that it gives such a place to."""
    run_id = run_of(root, "away")
    with open_database(root / "mlruns" / "mlflow.db", writable=True) as database:
        database.execute("update runs set artifact_uri = ?", (place,))
        database.commit()
    for work in (
        lambda: list(read_tables([read_run(run_id, root=root)], suffix=".csv", root=root)),
        lambda: list_run_tables(run_id, root),
        lambda: run_checkpoint(run_id, root=root),
    ):
        with pytest.raises(SomaNetError, match=rf"run {run_id} cannot be") as error:
            work()
        assert "\n" not in str(error.value)


def test_an_address_that_is_a_folder_stops_only_what_is_for_a_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An analysis names the run of its network if it can, and never depends on tracking."""
    folder = save_bright_network(root / "bright")
    sha256 = load_checkpoint(folder).sha256
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(root / "a_folder"))
    with caplog.at_level(logging.WARNING):
        about = about_network(folder, sha256, root)
    assert (about["name"], about["mlflow_run"]) == ("bright", None)
    [warning] = [record.message for record in caplog.records if record.name.startswith("somanet")]
    assert "is not looked up: MLFLOW_TRACKING_URI is" in warning
    assert "\n" not in warning
    with pytest.raises(SomaNetError, match="a folder"):
        training_of(sha256, root=root, required=True)
    assert not (root / "a_folder").exists()
