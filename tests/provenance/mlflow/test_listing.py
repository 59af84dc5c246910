"""Many runs at once, and the messages when the store cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import adopt_runs, child_runs, finished_runs, read_run, read_runs, track_run
from somanet.provenance.mlflow.client import open_client


def run_in(root: Path, experiment: str, name: str, parent: str | None = None) -> str:
    with track_run(name, experiment=experiment, root=root, parent_run_id=parent, system_metrics=False) as run:
        pass
    return run.run_id


def test_runs_below_a_run_are_found_in_every_experiment(root: Path) -> None:
    """One was started below it, one adopted from elsewhere; one lies below another run."""
    other = run_in(root, "pretrain", "adopted")
    parent = run_in(root, "finetune", "study")
    below = run_in(root, "finetune", "started", parent)
    run_in(root, "finetune", "another's", below)
    adopt_runs(parent, [other], root=root)
    found = child_runs(parent, root=root)
    assert [(run.name, run.experiment) for run in found] == [("adopted", "pretrain"), ("started", "finetune")]


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
