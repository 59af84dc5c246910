"""No command overwrites its own input or replaces a file that it did not write.

A command is :func:`guarded`: it declares what it reads and where it writes. Everything then written through
:func:`somanet.core.files.atomic_path` is checked against that. Outside a guarded command (a DVC stage, whose outputs
DVC owns, or a library call) only what :func:`reading` names is protected.

Which files SomaNet wrote, and which command, is known from :mod:`somanet.core.written`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from somanet.core.errors import SomaNetError, explain
from somanet.core.file_state import is_kind, number_of, real_path, user_number
from somanet.core.hashing import is_hidden, sha256_file
from somanet.core.locks import Locks, make_own_folder
from somanet.core.writable import check_replaceable, check_writable
from somanet.core.written import add_notes, foreign_in, is_notes, writers_of


class _Inputs:
    """The files and folders that are read, found by resolved path or by inode, in constant time."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._paths: dict[Path, Path] = {}
        self._numbers: dict[tuple[int, int], Path] = {}
        self._shallow: set[Path] = set()
        for path in paths:
            self.add(path)

    def __iter__(self) -> Iterator[Path]:
        return iter(self._paths.values())

    def add(self, path: Path, *, shallow: bool = False) -> None:
        """Add what exists; what does not will be refused by its reader. Folders inside a shallow one are not read."""
        if (number := number_of(path)) is not None:
            self._paths[real_path(path)] = path
            self._numbers[number] = path
            if shallow:
                self._shallow.add(path)

    def discard(self, path: Path) -> None:
        """Take a path out again."""
        self._paths.pop(real_path(path), None)
        if (number := number_of(path)) is not None:
            self._numbers.pop(number, None)

    def same(self, path: Path) -> Path | None:
        """The input that a path refers to, also through links and on case-insensitive file systems."""
        return self._at(real_path(path))

    def around(self, path: Path) -> Path | None:
        """The input folder that a path lies in."""
        found = (self._at(folder) for folder in real_path(path).parents)
        return next((folder for folder in found if folder is not None and folder not in self._shallow), None)

    def _at(self, real: Path) -> Path | None:
        number = number_of(real)
        return self._paths.get(real) or (None if number is None else self._numbers.get(number))


@dataclass
class Replaced:
    """What became of what a command replaced, for the user to be told.

    Attributes:
        kept: where it is kept, under another name.
        removed: files and folders of the command's own, of an earlier run, that this one does not write.
    """

    kept: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)


@dataclass
class _Work:
    """What the running command reads and writes."""

    inputs: _Inputs
    outputs: tuple[Path, ...] = ()
    replace: bool = False
    command: str = ""
    replaced: Replaced = field(default_factory=Replaced)
    earlier: set[Path] = field(default_factory=set)
    copied: set[Path] = field(default_factory=set)


_work: list[_Work] = []
"""The innermost last. Per process, not per thread: no thread may overwrite what another one reads."""


@contextmanager
def guarded(
    *,
    inputs: Iterable[Path] = (),
    shallow: Iterable[Path] = (),
    outputs: Sequence[Path] = (),
    replace: bool = False,
    command: str = "",
) -> Iterator[Replaced]:
    """Hold all that a block writes against what it reads and what was there before.

    If it fails, folders on the way to an output that are new and still empty are removed.

    Args:
        inputs: files and folders that it reads; in such a folder nothing is written.
        shallow: folders of which it reads the files, but not the folders inside, in which it may write.
        outputs: files and folders that it writes, or writes into.
        replace: the user allowed replacing files that this command did not write.
        command: its name. What it writes is noted with it, and may be replaced by the same command only.

    Yields:
        what became of what was there; grows while the block works.

    Raises:
        SomaNetError: on entry: an output is an input, lies in one, or cannot be written.
    """
    work = _Work(_Inputs(inputs), tuple(map(real_path, outputs)), replace, command)
    new = [folder for output in work.outputs for folder in (output, *output.parents) if not os.path.lexists(folder)]
    for path in shallow:
        work.inputs.add(path, shallow=True)
    _work.append(work)
    try:
        for path in outputs:
            check_not_read(path)
            check_writable(path)
            if path.suffix and is_kind(stat.S_ISREG, path):  # without a suffix the output is a folder
                _check_known(path)
        with alone(outputs):
            yield work.replaced
    except BaseException:
        for folder in sorted(new, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # not there, or no longer empty
                folder.rmdir()
        raise
    finally:
        _work.remove(work)


@contextmanager
def alone(outputs: Iterable[Path]) -> Iterator[None]:
    """Within a block, no other command of this user on this computer writes the same outputs: no mixture of results.

    Raises:
        SomaNetError: another one writes there.
    """
    if os.environ.get("RANK", "0") != "0":  # the processes of a training on several GPUs share their outputs
        yield
        return
    locks = _output_locks()
    make_own_folder(locks.folder)
    taken: dict[str, FileLock] = {}
    try:
        for path in sorted(set(map(real_path, outputs))):
            name = hashlib.sha256(os.fsencode(path)).hexdigest()[:20]
            try:
                taken[name] = locks.take(name)
            except Timeout as error:
                raise SomaNetError(
                    f"Another command is writing {path}. Wait for it or stop it, or choose another output."
                ) from error
            except OSError as error:
                raise explain(error, locks.folder) from error
        yield
    finally:
        for name, lock in taken.items():
            with locks.giving_back(name, lock):
                pass


def _output_locks() -> Locks:
    """In the system's folder for temporary files, since an output need not exist yet, nor its folder take files.

    In `/tmp` where there is one: `TMPDIR` often differs from job to job of a user.
    """
    usual = Path("/tmp")  # noqa: S108 - a folder of the user is made in it
    base = usual if os.name == "posix" and os.access(usual, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    folder = base / f"somanet-{user_number()}"
    return Locks(folder, door=folder / "door")


@contextmanager
def reading(*inputs: Path | None) -> Iterator[None]:
    """Refuse to overwrite these files and folders within a block; None is ignored."""
    work = _Work(_Inputs(path for path in inputs if path is not None))
    _work.append(work)
    try:
        yield
    finally:
        _work.remove(work)


def protect(path: Path) -> Path:
    """Add a file or folder to the inputs of the running command, if it is only found during the work; returns it."""
    if _work:
        _work[0].inputs.add(path)
        for output in _work[0].outputs:
            check_not_read(output)
    return path


def release(path: Path) -> None:
    """Let an input be replaced that was copied before, and whose place keeps it under another name: a correction."""
    for work in _work:
        work.inputs.discard(path)


def replacing() -> bool:
    """Whether the user allowed the running command to replace files that it did not write."""
    return any(work.replace for work in _work)


def stays(path: Path) -> bool:
    """Whether what is at an output stays, under another name, when it is replaced.

    It does if this command did not write it, and --replace lets it go, or if :func:`keep_earlier` says so.
    """
    if not os.path.lexists(path) or not _is_output(path):
        return False
    if any(real_path(path) in work.earlier for work in _work):
        return True
    return replacing() and _why_foreign(path) is not None


def keep_earlier(path: Path) -> None:
    """Have what is at an output of the running command kept under another name, once it is replaced."""
    if _work:
        _work[-1].earlier.add(real_path(path))


def keep(place: Path, *, of: Path | None = None) -> Path:
    """Note where something that is replaced is kept, for the user to be told; gives the place.

    Args:
        place: where it is kept.
        of: what is copied there, so that :func:`drop` does not call it removed.
    """
    if _work:
        _work[0].replaced.kept.append(place)
        if of is not None:
            _work[0].copied.add(real_path(of))
    return place


def drop(path: Path) -> None:
    """Note a file of an earlier run that is gone, as this one does not write it, for the user to be told."""
    if _work and real_path(path) not in _work[0].copied:
        _work[0].replaced.removed.append(path)


def inputs_in(folder: Path) -> list[Path]:
    """The inputs of the running command that lie in a folder, however the paths are written."""
    here = _Inputs([folder])
    return [path for work in _work for path in work.inputs if here.around(path) is not None]


def check_write(path: Path) -> None:
    """Refuse to create or replace a file or folder that is an input, or that the running command did not write.

    Raises:
        SomaNetError: naming the file at risk; or see :func:`check_replaceable`.
    """
    check_not_read(path)
    if is_kind(stat.S_ISDIR, path) and (inside := inputs_in(path)):
        raise SomaNetError(
            f"{path} contains {inside[0]}, which this command reads, and would be replaced. Choose another output."
        )
    check_replaceable(path)
    if is_kind(stat.S_ISDIR, path) and real_path(Path()).is_relative_to(real_path(path)):
        raise SomaNetError(
            f"Cannot write {path}: it is the current folder, or holds it, and would be replaced as a whole. Name a "
            "folder inside it, or run the command elsewhere."
        )
    _check_known(path)


def check_not_read(path: Path) -> None:
    """Refuse an output that is an input, or lies in a folder that is one."""
    for work in _work:
        if work.inputs.same(path) is not None:
            raise SomaNetError(
                f"{path} is an input of this command and would be overwritten. Choose another place for the output."
            )
        if (folder := work.inputs.around(path)) is not None:
            raise SomaNetError(
                f"{path} lies in {folder}, which this command reads: output written there would be taken for input, "
                "or replace it. Choose a place outside that folder for the output."
            )


def note_writing(new: Path, path: Path, *, updates: bool = False) -> None:
    """Record what is about to become visible as ``path``, if it is an output of a guarded command.

    It is recorded before, not after, so that files left by a command killed in between are recognised as SomaNet's too.

    Args:
        new, path: the content and its place.
        updates: it is what was there, changed: it stays the output of the command that wrote it, too.
    """
    if not _is_output(path):
        return
    commands = {_command_of(path), *(writers_of(path) if updates else ())}
    if not new.is_dir():
        add_notes(path.parent, {path.name: sha256_file(new)}, commands)
        return
    # Of a folder the notes lie in it, so that they move and are copied with it.
    files = sorted(file for file in new.rglob("*") if file.is_file() and not is_notes(file.name))
    add_notes(new, {file.relative_to(new).as_posix(): sha256_file(file) for file in files}, commands)


def _check_known(path: Path) -> None:
    if not _is_output(path) or replacing() or not os.path.lexists(path):
        return
    if (why := _why_foreign(path)) is not None:
        raise SomaNetError(f"{path} {why} and would be replaced. Choose another output, or give --replace to allow it.")


def _why_foreign(path: Path) -> str | None:
    """Why the running command is not to replace an output that is there; None if it may."""
    found = foreign_in(path, _command_of(path))
    if found is None:
        return None
    folder = path.is_dir()
    if found.writer is None:
        if folder:
            return f"contains files that SomaNet did not write, or that were changed since ({found.name}),"
        return "was not written by SomaNet, or was changed since,"
    by = f"`somanet {found.writer}`" if found.writer else "an earlier version of SomaNet"
    if found.apart:
        return f"contains other results ({found.name}, by {by})"
    if folder:
        return f"contains what {by} wrote ({found.name})"
    # Of a file whose note does not tell, any command may be meant.
    return f"was written by {by}" if found.writer else None


def _command_of(path: Path) -> str:
    """The command whose output a path is, or lies in."""
    place = real_path(path)
    found = (work.command for work in _work if any(place.is_relative_to(output) for output in work.outputs))
    return next(found, "")


def _is_output(path: Path) -> bool:
    """Whether a path is an output or lies in one, and is not a hidden one in the making."""
    place = real_path(path)
    outputs = (output for work in _work for output in work.outputs if place.is_relative_to(output))
    return any(not is_hidden(place.relative_to(output)) for output in outputs)
