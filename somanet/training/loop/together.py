"""Processes that train one network end together: where one fails or is killed, the others end within seconds.

A process that waits for another in a collective operation cannot notice by itself that the other is gone: NCCL waits
for ten minutes, gloo for thirty. Each process therefore keeps a connection to the first one. The system closes it when
a process ends, however it ends, so no heartbeat can be late.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from somanet.core.errors import SomaNetError, first_line

if TYPE_CHECKING:
    from somanet.training.loop.task import TrainingTask

Given = ParamSpec("Given")
Result = TypeVar("Result")

GRACE_S = 10.0
"""How long a process may need to end by itself once another has failed; one that NCCL keeps waiting never does."""
_VERDICT_S = 2.0
"""How long after an error of its own a process waits for the news that another one's end has caused it."""
_CONNECT_S = 60.0
_KILLED = "was killed, or its computer is gone. Did the memory suffice?"

_current: _Link | None = None


def ending_together(
    train: Callable[Concatenate[TrainingTask, Given], Result],
) -> Callable[Concatenate[TrainingTask, Given], Result]:
    """Make a function of a training, which every process calls, fail in all of them if it fails in one.

    Nothing changes for a training of one process, nor within another such function. The function then also raises

        SomaNetError: another process failed or was killed, or the processes cannot be joined.

    A process that does not return from a collective operation within 10 s after that prints the error's line and exits
    with status 1.
    """

    @functools.wraps(train)
    def in_every_process(task: TrainingTask, /, *given: Given.args, **named: Given.kwargs) -> Result:
        with _together(task):
            return train(task, *given, **named)

    return in_every_process


@contextlib.contextmanager
def _together(task: TrainingTask) -> Iterator[None]:
    global _current
    if _current is not None or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    from somanet.training.loop.optimisation import make_accelerator

    accelerator = make_accelerator(task.settings)
    if accelerator.num_processes < 2:  # WORLD_SIZE is a batch system's, and its processes are not joined
        yield
        return
    _current = _Link(accelerator.process_index, accelerator.num_processes)
    try:
        yield
    except BaseException as error:
        if (cause := _current.end_of_others(error)) is not None:
            raise cause from error
        _current.leave(f"failed {_current.rank} failed: {first_line(error)}")
        raise
    else:
        _current.leave("done")
    finally:
        _current = None


class _Link:
    """This process' connections: to the first process, or in the first one to all others."""

    def __init__(self, rank: int, n_processes: int) -> None:
        self.rank = rank
        self._n_processes = n_processes
        self._left = threading.Event()
        self._failed = threading.Event()
        self._error = ""
        self._sockets = _join(rank, n_processes)
        threading.Thread(target=self._watch, daemon=True, name="somanet-together").start()

    def end_of_others(self, error: BaseException) -> SomaNetError | None:
        """The failure of another process that an exception here results from; None if the exception is its own."""
        if isinstance(error, SomaNetError | KeyboardInterrupt | SystemExit):
            return None
        self._failed.wait(_VERDICT_S)
        if not self._failed.is_set():
            return None
        self._left.set()
        return SomaNetError(self._error)

    def leave(self, message: str) -> None:
        """Tell the others that this process has left the block, and how: `done`, or `failed RANK HOW`."""
        self._left.set()
        self._tell(message)

    def _tell(self, message: str) -> None:
        for one in self._sockets.values():
            with contextlib.suppress(OSError):  # it is gone
                one.sendall(f"{message}\n".encode())
                one.shutdown(socket.SHUT_WR)

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for rank, one in self._sockets.items():
                selector.register(one, selectors.EVENT_READ, (rank, one.makefile(encoding="utf-8", errors="replace")))
            while selector.get_map():
                for key, _ in selector.select():
                    rank, lines = key.data
                    try:
                        line = lines.readline().strip()
                    except OSError:
                        line = ""
                    if line == "done":
                        selector.unregister(key.fileobj)
                    else:
                        self._end(line or f"failed {rank} {_KILLED}")
                        return

    def _end(self, message: str) -> None:
        """Another process has failed: end this one."""
        if self._left.is_set():
            return
        _, rank, how = message.split(" ", 2)
        self._error = (
            f"Process {int(rank) + 1} of {self._n_processes} of this training {how} All of them end; the same command "
            "resumes the training after its last saved epoch."
        )
        self._failed.set()
        if self.rank == 0:
            self._tell(message)
        if not self._left.wait(GRACE_S):
            sys.stderr.write(f"error: {self._error}\n")
            sys.stderr.flush()
            os._exit(1)


def _join(rank: int, n_processes: int) -> Mapping[int, socket.socket]:
    """Connect every process to the first one; by rank, the connections of this process."""
    from accelerate.utils import broadcast_object_list

    host, server = os.environ.get("MASTER_ADDR", "127.0.0.1"), None
    if rank == 0:
        server = socket.create_server((host, 0), backlog=n_processes)
    # The word keeps other programs that find the port out.
    port, word = broadcast_object_list([server and server.getsockname()[1], secrets.token_hex(16)], from_process=0)
    try:
        if server is not None:
            with server:
                sockets = dict(_accepted(server, word, n_processes - 1))
        else:
            sockets = {0: socket.create_connection((host, port), timeout=_CONNECT_S)}
            sockets[0].sendall(f"{word} {rank:8}".encode())
    except OSError as error:
        raise SomaNetError(
            f"The processes of this training cannot reach each other at {host} ({first_line(error)[:-1]}). Is a "
            "firewall between them, or was one killed at the start?"
        ) from error
    for one in sockets.values():
        one.settimeout(None)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # notices a computer that is gone, if slowly
        if hasattr(socket, "TCP_KEEPIDLE"):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    return sockets


def _accepted(server: socket.socket, word: str, n_expected: int) -> Iterator[tuple[int, socket.socket]]:
    """Accept the other processes: those that send the word, and after it their rank."""
    deadline = time.monotonic() + _CONNECT_S
    while n_expected:
        server.settimeout(max(deadline - time.monotonic(), 0.01))
        one, _ = server.accept()
        one.settimeout(_CONNECT_S)
        greeting = b""
        while len(greeting) < len(word) + 9 and (more := one.recv(len(word) + 9 - len(greeting))):
            greeting += more
        if not secrets.compare_digest(greeting[: len(word)], word.encode()):
            one.close()
            continue
        yield int(greeting[len(word) :]), one
        n_expected -= 1
