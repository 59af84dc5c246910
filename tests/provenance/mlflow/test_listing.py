"""Many runs at once, and the messages when the store cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import (
    child_runs,
    finished_runs,
    mark_runs,
    read_run,
    read_runs,
    study_runs,
    study_tag,
    track_run,
)
from somanet.provenance.mlflow.client import open_client


def run_in(root: Path, experiment: str, name: str, parent: str | None = None) -> str:
    with track_run(name, experiment=experiment, root=root, parent_run_id=parent, system_metrics=False) as run:
        pass
    return run.run_id


def test_runs_below_a_run_are_found_in_every_experiment(root: Path) -> None:
    """Two were started below it, in two experiments; one lies below another run."""
    parent = run_in(root, "finetune", "sweep")
    run_in(root, "pretrain", "elsewhere", parent)
    below = run_in(root, "finetune", "started", parent)
    run_in(root, "finetune", "another's", below)
    found = child_runs(parent, root=root)
    assert [(run.name, run.experiment) for run in found] == [("elsewhere", "pretrain"), ("started", "finetune")]
    assert study_runs(parent, root=root) == found


def test_a_study_has_the_runs_with_its_tag_and_each_may_be_in_several(root: Path) -> None:
    """One is marked by both studies, one by the first; one that the store lacks is left out; an older study is a
    parent."""
    trained = [run_in(root, experiment, experiment) for experiment in ("pretrain", "finetune")]
    studies = [run_in(root, "finetune", f"study {number}") for number in (1, 2)]
    assert mark_runs([*trained, "0" * 32], {study_tag(studies[0]): "one"}, root=root) == trained
    assert mark_runs(trained[1:], {study_tag(studies[1]): "two"}, root=root) == trained[1:]
    older = run_in(root, "finetune", "of an older study", studies[1])
    assert [run.run_id for run in study_runs(studies[0], root=root)] == trained
    assert [run.run_id for run in study_runs(studies[1], root=root)] == [trained[1], older]
    with pytest.raises(SomaNetError, match=r"The run f{32} is not in sqlite:///mlruns/mlflow\.db"):
        study_runs("f" * 32, root=root)


def test_a_run_with_nothing_below_it_is_told_from_one_that_is_not_there(root: Path) -> None:
    alone = run_in(root, "e", "alone")
    assert child_runs(alone, root=root) == []
    with pytest.raises(SomaNetError, match=r"The run f{32} is not in sqlite:///mlruns/mlflow\.db"):
        child_runs("f" * 32, root=root)
    open_client(root).delete_run(alone)
    with pytest.raises(SomaNetError, match=f"was deleted in MLflow.*mlflow runs restore --run-id {alone}"):
        child_runs(alone, root=root)


READERS: list[Callable[[Path], object]] = [
    lambda root: read_runs(["f" * 32], root=root),
    lambda root: finished_runs("e", root=root),
    lambda root: child_runs("f" * 32, root=root),
    lambda root: read_run("f" * 32, root=root),
]


@pytest.mark.parametrize("read", READERS)
def test_a_database_that_is_locked_is_not_called_a_server(
    root: Path, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked between the check at its opening and the query."""

    def locked(*_: object, **__: object) -> None:
        raise MlflowException("(sqlite3.OperationalError) database is locked\nand much more")

    for method in ("search_experiments", "get_experiment_by_name", "get_run"):
        monkeypatch.setattr(MlflowClient, method, locked)
    with pytest.raises(SomaNetError, match="is locked by another process") as error:
        read(root)
    assert "server" not in str(error.value)
