"""No command overwrites its own input or replaces a file that SomaNet did not write.

A command is :func:`guarded`: it declares what it reads and where it writes. Everything then written through
:func:`somanet.core.files.atomic_path` is checked against that. Outside a guarded command (a DVC stage, whose outputs
DVC owns, or a library call) only what :func:`reading` names is protected.

SomaNet recognises its own files by content: the SHA-256 of each output is recorded in a hidden file beside it before
the output becomes visible. The same command may then replace it, on any computer, and a file that a person edited is
not mistaken for SomaNet's.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from somanet.core.errors import SomaNetError, explain
from somanet.core.hashing import is_hidden, sha256_file
from somanet.core.locks import Locks
from somanet.core.swapping import holds_mounts

WRITTEN = ".somanet.jsonl"
"""A line for each file that a command wrote into the folder: its name, or path from there, and its SHA-256."""
WRITTEN_BY = ".somanet.{}.jsonl"
"""The same of one user, by number, in a folder where another user's notes cannot be added to."""


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
        if (number := _number(path)) is not None:
            self._paths[_real(path)] = path
            self._numbers[number] = path
            if shallow:
                self._shallow.add(path)

    def discard(self, path: Path) -> None:
        """Take a path out again."""
        self._paths.pop(_real(path), None)
        if (number := _number(path)) is not None:
            self._numbers.pop(number, None)

    def same(self, path: Path) -> Path | None:
        """The input that a path refers to, also through links and on case-insensitive file systems."""
        number = _number(path)
        return self._paths.get(_real(path)) or (None if number is None else self._numbers.get(number))

    def around(self, path: Path) -> Path | None:
        """The input folder that a path lies in."""
        found = (self.same(folder) for folder in _real(path).parents)
        return next((folder for folder in found if folder is not None and folder not in self._shallow), None)


@dataclass
class _Work:
    """What the running command reads and writes."""

    inputs: _Inputs
    outputs: tuple[Path, ...] = ()
    replace: bool = False
    kept: list[Path] = field(default_factory=list)


_work: list[_Work] = []
"""The innermost last. Per process, not per thread: no thread may overwrite what another one reads."""


@contextmanager
def guarded(
    *,
    inputs: Iterable[Path] = (),
    shallow: Iterable[Path] = (),
    outputs: Sequence[Path] = (),
    replace: bool = False,
) -> Iterator[list[Path]]:
    """Hold all that a block writes against what it reads and what was there before.

    If it fails, folders on the way to an output that are new and still empty are removed.

    Args:
        inputs: files and folders that it reads; in such a folder nothing is written.
        shallow: folders of which it reads the files, but not the folders inside, in which it may write.
        outputs: files and folders that it writes, or writes into.
        replace: the user allowed replacing files that SomaNet did not write.

    Yields:
        where what was replaced so is kept; grows while the block works.

    Raises:
        SomaNetError: on entry: an output is an input, lies in one, or cannot be written.
    """
    work = _Work(_Inputs(inputs), tuple(map(_real, outputs)), replace)
    new = [folder for output in work.outputs for folder in (output, *output.parents) if not os.path.lexists(folder)]
    for path in shallow:
        work.inputs.add(path, shallow=True)
    _work.append(work)
    try:
        for path in outputs:
            check_not_read(path)
            check_writable(path)
            if path.suffix and _is(stat.S_ISREG, path):  # without a suffix the output is a folder
                _check_known(path)
        with alone(outputs):
            yield work.kept
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
    taken: dict[str, FileLock] = {}
    try:
        for path in sorted(set(map(_real, outputs))):
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
    """In the system's folder for temporary files, since an output need not exist yet, nor its folder take files."""
    folder = Path(tempfile.gettempdir()) / f"somanet-{_user()}"
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
    """Whether the user allowed the running command to replace files that SomaNet did not write."""
    return any(work.replace for work in _work)


def is_foreign(path: Path) -> bool:
    """Whether there is something at an output that SomaNet did not write, and --replace lets it go."""
    return replacing() and _is_output(path) and os.path.lexists(path) and not is_known(path)


def keep(place: Path) -> Path:
    """Note where something that is replaced is kept, for the user to be told; gives the place."""
    if _work:
        _work[0].kept.append(place)
    return place


def inputs_in(folder: Path) -> list[Path]:
    """The inputs of the running command that lie in a folder, however the paths are written."""
    here = _Inputs([folder])
    return [path for work in _work for path in work.inputs if here.around(path) is not None]


def check_write(path: Path) -> None:
    """Refuse to create or replace a file or folder that is an input, or that SomaNet did not write.

    Raises:
        SomaNetError: naming the file at risk; or see :func:`check_replaceable`.
    """
    check_not_read(path)
    if _is(stat.S_ISDIR, path) and (inside := inputs_in(path)):
        raise SomaNetError(
            f"{path} contains {inside[0]}, which this command reads, and would be replaced. Choose another output."
        )
    check_replaceable(path)
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


def check_writable(path: Path) -> None:
    """Refuse an output that cannot be written, before the work rather than after it.

    Args:
        path: a file, which may be replaced, or a folder, into which files are written.

    Raises:
        SomaNetError: its folder is locked or read-only, the disk is full, or a file is in the way of a folder.
    """
    place = path.absolute()
    if os.path.lexists(place) and not _is(stat.S_ISDIR, place):
        check_replaceable(path)
        return
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not _is(stat.S_ISDIR, place):
        raise SomaNetError(
            f"Cannot write {path}: a file is in the way of a folder: {place}. Choose another place, or rename it."
        )
    _check_takes_files(place, path)


def check_replaceable(path: Path) -> None:
    """Refuse a file or a folder whose place nothing else can take, before the work rather than after it.

    Raises:
        SomaNetError: as for :func:`check_writable`; it is locked itself, or a disk is mounted there.
    """
    place = path.absolute()
    state = _stat(place)
    if state is None and not os.path.lexists(place):
        check_writable(path)
        return
    _check_takes_files(place.parent, path)
    if state is None:  # a link that leads nowhere
        return
    me = os.getuid() if hasattr(os, "getuid") else 0
    others = place.parent.stat()
    sticky = others.st_mode & stat.S_ISVTX and me not in (0, state.st_uid, others.st_uid)
    # Whoever may set a file's mode may replace it; refused against its mode, it is locked (chattr +i) or read-only.
    locked = me in (0, state.st_uid) and state.st_mode & stat.S_IWUSR and not os.access(place, os.W_OK)
    if sticky or locked:
        raise explain(PermissionError(errno.EACCES, ""), path)
    if stat.S_ISDIR(state.st_mode) and holds_mounts(place):
        raise SomaNetError(
            f"Cannot write {path}: a disk is mounted on it or in it, so that it cannot be replaced as a whole. Name a "
            "folder inside it that does not exist yet."
        )


def _check_takes_files(folder: Path, path: Path) -> None:
    """Refuse if no file can be created in a folder; tried with one that has no name, since rules differ by system."""
    if not os.access(folder, os.W_OK):
        raise explain(PermissionError(errno.EACCES, ""), path)
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise explain(error, path) from error


def note_writing(new: Path, path: Path) -> None:
    """Record what is about to become visible as ``path``, if it is an output of a guarded command.

    It is recorded before, not after, so that files left by a command killed in between are recognised as SomaNet's too.
    """
    if not _is_output(path):
        return
    if not new.is_dir():
        _add_notes(path.parent, {path.name: sha256_file(new)})
        return
    # Of a folder the notes lie in it, so that they move and are copied with it.
    files = sorted(file for file in new.rglob("*") if file.is_file() and not is_hidden(file.relative_to(new)))
    _add_notes(new, {file.relative_to(new).as_posix(): sha256_file(file) for file in files})


def _add_notes(folder: Path, digests: Mapping[str, str]) -> None:
    fresh = {name: digest for name, digest in digests.items() if digest not in _noted(folder, name)}
    lines = "".join(f"\n{json.dumps({'file': name, 'sha256': digest})}" for name, digest in fresh.items())
    if not lines:
        return
    # One write at the end, so that two processes do not tear each other's lines; a line that a full disk cut ends here.
    for name in (WRITTEN, WRITTEN_BY.format(_user())):
        try:
            with (folder / name).open("a", encoding="utf-8", newline="\n") as notes:
                notes.write(lines)
            return
        except PermissionError:  # another user's
            if name != WRITTEN:
                raise


def is_known(path: Path) -> bool:
    """Whether SomaNet wrote a file, or all files of a folder, and nobody has changed them since."""
    if not path.is_dir():
        return _file_is_known(path)
    files = (file for file in path.rglob("*") if not file.is_dir())
    return all(_file_is_known(file) for file in files if not is_hidden(file.relative_to(path)))


def _file_is_known(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    place = path.absolute()
    noted = {digest for folder in place.parents for digest in _noted(folder, place.relative_to(folder).as_posix())}
    return bool(noted) and sha256_file(path) in noted


def _noted(folder: Path, name: str) -> frozenset[str]:
    """The hashes of what SomaNet wrote under a name, as a folder's notes have them."""
    found: frozenset[str] = frozenset()
    for notes in (folder / WRITTEN, folder / WRITTEN_BY.format(_user())):
        if (state := _stat(notes)) is not None:
            found |= _read_notes(notes, state.st_mtime_ns, state.st_size).get(name, frozenset())
    return found


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


@lru_cache(maxsize=64)
def _read_notes(notes: Path, _changed_ns: int, _size: int) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    try:
        lines = notes.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            row = json.loads(line)
            name, digest = str(row["file"]), str(row["sha256"])
        except (ValueError, TypeError, KeyError, RecursionError):  # cut by a full disk, or a foreign line
            continue
        found[name] = found.get(name, frozenset()) | {digest}
    return found


def _check_known(path: Path) -> None:
    if _is_output(path) and not replacing() and os.path.lexists(path) and not is_known(path):
        what = (
            "contains files that SomaNet did not write, or that were changed since,"
            if path.is_dir()
            else ("was not written by SomaNet, or was changed since,")
        )
        raise SomaNetError(
            f"{path} {what} and would be replaced. Choose another output, or give --replace to allow it."
        )


def _is_output(path: Path) -> bool:
    """Whether a path is an output or lies in one, and is not a hidden one in the making."""
    place = _real(path)
    outputs = (output for work in _work for output in work.outputs if place == output or output in place.parents)
    return any(not is_hidden(place.relative_to(output)) for output in outputs)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _number(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file or folder; None if there is none."""
    state = _stat(path)
    return None if state is None else (state.st_dev, state.st_ino)


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    state = _stat(path)
    return state is not None and kind(state.st_mode)


def _stat(path: Path) -> os.stat_result | None:
    """None also for an impossible path, such as one with too long a name: its writer explains the problem."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None
