"""Pending records: kept whole, sent in order, each once, whichever processes keep and send at the same time."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow.exceptions import MlflowException

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import pending_runs, replay_spool, spool
from somanet.provenance.mlflow.spool import RunRefused, keep, replay_run, spool_folder, waiting

RUN = "a" * 32


class Store:
    """A client that records what it is sent; `before` is called first."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.got: list[Any] = []
        self._before = before

    def log_batch(self, run_id: str, metrics: Any = (), tags: Any = ()) -> None:
        self._before()
        self.got.append([(m.key, m.value, m.step) for m in metrics] or {tag.key: tag.value for tag in tags})

    def log_artifact(self, run_id: str, path: str, folder: str | None) -> None:
        self._before()
        self.got.append((Path(path).name, Path(path).read_text(), folder))

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        self._before()
        self.got.append(status)


@pytest.fixture(autouse=True)
def _local_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def metrics(step: int, value: float = 0.5) -> dict[str, Any]:
    return {"run_id": RUN, "kind": "metrics", "rows": [["loss", value, 1000 + step, step]]}


def tags(**values: str) -> dict[str, Any]:
    return {"run_id": RUN, "kind": "tags", "tags": values}


END = {"run_id": RUN, "kind": "end", "status": "FINISHED", "time_ms": 5}


def test_records_arrive_in_order_and_rows_that_follow_each_other_together(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("short-lived")
    for record in (
        metrics(1), metrics(2, math.inf), tags(a="1"),
        {"run_id": RUN, "kind": "artifact", "path": str(tmp_path / "note.txt"), "folder": "f"}, metrics(3), END,
    ):  # fmt: skip
        keep(tmp_path, record)
    (tmp_path / "note.txt").unlink()
    store = Store()
    assert replay_run(store, tmp_path, RUN) == 6
    assert store.got == [
        [("loss", 0.5, 1), ("loss", math.inf, 2)], {"a": "1"}, ("note.txt", "short-lived", "f"), [("loss", 0.5, 3)],
        "FINISHED",
    ]  # fmt: skip
    assert list(spool_folder(tmp_path).iterdir()) == []
    assert replay_run(store, tmp_path, RUN) == 0


def test_nan_stays_nan(tmp_path: Path) -> None:
    keep(tmp_path, metrics(1, math.nan))
    store = Store()
    replay_run(store, tmp_path, RUN)
    [[(_, value, _)]] = store.got
    assert math.isnan(value)


def test_many_rows_go_in_few_calls_of_a_size_that_mlflow_takes(tmp_path: Path) -> None:
    """1200 rows of 3 records of 400: the first two are one group of 800, sent as 500 and 300."""
    for first in (0, 400, 800):
        record = {**metrics(0), "rows": [["loss", 0.5, step, step] for step in range(first, first + 400)]}
        keep(tmp_path, record)
    store = Store()
    assert replay_run(store, tmp_path, RUN) == 3
    assert [len(batch) for batch in store.got] == [500, 300, 400]
    assert [step for batch in store.got for _, _, step in batch] == list(range(1200))


def test_what_is_kept_while_others_are_sent_is_sent_too(tmp_path: Path) -> None:
    """A training keeps a record while `somanet sync` sends the previous one."""
    late = [metrics(2), tags(a="2"), END]
    keep(tmp_path, metrics(1))
    store = Store(lambda: keep(tmp_path, late.pop(0)) if late else None)
    assert replay_run(store, tmp_path, RUN) == 4
    assert store.got == [[("loss", 0.5, 1)], [("loss", 0.5, 2)], {"a": "2"}, "FINISHED"]
    assert pending_runs(tmp_path) == []


def test_a_replay_that_fails_half_way_goes_on_where_it_was(tmp_path: Path) -> None:
    answers = [None, None, MlflowException("gone"), None, None]

    def answer() -> None:
        if error := answers.pop(0):
            raise error

    for record in (metrics(1), tags(a="1"), tags(b="2"), END):
        keep(tmp_path, record)
    store = Store(answer)
    with pytest.raises(SomaNetError, match=r"does not accept the 2 waiting records of run a+: gone\. They stay"):
        replay_run(store, tmp_path, RUN)
    assert replay_run(store, tmp_path, RUN) == 2
    assert store.got == [[("loss", 0.5, 1)], {"a": "1"}, {"b": "2"}, "FINISHED"]


def test_a_replay_keeps_to_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three records of 10 s each, a limit of 15 s: two are sent."""
    now = [0.0]
    monkeypatch.setattr(spool.time, "monotonic", lambda: now[0])

    def pass_time() -> None:
        now[0] += 10

    for record in (tags(a="1"), tags(b="2"), END):
        keep(tmp_path, record)
    assert replay_run(Store(pass_time), tmp_path, RUN, limit_s=15) == 2
    assert len(waiting(tmp_path, RUN)) == 1


def test_a_record_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the copy of a file and the record that names it; half a record on a full disk."""
    keep(tmp_path, tags(a="1"))
    folder = spool_folder(tmp_path) / RUN
    (folder / "00000002-0000dead" / "path").mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    (tmp_path / "big.bin").write_bytes(b"1")
    with pytest.raises(SomaNetError, match="disk is full"):
        keep(tmp_path, {"run_id": RUN, "kind": "artifact", "path": str(tmp_path / "big.bin"), "folder": None})
    monkeypatch.undo()
    assert sorted(path.name for path in folder.iterdir()) == [waiting(tmp_path, RUN)[0].name, "00000002-0000dead"]
    store = Store()
    assert replay_run(store, tmp_path, RUN) == 1
    assert store.got == [{"a": "1"}]
    assert folder.exists()  # what is half-kept may still be in the making
    os.utime(folder / "00000002-0000dead", (0, 0))
    keep(tmp_path, END)
    replay_run(store, tmp_path, RUN)
    assert not folder.exists()


def test_only_one_process_sends_at_a_time(tmp_path: Path) -> None:
    keep(tmp_path, END)
    with FileLock(spool_folder(tmp_path) / RUN / ".lock"), pytest.raises(RunRefused, match="by another process"):
        replay_run(Store(), tmp_path, RUN)
    assert replay_run(Store(), tmp_path, RUN) == 1


def test_records_wait_for_the_store_that_they_were_meant_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is kept without its password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/mlflow")
    keep(tmp_path, END)
    assert "secret" not in waiting(tmp_path, RUN)[0].read_text()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(RunRefused, match=r"wait for https://example\.org/mlflow, but runs are now recorded in sqlite"):
        replay_run(Store(), tmp_path, RUN)


def test_a_record_that_was_edited_is_named(tmp_path: Path) -> None:
    keep(tmp_path, END)
    file = waiting(tmp_path, RUN)[0]
    file.write_text(json.dumps([1]))
    with pytest.raises(RunRefused, match=rf"{file.name} is not a valid record"):
        replay_run(Store(), tmp_path, RUN)


def test_one_run_that_is_refused_does_not_hold_up_the_others(root: Path) -> None:
    """The first was never in this store, the third neither; the second is there."""
    from somanet.provenance.mlflow.client import open_client

    there = open_client(root).create_run("0").info.run_id
    for run_id in ("0" * 32, there, "f" * 32):
        keep(root, {**tags(a="1"), "run_id": run_id})
    with pytest.raises(
        SomaNetError, match=r"The run 0{32} is not in .* discards its 1 waiting records\. \(And 1 more runs"
    ):
        replay_spool(root)
    assert pending_runs(root) == ["0" * 32, "f" * 32]
    assert open_client(root).get_run(there).data.tags["a"] == "1"


def test_a_record_that_another_thread_is_writing_is_none_yet(tmp_path: Path) -> None:
    """The system's load is recorded by a thread of its own; a half-written file has a hidden name."""
    run = "a" * 32
    record = {"run_id": run, "kind": "metrics", "rows": [["loss", 0.5, 1, 1]]}
    spool.keep(tmp_path, record)
    folder = spool.spool_folder(tmp_path) / run
    (folder / ".00000002-abcd.part.json").write_text('{"run_')
    spool.keep(tmp_path, record)
    assert [path.name[:8] for path in spool.waiting(tmp_path, run)] == ["00000001", "00000002"]
    (tmp_path / "mlruns" / "spool" / ("b" * 32)).mkdir()
    assert spool.pending_runs(tmp_path) == [run]
