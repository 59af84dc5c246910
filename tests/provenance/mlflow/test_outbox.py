"""How long sending may delay the work, and what happens to a record that is not sent."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import outbox as module
from somanet.provenance.mlflow import spool
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.lifecycle import Terminated
from somanet.provenance.mlflow.outbox import FREE_S, SHARE, Outbox
from somanet.provenance.mlflow.spool import waiting

RUN = "a" * 32


def record(step: int) -> dict[str, Any]:
    return {"kind": "metrics", "rows": [["loss", 0.5, step, step]]}


class Clock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock.monotonic)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return clock


@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize(("cost_s", "work_s"), [(0.5, 0.1), (2.0, 10.0), (30.0, 60.0)])
def test_sending_never_takes_more_than_its_share(
    fails: bool, cost_s: float, work_s: float, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment: at most 5 s, 2 % of the time so far, and the one attempt that went beyond."""
    spent_s, sent = 0.0, []

    def send(_client: object, sending: dict[str, Any]) -> None:
        nonlocal spent_s
        spent_s += cost_s
        clock.now += cost_s
        if fails:
            raise MlflowException("away")
        sent.extend(step for _, _, _, step in sending["rows"])

    monkeypatch.setattr(module, "send", send)
    monkeypatch.setattr(spool, "send", send)
    box = Outbox(None, tmp_path, RUN)
    for step in range(60):
        clock.now += work_s
        box.deliver(record(step))
        assert spent_s <= FREE_S + SHARE * clock.now + 2 * cost_s
    assert sent == list(range(len(sent)))  # in order, without gaps: the rest waits
    n_waiting = sum(len(spool._read(file)["rows"]) for file in waiting(tmp_path, RUN))
    assert len(sent) + n_waiting == 60


def test_a_quick_store_gets_everything_at_once(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "send", lambda client, sending: None)
    box = Outbox(None, tmp_path, RUN)
    assert {box.deliver(record(step)) for step in range(100)} == {"sent"}
    assert not (tmp_path / "mlruns").exists()


def test_while_another_thread_sends_records_are_kept_and_go_first(tmp_path: Path, monkeypatch) -> None:
    box, got = Outbox(None, tmp_path, RUN), []

    def send(_client: object, sending: dict[str, Any]) -> None:
        got.extend(step for _, _, _, step in sending["rows"])
        if got == [1]:
            assert box.deliver(record(2)) == "kept"  # as the other thread would, in the middle of this

    monkeypatch.setattr(module, "send", send)
    monkeypatch.setattr(spool, "send", send)
    assert box.deliver(record(1)) == "sent"
    assert box.deliver(record(3)) == "sent"
    assert got == [1, 2, 3]


def test_a_signal_while_a_record_is_sent_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(_client: object, _record: object) -> None:
        raise Terminated

    monkeypatch.setattr(module, "send", send)
    box = Outbox(None, tmp_path, RUN)
    with pytest.raises(Terminated):
        box.deliver(record(1))
    assert len(waiting(tmp_path, RUN)) == 1


def test_a_run_deleted_meanwhile_is_no_impossible_record(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """MLflow has one code for both; the work continues only if the run is gone."""
    client = open_client(root)
    run_id = client.create_run("0").info.run_id
    box = Outbox(client, root, run_id)
    impossible = {"kind": "metrics", "rows": [["a(b)", 0.5, 1, 1]]}
    with pytest.raises(SomaNetError, match="MLflow refuses a record"):
        box.deliver(impossible)
    client.delete_run(run_id)
    with caplog.at_level(logging.WARNING):
        assert box.deliver(record(1)) == "kept"
    assert "was deleted in MLflow. Restore it with `MLFLOW_TRACKING_URI=" in caplog.text
    client.restore_run(run_id)
    assert box.deliver(record(2)) == "sent"
    assert [m.step for m in client.get_metric_history(run_id, "loss")] == [1, 2]


def test_what_cannot_be_kept_either_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_client: object, _record: object) -> None:
        raise MlflowException("away")

    def full(_root: object, _record: object) -> None:
        raise SomaNetError("The disk is full.")

    monkeypatch.setattr(module, "send", away)
    monkeypatch.setattr(module, "keep", full)
    box = Outbox(None, tmp_path, RUN)
    with caplog.at_level(logging.WARNING):
        assert [box.deliver(record(step)) for step in range(3)] == ["lost"] * 3
        box.close({"kind": "end", "status": "FINISHED", "time_ms": 1})
    assert ["cannot be kept either" in line.message for line in caplog.records] == [False, True]


@pytest.mark.parametrize(("n_busy", "n_left"), [(1, 0), (4, 0), (10**6, 3)])
def test_a_busy_database_is_tried_again_at_the_end(
    n_busy: int, n_left: int, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other processes write for longer than MLflow waits; the last records arrive, unless that lasts for a minute."""
    tried, sent = 0, []

    def send(_client: object, sending: dict[str, Any]) -> None:
        nonlocal tried
        tried += 1
        clock.now += 1
        if tried <= n_busy:
            raise MlflowException("(sqlite3.OperationalError) database is locked")
        sent.extend([step for _, _, _, step in sending["rows"]] if sending["kind"] == "metrics" else ["end"])

    monkeypatch.setattr(module, "send", send)
    monkeypatch.setattr(spool, "send", send)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    box = Outbox(None, tmp_path, RUN)
    for step in range(2):
        box.deliver(record(step))
    box.close({"kind": "end", "status": "FINISHED", "time_ms": 1})
    assert len(waiting(tmp_path, RUN)) == n_left
    assert sent == ([] if n_left else [0, 1, "end"])


def test_nothing_is_left_where_the_last_record_takes_the_time_that_there_is(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(_client: object, _sending: dict[str, Any]) -> None:
        clock.now += 100

    monkeypatch.setattr(spool, "send", send)
    spool.keep(tmp_path, {"run_id": RUN, **record(1)})
    assert spool.replay_run(None, tmp_path, RUN, limit_s=5) == 1
    assert not (spool.spool_folder(tmp_path) / RUN).exists()
