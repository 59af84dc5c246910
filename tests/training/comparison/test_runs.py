"""Networks from a real store of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.evaluation.image_tables import SCORES
from somanet.evaluation.scores import average_seeds
from somanet.provenance.mlflow.client import open_client
from somanet.simulation import neuron_crops
from somanet.training.comparison.artefact import write_comparison
from somanet.training.comparison.pairing import pair_networks
from somanet.training.comparison.sources import collect_networks
from tests.training.comparison.worlds import image_table, scored, write_run
from tests.worlds import make_project, mlflow_may_warn


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


@pytest.fixture(scope="module")
def evaluations() -> list:
    """Two seeds of flawed predictions of the same crops."""
    crops = neuron_crops(n_crops=5, size_px=64, seed=0, n_movies=1)
    return [scored(crops, seed=seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, evaluations: list) -> tuple[Path, dict[str, str]]:
    """Two variants of a sweep, the first with two seeds; a run without evaluation; and other experiments."""
    with mlflow_may_warn():
        root = make_project(tmp_path_factory.mktemp("runs") / "project", tmp_path_factory.getbasetemp())
        ids = {}
        for seed, scores in enumerate(evaluations):
            values = {f"neurons_{name}": value for name, value in scores.values.items() if value == value}
            ids[f"seed{seed}"] = write_run(
                root,
                f"all-seed{seed}",
                {"neurons": scores.per_image},
                params={"seed": seed, "training": {"lr": 0.1}},
                tags={"variant": "all"},
                values={
                    **values,
                    "neurons_interior_iou": 0.5,
                    "train_seconds": 60.0 + 20 * seed,
                    "trainable_parameters": 9121,
                },
            )
        table = evaluations[0].per_image.assign(iou=0.01)
        ids["other"] = write_run(root, "last3-seed0", {"neurons": table}, params={"seed": 0, "training": {"lr": 0.2}})
        ids["bare"] = write_run(root, "sweep", {})
        ids["both"] = write_run(
            root,
            "paper",
            {"neurons": table, "nuclei": image_table([0.5] * 3)},
            experiment="pretrain",
            params={"seed": 0},
        )
        ids["lost"] = write_run(root, "lost", {"neurons": table}, experiment="gone")
        client = open_client(root)
        client.delete_experiment(client.get_run(ids["lost"]).info.experiment_id)
    return root, ids


def test_seeds_of_one_training_are_one_network(base: tuple[Path, dict[str, str]], evaluations: list) -> None:
    """Its scores are those that the stage evaluate writes: values, spread and intervals."""
    root, ids = base
    [network] = collect_networks([ids["seed1"], ids["seed0"]], root=root).networks
    assert (network.name, network.what, network.runs) == ("all", "finetune", {0: ids["seed0"], 1: ids["seed1"]})
    assert (network.cost.train_seconds, network.cost.trainable_parameters) == (70, 9121)
    expected = average_seeds(evaluations, seed=0)
    for score in (*SCORES, "noise_per_image", "size_bias"):
        assert network.metrics[score] == pytest.approx(expected.values[score], nan_ok=True), score
    for score in SCORES:
        assert network.metrics["interval95"][score] == pytest.approx(expected.intervals[score], nan_ok=True)
        assert network.metrics["spread_over_seeds"][score] == pytest.approx(expected.spread[score], nan_ok=True)
    assert (network.metrics["n_images"], network.metrics["n_seeds"]) == (5, 2)
    assert network.metrics["interior"]["iou"] == 0.5


def test_an_experiment_is_not_averaged_with_its_baseline(base: tuple[Path, dict[str, str]], evaluations: list) -> None:
    """A DVC experiment changes the variant `all` of a profile; both have seeds 0 and 1, and the scores that decide."""
    root, _ = base
    runs = {}
    for number, (experiment, code) in enumerate((("", "a1b2c3"), ("@loud-fox", "d4e5f6"))):
        for seed, scores in enumerate(evaluations):
            name = f"real/all{experiment}"
            runs[name, seed] = write_run(
                root,
                f"{name}-seed{seed}",
                {"neurons": scores.per_image},
                experiment="named",
                params={"seed": seed, "initial_weights": f"{number}{seed}"},
                tags={"variant": "all", "network": f"{name} {code}", "scored_on": "neurons"},
                values={"size_bias": 0.5 + number, "interior_iou": 0.25, "size_bias_nuclei": 9, "neurons_size_bias": 9},
            )
    networks = {one.name: one for one in collect_networks([], root=root, experiment="named").networks}
    assert set(networks) == {"real/all", "real/all@loud-fox"}
    for number, (name, network) in enumerate(sorted(networks.items())):
        assert network.runs == {seed: runs[name, seed] for seed in (0, 1)}
        assert (network.metrics["size_bias"], network.metrics["interior"]["iou"]) == (0.5 + number, 0.25)


def test_an_experiment_gives_its_evaluated_runs_the_best_first(
    base: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, ids = base
    found = collect_networks([], root=root, experiment="finetune")
    assert [one.name for one in found.networks] == ["all", "last3"]
    assert found.notes == [f"Left out, as they have no evaluation: sweep ({ids['bare'][:8]})."]
    write_comparison(found.networks, tmp_path, notes=found.notes)
    written = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert written["last3"]["difference"]["from"] == "all"
    assert f"1: `{ids['seed1']}`" in (tmp_path / "comparison.md").read_text(encoding="utf-8")


def test_a_training_repeated_is_not_a_seed(base: tuple[Path, dict[str, str]]) -> None:
    root, _ = base
    settings = {"seed": 0, "training": {"lr": 0.3}}
    runs = [
        write_run(root, "twice", {"neurons": image_table([0.5] * 3)}, params=settings, experiment="t") for _ in "ab"
    ]
    names = [one.name for one in collect_networks(runs, root=root).networks]
    assert names == [f"twice ({run[:8]})" for run in runs]


def test_data_to_choose_from(base: tuple[Path, dict[str, str]]) -> None:
    root, ids = base
    both = collect_networks([ids["both"], ids["seed0"]], root=root).networks  # only neurons are shared
    assert {one.metrics["n_images"] for one in both} == {5}
    with pytest.raises(SomaNetError, match="scored on neurons and on nuclei: choose one with --scored-on"):
        collect_networks([ids["both"]], root=root)
    [nuclei] = collect_networks([ids["both"]], root=root, scored_on="nuclei").networks
    assert nuclei.metrics["n_images"] == 3


def test_a_run_file_names_its_run_and_a_folder_too(base: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    root, ids = base
    write_json(tmp_path / "model/mlflow_run.json", {"run_id": ids["seed0"]})
    for source in ("model", "model/mlflow_run.json"):
        [network] = collect_networks([str(tmp_path / source)], root=root).networks
        assert network.runs == {0: ids["seed0"]}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("f" * 32, r"The run f{32} is not in sqlite:///mlruns/mlflow\.db"),
        ("bare", r"The run sweep \(.*\) \(FINISHED\) has no evaluation: expected its artifact tables/<data>_per_image"),
        ("lost", "belongs to the experiment 'gone', which was deleted in MLflow. Restore it"),
    ],
)
def test_runs_that_cannot_be_compared(base: tuple[Path, dict[str, str]], key: str, words: str) -> None:
    root, ids = base
    with pytest.raises(SomaNetError, match=words):
        collect_networks([ids.get(key, key)], root=root)


def test_a_study_is_what_lies_below_its_run(base: tuple[Path, dict[str, str]]) -> None:
    """Its two finished runs are compared; an unfinished one, and runs outside it, are not."""
    root, _ = base
    parent, table = write_run(root, "study", {}, experiment="s"), {"neurons": image_table([0.5] * 5)}
    below = {"mlflow.parentRunId": parent}
    for name in ("one", "two"):
        write_run(root, name, table, experiment="s", tags=below)
    write_run(root, "beside", table, experiment="s")
    unfinished = write_run(root, "unfinished", table, experiment="s", tags=below)
    open_client(root).set_terminated(unfinished, "KILLED")
    assert sorted(network.name for network in collect_networks([], root=root, study=parent).networks) == ["one", "two"]
    with pytest.raises(SomaNetError, match=f"Below the run {unfinished} there is no finished run to compare"):
        collect_networks([], root=root, study=unfinished)


def test_a_deleted_run_is_called_that(base: tuple[Path, dict[str, str]]) -> None:
    root, _ = base
    run = write_run(root, "old", {}, experiment="t")
    open_client(root).delete_run(run)
    with pytest.raises(SomaNetError, match=f"was deleted in MLflow.*mlflow runs restore --run-id {run}`"):
        collect_networks([run], root=root)


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ("fintune", "no experiment 'fintune' in the tracking store; it has .*finetune.*pretrain"),
        ("gone", "'gone' was deleted in MLflow. Restore it with `.*mlflow experiments restore --experiment-id"),
        ("Default", "'Default' has no finished run"),
    ],
)
def test_experiments_that_cannot_be_compared(base: tuple[Path, dict[str, str]], experiment: str, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        collect_networks([], root=base[0], experiment=experiment)


def test_runs_of_other_images_are_told_apart(base: tuple[Path, dict[str, str]]) -> None:
    root, ids = base
    other = write_run(root, "elsewhere", {"neurons": image_table([0.5] * 3)}, experiment="t")
    networks = collect_networks([ids["seed0"], other], root=root).networks
    with pytest.raises(SomaNetError, match=r"all and elsewhere were scored on different images \(5 and 3\)"):
        pair_networks(networks)


def test_a_damaged_table_is_one_line(base: tuple[Path, dict[str, str]]) -> None:
    root, _ = base
    run = write_run(root, "cut", {"neurons": pd.DataFrame({"name": ["a"]})}, experiment="t")
    [file] = (root / "mlruns/artifacts").rglob(f"{run}/artifacts/tables/*.csv")
    file.write_bytes(b"\x00\xff\xfe,,\n\xff")
    with pytest.raises(SomaNetError, match=r"neurons_per_image\.csv: expected a CSV table in UTF-8 \(a table of run"):
        collect_networks([run], root=root)


def test_another_table_of_that_name_is_one_line(base: tuple[Path, dict[str, str]]) -> None:
    root, _ = base
    run = write_run(root, "odd", {"neurons": pd.DataFrame({"image": ["a"]})}, experiment="t")
    with pytest.raises(SomaNetError, match=r"odd \(.*\): the per-image table lacks \['name', 'n_true', 'iou'"):
        collect_networks([run], root=root)


def test_many_runs_take_as_few_questions_of_the_store_as_a_few(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    numbers = {}
    for n_runs in (4, 40):
        root = make_project(tmp_path / f"project{n_runs}", tmp_path_factory.getbasetemp())
        write_many(root, n_runs=n_runs, n_images=5)
        asked.clear()
        event.listen(Engine, "before_cursor_execute", count)
        try:
            found = collect_networks([], root=root, experiment="sweep")
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        assert len(found.networks) == n_runs
        numbers[n_runs] = len(asked)
    assert 0 < numbers[4] == numbers[40]


def write_many(root: Path, *, n_runs: int, n_images: int) -> None:
    """Finished runs of one experiment, each with its own settings."""
    from mlflow.entities import Metric, Param, RunTag

    client, rng = open_client(root), np.random.default_rng(0)
    experiment = client.create_experiment("sweep", (root / "mlruns/artifacts/sweep").as_posix())
    for number in range(n_runs):
        run = client.create_run(experiment, run_name=f"trial{number}")
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(f"metric{i}", float(rng.random()), 0, 0) for i in range(30)],
            params=[Param("trial", str(number)), *(Param(f"training.setting{i}", "0.1") for i in range(30))],
            tags=[RunTag(f"tag{i}", "some text") for i in range(20)],
        )
        tables = root / "mlruns/artifacts/sweep" / run.info.run_id / "artifacts/tables"
        tables.mkdir(parents=True)
        table = image_table(list(rng.random(n_images)), tp=list(rng.integers(0, 5, n_images)))
        table.to_csv(tables / "neurons_per_image.csv", index=False)
        client.set_terminated(run.info.run_id)
