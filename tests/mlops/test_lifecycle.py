from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from somanet.mlops import context, lifecycle
from somanet.mlops.lifecycle import Terminated, owner_is_alive, process_tags, sigterm_raises
from somanet.provenance import collect


def test_sigterm_becomes_an_exception_and_the_old_handler_returns() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cleared_up = False
    with pytest.raises(Terminated) as caught, sigterm_raises():  # noqa: PT012
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # a second signal does not disturb the clearing up
            cleared_up = True
    assert cleared_up
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before


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
    assert owner_is_alive(me)
    assert not owner_is_alive({**me, lifecycle.PID: "999999999"})
    # The number was given to another process since.
    assert not owner_is_alive({**me, lifecycle.PROCESS_START: "1.0"})
    # What cannot be known counts as alive.
    assert owner_is_alive({**me, lifecycle.HOST: "another", lifecycle.PID: "999999999"})
    assert owner_is_alive({lifecycle.HOST: me[lifecycle.HOST]})


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
