from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from somanet.provenance.code import collect
from somanet.provenance.mlflow import context, lifecycle, reap_stale_runs
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.lifecycle import Terminated, process_is_alive, process_tags, sigterm_raises
from somanet.provenance.mlflow.spool import keep


def test_sigterm_becomes_an_exception_and_the_old_handler_returns() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cleared_up = False
    with pytest.raises(Terminated) as caught, sigterm_raises():  # noqa: PT012
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # a second signal does not disturb the cleanup
            cleared_up = True
    assert cleared_up
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_that_is_held_back_arrives_when_it_is_let_in() -> None:
    reached = []
    with pytest.raises(Terminated), sigterm_raises(hold=True) as release:  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("what must not be cut")
        release()
        reached.append("what may")
    assert reached == ["what must not be cut"]


def test_without_a_signal_letting_in_changes_nothing_and_later_ones_come_at_once() -> None:
    with pytest.raises(Terminated), sigterm_raises(hold=True) as release:  # noqa: PT012
        release()
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("went on")


def test_a_signal_that_was_held_back_from_what_failed_is_not_forgotten() -> None:
    arrived = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: arrived.append(number))
    try:
        with pytest.raises(ValueError, match="by itself"), sigterm_raises(hold=True):  # noqa: PT012
            os.kill(os.getpid(), signal.SIGTERM)
            raise ValueError("by itself")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert arrived == [signal.SIGTERM]


def test_a_run_whose_end_waits_in_the_spool_is_not_killed(root: Path) -> None:
    """Its process finished its work while the store was away, and is gone: the records contain its end."""
    client = open_client(root)
    gone = {**process_tags(), lifecycle.PID: "999999999"}
    finished, cut = (client.create_run("0", tags=gone).info.run_id for _ in range(2))
    keep(root, {"run_id": finished, "kind": "metrics", "rows": [["loss", 0.5, 1, 1]]})
    keep(root, {"run_id": finished, "kind": "end", "status": "FINISHED", "time_ms": 5})
    keep(root, {"run_id": cut, "kind": "metrics", "rows": [["loss", 0.5, 1, 1]]})
    assert reap_stale_runs(root) == [cut]
    runs = {name: client.get_run(run_id) for name, run_id in (("finished", finished), ("cut", cut))}
    assert {name: run.info.status for name, run in runs.items()} == {"finished": "FINISHED", "cut": "KILLED"}
    assert lifecycle.ENDED_BY not in runs["finished"].data.tags
    assert [run.data.metrics for run in runs.values()] == [{"loss": 0.5}] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_forked_worker_dies_of_sigterm_without_the_exception() -> None:
    """A DataLoader worker that the parent terminates must not run the parent's `finally`."""
    with sigterm_raises():
        child = os.fork()
        if child == 0:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os._exit(7)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM


def test_who_is_alive() -> None:
    me = process_tags()
    assert process_is_alive(me)
    assert not process_is_alive({**me, lifecycle.PID: "999999999"})
    # The number was given to another process since.
    assert not process_is_alive({**me, lifecycle.PROCESS_START: "1.0"})
    # What cannot be known counts as alive.
    assert process_is_alive({**me, lifecycle.HOST: "another", lifecycle.PID: "999999999"})
    assert process_is_alive({lifecycle.HOST: me[lifecycle.HOST]})


def test_the_plug_in_gives_tags_inside_a_project_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plug_in = context.SomaNetRunContext()
    assert not plug_in.in_context()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    assert plug_in.in_context()
    tags = plug_in.tags()
    assert tags["dvc.lock_sha256"] == collect(tmp_path).dvc_lock_sha256
    assert all(isinstance(value, str) for value in tags.values())


def test_mlflow_takes_the_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking.context.registry import RunContextProviderRegistry

    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    registry = RunContextProviderRegistry()
    registry.register(context.SomaNetRunContext)
    [provider] = registry
    assert provider.in_context()
    assert "version.torch" in provider.tags()
