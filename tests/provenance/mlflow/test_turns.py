"""One promotion at a time: threads that want the turn at once, and entries that dead processes left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from somanet.core.errors import SomaNetError
from somanet.core.processes import process_mark
from somanet.provenance.mlflow import promotion_turn, turns
from somanet.provenance.mlflow.client import open_client


def entries(root: Path) -> list[str]:
    return sorted(one.name for one in open_client(root).search_registered_models())


def leave(root: Path, process: str, who: str = "eve on lab7") -> None:
    """An entry as a process that was killed leaves it."""
    open_client(root).create_registered_model(turns.TURN, tags={"token": "theirs", "who": who, "process": process})


def dead_process() -> str:
    """The mark of a process of this computer that has ended."""
    ended = subprocess.run(
        [sys.executable, "-c", "from somanet.core.processes import process_mark; print(process_mark())"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    return ended.stdout.strip()


def test_the_entry_is_there_only_during_the_turn(root: Path) -> None:
    with promotion_turn(root):
        assert entries(root) == [turns.TURN]
        tags = open_client(root).get_registered_model(turns.TURN).tags
        assert tags["process"] == process_mark()
    assert entries(root) == []
    with pytest.raises(ZeroDivisionError), promotion_turn(root):
        raise ZeroDivisionError
    assert entries(root) == []


def test_of_three_at_once_one_goes_at_a_time(root: Path) -> None:
    inside: list[int] = []
    seen: list[int] = []

    def take_a_turn() -> None:
        with promotion_turn(root):
            inside.append(1)
            time.sleep(0.2)
            seen.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=take_a_turn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1, 1]
    assert entries(root) == []


def test_a_dead_process_s_entry_is_cleared(root: Path) -> None:
    leave(root, dead_process())
    with promotion_turn(root):
        assert open_client(root).get_registered_model(turns.TURN).tags["token"] != "theirs"
    assert entries(root) == []


def test_another_computer_s_entry_is_waited_for_and_counts_as_left_after_an_hour(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown computer's process cannot be asked whether it lives."""
    leave(root, f"ffffff-{os.getpid()}-0")
    monkeypatch.setattr(turns, "WAIT_S", 0.5)
    began = time.monotonic()
    words = r"is under way, by eve on lab7 since \d\d:\d\d:\d\d UTC; waited"
    with pytest.raises(SomaNetError, match=words) as error, promotion_turn(root):
        pytest.fail("there was no turn")
    assert time.monotonic() - began > 0.5
    assert "\n" not in str(error.value)
    assert entries(root) == [turns.TURN]
    monkeypatch.setattr(turns, "LEFT_AFTER_S", 0.1)
    with promotion_turn(root):
        pass
    assert entries(root) == []


def test_an_entry_whose_answer_was_lost_is_one_s_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request arrived, the answer did not, and the client asked again."""
    create = MlflowClient.create_registered_model

    def twice(client: MlflowClient, *arguments: Any, **options: Any) -> Any:
        create(client, *arguments, **options)
        return create(client, *arguments, **options)

    monkeypatch.setattr(MlflowClient, "create_registered_model", twice)
    monkeypatch.setattr(turns, "WAIT_S", 0.0)
    with promotion_turn(root):
        assert entries(root) == [turns.TURN]
    assert entries(root) == []


def test_an_entry_cleared_by_another_process_is_not_taken_from_it(root: Path) -> None:
    """Both found the same old entry; the name it is moved to exists once."""
    leave(root, dead_process())
    client = open_client(root)
    old = client.get_registered_model(turns.TURN)
    assert turns._move_away(client, old) == [f"{turns.TURN}.theirs"]
    leave(root, process_mark(), "the first")
    assert turns._move_away(client, old) == []
    assert client.get_registered_model(turns.TURN).tags["who"] == "the first"


def test_a_store_that_goes_away_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_arguments: object, **_options: object) -> None:
        raise MlflowException("no store")

    monkeypatch.setattr(MlflowClient, "create_registered_model", away)
    with pytest.raises(SomaNetError, match="no store"), promotion_turn(root):
        pytest.fail("there was no turn")
