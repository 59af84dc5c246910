from __future__ import annotations

import logging
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import (
    DatasetRef,
    outbox,
    pending_runs,
    read_run,
    reap_stale_runs,
    replay_spool,
    spool,
    track_run,
    write_run_file,
)
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.params import MAX_VALUE, flatten

SETTINGS = {"train": {"lr": 0.001, "sizes": [64, 96]}, "seed": 3}


def history(root: Path, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in open_client(root).get_metric_history(run_id, key)]


def quick(root: Path, **arguments):
    return track_run("a", **{"experiment": "unit tests", "root": root, "system_metrics": False, **arguments})


def test_a_run_is_described_fed_and_finished(root: Path, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    with quick(root, params=SETTINGS, tags={"variant": "paper"}) as run:
        assert read_run(run.run_id, root=root).status == "RUNNING"
        run.log_epoch(0, {"loss": 0.5})
        run.log_epoch(1, {"loss": 0.25})
        run.log_metrics({"test dice": 0.9})
        run.log_figure(figure, "curve")
        run.log_table(pd.DataFrame({"image_id": ["x", "y"], "dice": [0.8, 1.0]}), "scores")
        write_run_file(tmp_path / "model" / "mlflow_run.json", run)

    record = read_run(tmp_path / "model", root=root)
    assert record == read_run(run.run_id, root=root)
    assert (record.name, record.experiment, record.status) == ("a", "unit tests", "FINISHED")
    assert record.params == {"train.lr": "0.001", "train.sizes": "[64, 96]", "seed": "3"}
    assert record.metrics == {"loss": 0.25, "test dice": 0.9}
    assert history(root, run.run_id, "loss") == [(0, 0.5), (1, 0.25)]
    assert record.tags["variant"] == "paper"
    assert record.tags["version.torch"]
    stored = root / "mlruns" / "artifacts" / "unit-tests" / run.run_id / "artifacts"
    assert sorted(p.relative_to(stored).as_posix() for p in stored.rglob("*.*")) == [
        "figures/curve.png", "tables/scores.csv",
    ]  # fmt: skip
    text = (tmp_path / "model" / "mlflow_run.json").read_text()
    assert '"tracking_uri": "sqlite:///mlruns/mlflow.db"' in text
    assert str(tmp_path) not in text


def test_a_run_carries_the_state_of_the_code(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        user = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(["git", *user, *arguments], cwd=root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    monkeypatch.setenv("DVC_STAGE", "train@paper")
    monkeypatch.setenv("DVC_EXP_NAME", "big-eyed-fox")
    (root / "params.yaml").write_text("seed: 1\n")
    git("init", "-q", "-b", "trunk")
    git("add", "params.yaml")
    git("commit", "-q", "-m", "start")
    (root / "params.yaml").write_text("seed: 2\n")
    with quick(root) as run:
        pass
    tags = read_run(run.run_id, root=root).tags
    assert tags["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert tags["mlflow.source.git.branch"] == "trunk"
    assert tags["git.dirty"] == "true"
    assert (tags["dvc.stage"], tags["dvc.experiment"]) == ("train@paper", "big-eyed-fox")
    assert len(tags["params.sha256"]) == 64


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(2), "FAILED"),
    ],
)
def test_how_the_block_ends_is_how_the_run_ends(root: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), quick(root) as run:
        raise error
    assert read_run(run.run_id, root=root).status == status


def test_resuming_repeats_nothing(root: Path) -> None:
    """Epochs 0 to 2, killed; the checkpoint was from epoch 1, so 2 is computed again: it appears once."""
    with pytest.raises(KeyboardInterrupt), quick(root, params=SETTINGS) as first:  # noqa: PT012
        for epoch in range(3):
            first.log_epoch(epoch, {"loss": 1.0 / (epoch + 1)})
        raise KeyboardInterrupt
    with quick(root, params={**SETTINGS, "added": True}, run_id=first.run_id) as run:
        assert read_run(run.run_id, root=root).status == "RUNNING"
        for epoch in range(2, 5):
            run.log_epoch(epoch, {"loss": 1.0 / (epoch + 1), "new": float(epoch)})
        run.log_metrics({"final": 0.5})
    with quick(root, run_id=first.run_id) as again:
        again.log_metrics({"final": 0.5})
    assert history(root, run.run_id, "loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3), (3, 0.25), (4, 0.2)]
    assert history(root, run.run_id, "new") == [(2, 2.0), (3, 3.0), (4, 4.0)]
    assert history(root, run.run_id, "final") == [(0, 0.5)]
    record = read_run(run.run_id, root=root)
    assert record.status == "FINISHED"
    assert record.params["added"] == "True"
    assert (record.tags["somanet.resumed"], record.tags["somanet.added"]) == ("1", "1")


def test_epochs_that_are_missing_are_filled_in(root: Path) -> None:
    """2 and 4 of 1 to 4 were never recorded; of 3 one value is missing."""
    with quick(root) as run:
        run.log_epoch(1, {"loss": 1.0, "iou": 0.1})
        run.log_epoch(3, {"loss": 3.0})
    with quick(root, run_id=run.run_id) as again:
        for _ in range(2):
            again.log_epochs((n, {"loss": float(n), "iou": n / 10}) for n in range(1, 5))
    assert sorted(history(root, run.run_id, "loss")) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert sorted(history(root, run.run_id, "iou")) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    assert read_run(run.run_id, root=root).metrics == {"loss": 4.0, "iou": 0.4}


def test_final_scores_are_sent_in_one_call_for_each_step(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss ends at epoch 2, where its last value is corrected; three scores have no epoch; one is known already."""
    steps: list[set[int]] = []
    send = MlflowClient.log_batch

    def counted(client: MlflowClient, run_id: str, *rows: Any, **more: Any) -> Any:
        steps.append({metric.step for metric in more["metrics"]})
        return send(client, run_id, *rows, **more)

    with quick(root) as run:
        for epoch in (1, 2):
            run.log_epoch(epoch, {"loss": 1 / epoch})
        run.log_metrics({"known": 1.0})
        monkeypatch.setattr(MlflowClient, "log_batch", counted)
        run.log_metrics({"iou": 0.5, "loss": 0.25, "known": 1.0, "dice": 0.75, "f1": 0.5})
        monkeypatch.undo()
    assert sorted(steps, key=min) == [{0}, {2}]
    assert read_run(run.run_id, root=root).metrics == {"loss": 0.25, "known": 1, "iou": 0.5, "dice": 0.75, "f1": 0.5}


def test_what_waits_is_sent_before_a_run_goes_on(root: Path) -> None:
    """Epochs 1 and 2 and the KILLED status are pending: they neither appear twice nor end the resumed run."""
    with quick(root) as run:
        pass
    for step in (1, 2):
        spool.keep(root, {"run_id": run.run_id, "kind": "metrics", "rows": [["loss", 0.5, 1000 + step, step]]})
    spool.keep(root, {"run_id": run.run_id, "kind": "end", "status": "KILLED", "time_ms": 2000})
    with quick(root, run_id=run.run_id) as again:
        again.log_epochs((n, {"loss": 0.5}) for n in range(1, 4))
        assert read_run(run.run_id, root=root).status == "RUNNING"
    assert history(root, run.run_id, "loss") == [(1, 0.5), (2, 0.5), (3, 0.5)]
    assert read_run(run.run_id, root=root).status == "FINISHED"


def test_resuming_with_other_parameters_is_refused_and_changes_nothing(root: Path) -> None:
    with quick(root, params=SETTINGS) as run:
        pass
    with (
        pytest.raises(SomaNetError, match=r"seed: '3', now '4'"),
        quick(root, params={"seed": 4}, run_id=run.run_id),
    ):
        pass
    assert read_run(run.run_id, root=root).status == "FINISHED"


def test_resuming_what_cannot_be_resumed(root: Path) -> None:
    with pytest.raises(SomaNetError, match="is not in sqlite:///mlruns"), quick(root, run_id="0" * 32):
        pass
    with (
        quick(root) as run,
        pytest.raises(SomaNetError, match="still being written"),
        quick(root, run_id=run.run_id),
    ):
        pass
    open_client(root).delete_run(run.run_id)
    with pytest.raises(SomaNetError, match="was deleted"), quick(root, run_id=run.run_id):
        pass


def test_a_deleted_experiment_is_one_line(root: Path) -> None:
    with quick(root) as run:
        pass
    open_client(root).delete_experiment(run.experiment_id)
    with (
        pytest.raises(SomaNetError, match=r"mlflow experiments restore .*mlflow gc .*choose another name"),
        quick(root),
    ):
        pass
    with pytest.raises(SomaNetError, match=r"belongs to the experiment 'unit tests', which was deleted .*restore"):
        quick(root, run_id=run.run_id).__enter__()


def test_a_child_run_names_its_parent(root: Path) -> None:
    with quick(root) as sweep, quick(root, parent_run_id=sweep.run_id) as trial:
        pass
    assert read_run(trial.run_id, root=root).tags["mlflow.parentRunId"] == sweep.run_id


def test_what_is_added_to_a_finished_run_is_no_resumption_and_moves_it_nowhere(root: Path) -> None:
    """Scores are added below another parent, under another name for the data; the run keeps its parent and its own."""
    with quick(root) as sweep, quick(root, parent_run_id=sweep.run_id, about={"data": "a"}) as trial:
        pass
    tags = {"mlflow.parentRunId": "f" * 32, "scored": "yes"}
    with quick(root, run_id=trial.run_id, parent_run_id="f" * 32, tags=tags, about={"data": "b", "more": 1}) as again:
        again.log_metrics({"iou": 0.5})
    record = read_run(trial.run_id, root=root)
    assert (record.tags["mlflow.parentRunId"], record.tags["scored"]) == (sweep.run_id, "yes")
    assert "somanet.resumed" not in record.tags
    assert record.tags["somanet.added"] == "1"
    assert record.params == {"data": "a", "more": "1"}


def test_long_and_odd_parameters(root: Path) -> None:
    """Two values that differ only at their end still differ, and the full text is kept beside them."""
    long_a, long_b = "x" * 9000 + "a", "x" * 9000 + "b"
    assert len(flatten({"k": long_a})["k"]) == MAX_VALUE
    assert flatten({"k": long_a}) != flatten({"k": long_b})
    odd = {"a/b (µm)": 1, "none": None, "empty": {}, "list": [1, None, "ü"]}
    with quick(root, params={"long": long_a, **odd, **{f"p{i}": i for i in range(150)}}) as run:
        pass
    params = read_run(run.run_id, root=root).params
    assert params["a_b _µm_"] == "1"
    assert (params["none"], params["empty"], params["list"]) == ("None", "{}", '[1, null, "ü"]')
    assert len(params) == 155
    [kept] = (root / "mlruns").rglob("params/long.txt")
    assert kept.read_text() == long_a
    with quick(root, params={"long": long_a}, run_id=run.run_id):
        pass


def test_data_sets_are_known_by_the_hash_of_dvc(root: Path) -> None:
    folder_hash = "0123456789abcdef0123456789abcdef.dir"
    (root / "dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  data:\n    cmd: x\n    outs:\n    - path: data/train\n      md5: {folder_hash}\n"
    )
    (root / "loose.csv").write_text("a\n")
    datasets = [
        DatasetRef("nuclei", "data/train", n_images=24, profile={"cells": 300}),
        DatasetRef("loose", root / "loose.csv", context="test"),
        DatasetRef("given", "anywhere", digest="abc"),
    ]
    with quick(root, datasets=datasets) as run:
        pass
    with quick(root, datasets=datasets, run_id=run.run_id):
        pass
    inputs = {one.dataset.name: one for one in open_client(root).get_run(run.run_id).inputs.dataset_inputs}
    assert len(inputs) == 3
    assert inputs["nuclei"].dataset.digest == folder_hash
    assert inputs["nuclei"].dataset.source == '{"uri": "data/train", "digest_kind": "dvc-md5"}'
    assert inputs["nuclei"].dataset.profile == '{"cells": 300, "n_images": 24}'
    assert len(inputs["loose"].dataset.digest) == 36
    assert {tag.key: tag.value for tag in inputs["loose"].tags} == {
        "mlflow.data.context": "test", "somanet.digest_kind": "sha256-36",
    }  # fmt: skip
    with (
        pytest.raises(SomaNetError, match="neither at"),
        quick(root, datasets=[DatasetRef("x", "nowhere")]) as _,
    ):
        pass


def test_system_metrics_are_recorded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")
    until = time.monotonic() + 60
    with quick(root, system_metrics=True) as run:
        while not history(root, run.run_id, "system/cpu_utilization_percentage"):
            assert time.monotonic() < until
            time.sleep(0.05)
    assert read_run(run.run_id, root=root).metrics["system/cpu_utilization_percentage"] >= 0


def test_an_outage_loses_nothing_and_stops_nobody(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The store is away from epoch 1 to the end of the run: the replay leaves no trace of the outage."""
    from mlflow.exceptions import MlflowException

    note = tmp_path / "note.txt"
    note.write_text("short-lived")

    def away(*_arguments: object) -> None:
        raise MlflowException("connection refused")

    with caplog.at_level(logging.WARNING, logger="somanet"), quick(root) as run:
        run.log_epoch(0, {"loss": 0.5})
        real = spool.send
        monkeypatch.setattr(outbox, "send", away)
        monkeypatch.setattr(spool, "send", away)
        run.log_epoch(1, {"loss": 0.25})
        run.log_epoch(2, {"loss": float("nan")})
        run.log_file(note)
        note.unlink()
    outage, end = (record.message for record in caplog.records)
    assert outage.startswith("The tracking store does not respond or refuses: connection refused. The run continues")
    assert end.startswith(f"4 records of run {run.run_id} wait in mlruns/spool: `somanet sync` sends them")
    assert history(root, run.run_id, "loss") == [(0, 0.5)]
    assert pending_runs(root) == [run.run_id]
    with pytest.raises(SomaNetError, match="They stay in"):
        replay_spool(root)

    monkeypatch.setattr(spool, "send", real)
    assert replay_spool(root) == {run.run_id: 4}
    assert replay_spool(root) == {}
    assert [step for step, _ in history(root, run.run_id, "loss")] == [0, 1, 2]
    assert read_run(run.run_id, root=root).status == "FINISHED"
    [kept] = (root / "mlruns" / "artifacts").rglob("note.txt")
    assert kept.read_text() == "short-lived"
    assert list((root / "mlruns" / "spool").iterdir()) == []


def test_a_replayed_row_that_had_arrived_does_not_duplicate(root: Path) -> None:
    with quick(root) as run:
        pass
    record = {"run_id": run.run_id, "kind": "metrics", "rows": [["loss", 0.5, 1_700_000_000_000, 0]]}
    spool.send(open_client(root), record)
    spool.keep(root, record)
    assert replay_spool(root) == {run.run_id: 1}
    assert history(root, run.run_id, "loss") == [(0, 0.5)]


def test_a_record_that_mlflow_refuses_is_an_error_at_once(root: Path) -> None:
    with pytest.raises(SomaNetError, match="refuses a record"), quick(root) as run:
        run.log_epoch(0, {"a(b)": 1.0})


def test_a_run_file_that_names_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow_run.json").write_text("{}")
    with pytest.raises(SomaNetError, match="lacks run_id; expected the run_id of an MLflow run"):
        read_run(tmp_path, root=root)
    with pytest.raises(SomaNetError, match="is not in"):
        read_run("f" * 32, root=root)
    with pytest.raises(SomaNetError, match=r"models/finetune/all/seed0 not found: .*`dvc pull`"):
        read_run("models/finetune/all/seed0", root=root)


LONG_RUN = """
import sys, time
from somanet.provenance.mlflow import track_run
with track_run("long", experiment="e", root=sys.argv[1], system_metrics=False) as run:
    run.log_epoch(0, {"loss": 1.0})
    print(run.run_id, flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_sigterm_ends_a_run_as_killed(root: Path, start_python, first_line) -> None:
    process = start_python(LONG_RUN, root)
    run_id = first_line(process)
    process.terminate()
    assert process.wait(30) == 143
    assert read_run(run_id, root=root).status == "KILLED"


@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_reaped_and_can_be_resumed(root: Path, start_python, first_line) -> None:
    process = start_python(LONG_RUN, root)
    run_id = first_line(process)
    assert reap_stale_runs(root) == []  # it lives
    process.kill()
    process.wait()
    assert read_run(run_id, root=root).status == "RUNNING"
    assert reap_stale_runs(root, keep=run_id) == []
    assert reap_stale_runs(root) == [run_id]
    run = open_client(root).get_run(run_id)
    assert run.info.status == "KILLED"
    # Its end is its last sign of life, not the moment of the reaping.
    assert run.info.end_time == open_client(root).get_metric_history(run_id, "loss")[-1].timestamp
    with quick(root, run_id=run_id, experiment="e") as resumed:
        resumed.log_epoch(0, {"loss": 9.0})
    assert history(root, run_id, "loss") == [(0, 1.0)]
    assert "somanet.ended_by" not in read_run(run_id, root=root).tags
