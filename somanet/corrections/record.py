"""The file `corrections.jsonl`: a header, then one edit per line, each safe on the disk before the next is made.

It only ever grows: nothing in it is changed or removed, and undoing is an edit as well. A line that a crash cut short
is moved to `corrections.torn.jsonl` beside it before the next line is written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from somanet.core import guard
from somanet.core.documents import parse_json
from somanet.core.errors import SomaNetError, explain
from somanet.core.files import atomic_path
from somanet.core.foreign import file_bytes
from somanet.core.limits import LINE_BYTES, TABLE_BYTES, TABLE_ROWS
from somanet.core.problems import FileProblem
from somanet.core.writable import check_writable
from somanet.corrections.edits import Edit

NAME = "corrections.jsonl"
TORN = "corrections.torn.jsonl"
SCHEMA = 1
EXPECTED = "corrections, as SomaNet records them"
_MARK = "somanet_corrections"
_LONGEST_SHOWN = 12
_BOM = b"\xef\xbb\xbf"
"""What some editors put before UTF-8."""
_COPY = "Take the file from a copy."


@dataclass(frozen=True)
class Header:
    """What corrections were made on.

    Attributes:
        movie: the movie's name.
        movie_sha256: of all its files (:func:`somanet.io.movie_files.sha256_movie`).
        labels_sha256: of the automatic label movie, as the manifest of the results has it; None without one.
        tracks_sha256: of the automatic `tracks.csv`, likewise.
        network_sha256: of the network that found them; None if none did.
        position: which of several movies in the file, as it was chosen; None if there is one, or nobody noted it.
    """

    movie: str
    movie_sha256: str
    labels_sha256: str | None
    tracks_sha256: str
    network_sha256: str | None = None
    position: str | None = None

    def is_of(self, other: Header) -> bool:
        """Whether both are of the same automatic results; a position that was not noted may be any."""
        known = self.position is not None and other.position is not None
        return self == (other if known else replace(other, position=self.position))

    def as_json(self) -> dict[str, Any]:
        """As stored: the position only where there is one."""
        return {name: value for name, value in asdict(self).items() if name != "position" or value is not None}


@dataclass(frozen=True)
class Corrections:
    """A file of corrections.

    Attributes:
        path: the file.
        sha256: of its bytes.
        header: what they were made on.
        edits: in the order in which they were made, undone ones and undos included.
        torn: the bytes of a last line that a crash cut short; empty otherwise.
        content: the bytes of the file when it was read: it may have grown since.
    """

    path: Path
    sha256: str
    header: Header
    edits: tuple[Edit, ...]
    torn: bytes = b""
    content: bytes = field(default=b"", repr=False)


def read(path: Path | str, *, movie_sha256: str | None = None, position: str | None = None) -> Corrections:
    """Read a file of corrections; it is not changed.

    Args:
        path: the file.
        movie_sha256: of the movie that they are meant for, if it is to be checked.
        position: which of several movies in that file.

    Raises:
        SomaNetError: no such file, too large, another movie's, another version's, or a line that is no edit, named by
            its number.
    """
    path = Path(path)
    content = file_bytes(path, EXPECTED, TABLE_BYTES)
    if not content:
        raise FileProblem(f"{path} is empty; expected {EXPECTED}. Was a copy cut short?", "truncated")
    header: Header | None = None
    edits: list[Edit] = []
    torn = b""
    TABLE_ROWS.check(content.count(b"\n"), path)
    for number, line in enumerate(_lines(content.removeprefix(_BOM)), start=1):
        LINE_BYTES.check(len(line), path, declared=f"line {number}")
        if header is not None and not line.strip():  # an editor's, between or after the edits
            continue
        if not line.endswith(b"\n") and (header is None or not _is_edit(line)):
            torn = line
        elif header is None:
            header = _header_of(line, path)
        else:
            edits.append(_edit_of(line, f"{path}, line {number}"))
    if header is None:
        raise FileProblem(f"{path} has no whole first line; expected {EXPECTED}. Was a copy cut short?", "truncated")
    if movie_sha256 is not None:
        check_movie(header, movie_sha256, path, position=position)
    known: set[str] = set()
    for number, edit in enumerate(edits, start=2):
        if edit.undoes and edit.undoes not in known:
            raise FileProblem(
                f"{path}, line {number}: it undoes the edit {edit.undoes[:20]!r}, which is not above it. Were lines "
                f"removed or reordered? {_COPY}"
            )
        known.add(edit.key)
    return Corrections(path, hashlib.sha256(content).hexdigest(), header, tuple(edits), torn, content)


def check_movie(
    header: Header, movie_sha256: str, path: Path, *, position: str | None, asked: str | None = None
) -> None:
    """Refuse corrections of another movie, or of another one in the same file.

    Args:
        header: of the corrections.
        movie_sha256: of the movie.
        path: of the corrections, for the message.
        position: the movie's name in its file, where there are several.
        asked: how it was chosen, by name or number, which older versions recorded.

    Raises:
        SomaNetError: naming both.
    """
    if header.movie_sha256 != movie_sha256:
        raise SomaNetError(
            f"{path} has corrections of the movie {header.movie!r} (SHA-256 "
            f"{header.movie_sha256[:_LONGEST_SHOWN]}…), and this one has {movie_sha256[:_LONGEST_SHOWN]}…. Name the "
            "movie they were made on; was it converted or cut since?"
        )
    if None not in (header.position, position) and header.position not in (position, asked):
        raise SomaNetError(
            f"{path} has corrections of the position {header.position!r} of the movie {header.movie!r}, and these "
            f"results are of its position {position!r}. Name the results of that position, analysed with "
            f"--position {header.position}."
        )


def append(path: Path | str, edit: Edit, header: Header) -> Edit:
    """Add one edit to a file of corrections, which is made if it is not there; see :class:`Recorder`."""
    with Recorder(path, header) as recorder:
        return recorder.append(edit)


class Recorder:
    """A file of corrections open for writing: each edit is on the disk when :meth:`append` returns.

    While it is open, no other program of this computer records into the same file.
    """

    def __init__(self, path: Path | str, header: Header) -> None:
        """Take what the corrections are made on; the file is made with the first edit.

        Raises:
            SomaNetError: the file is there and is no file of corrections, or of another movie.
        """
        self.path, self.header = Path(path), header
        self._stack = ExitStack()
        self._file: int | None = None

    def __enter__(self) -> Self:
        """Lock the file.

        Raises:
            SomaNetError: another program records into it, its folder cannot be written, or what is there is no file of
                corrections of this movie and version.
        """
        with ExitStack() as stack:
            check_writable(self.path)
            stack.enter_context(guard.alone((self.path,)))
            if self.path.exists():
                self._open()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Release the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._stack.close()

    def append(self, edit: Edit) -> Edit:
        """Record an edit, with the time if it has none; gives it as recorded.

        Raises:
            SomaNetError: it could not be written; then the file is as it was before.
        """
        return self.append_all((edit,))[0]

    def append_all(self, edits: Iterable[Edit]) -> tuple[Edit, ...]:
        """Record several edits at once, all or none; see :meth:`append`."""
        stamped = tuple(edit.stamped() for edit in edits)
        lines = [_line(edit.as_json()) for edit in stamped]
        for line in lines:
            LINE_BYTES.check(len(line), "An edit")
        text = b"".join(lines)
        if self._file is None:
            self._create()
        elif not self._is_here():  # results were measured anew, and their folder was swapped
            os.close(self._file)
            self._file = None
            self._open()
        assert self._file is not None
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = 0
            while written < len(text):
                written += os.write(self._file, text[written:])
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, end)
            raise explain(error, self.path) from error
        return stamped

    def _is_here(self) -> bool:
        """Whether the open file is still the one of this name.

        Raises:
            SomaNetError: there is none of this name any more.
        """
        assert self._file is not None
        try:
            there = self.path.stat()
        except OSError as error:
            raise SomaNetError(
                f"{self.path} was moved or removed while corrections were recorded into it. Put it back, then go on: "
                "the edit was not recorded."
            ) from error
        return os.path.samestat(there, os.fstat(self._file))

    def _create(self) -> None:
        """The file with its header, all at once."""
        with atomic_path(self.path, updates=True) as temporary:
            temporary.write_bytes(_line({_MARK: SCHEMA, **self.header.as_json()}))
        self._open()
        if hasattr(os, "O_DIRECTORY"):  # so that the name, too, survives a crash of the computer
            folder = os.open(self.path.parent, os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _open(self) -> None:
        found = read(self.path)
        check_movie(found.header, self.header.movie_sha256, self.path, position=self.header.position)
        if not found.header.is_of(self.header):
            raise SomaNetError(
                f"{self.path} was made on other automatic results of this movie, and new edits would not fit beside "
                "it. Apply it to these results first (somanet correct), or record into another file."
            )
        try:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise explain(error, self.path) from error
        try:
            self._lock(file)
            if found.torn:
                self._set_aside(file, found.torn)
            elif not found.content.endswith(b"\n"):  # of the last line only its end was lost
                os.write(file, b"\n")
        except OSError as error:
            os.close(file)
            raise explain(error, self.path) from error
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def _lock(self, file: int) -> None:
        """Also hold it against other users and computers, where the system knows such locks."""
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SomaNetError(
                f"Another program records corrections into {self.path}. Close it there, or record into another file."
            ) from error
        except OSError:  # a file system without locks
            return

    def _set_aside(self, file: int, torn: bytes) -> None:
        """Keep an incomplete last line in a file of its own, then end the file before it."""
        with self.path.with_name(TORN).open("ab") as aside:
            aside.write(torn + b"\n")
            aside.flush()
            os.fsync(aside.fileno())
        os.ftruncate(file, os.fstat(file).st_size - len(torn))
        os.fsync(file)


def _lines(content: bytes) -> list[bytes]:
    """The lines with their ends; only a line feed ends one."""
    lines = [line + b"\n" for line in content.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _header_of(line: bytes, path: Path) -> Header:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileProblem(f"{path}: expected {EXPECTED}, in UTF-8, found UTF-16. Save it as UTF-8, or {_COPY.lower()}")
    if not line.lstrip().startswith(b"{"):
        raise FileProblem(
            f"{path}, line 1: expected the header of {EXPECTED}, found something else. What another program corrected "
            "is given with --from."
        )
    content = parse_json(line, f"{path}, line 1,", EXPECTED, remedy=_COPY)
    version = content.get(_MARK) if isinstance(content, dict) else None
    if version is None:
        raise FileProblem(f"{path}, line 1: expected the header of {EXPECTED}, found other JSON. Is it another file?")
    if version != SCHEMA:
        raise FileProblem(
            f"{path} has corrections of the version {str(version)[:20]!r}; this SomaNet reads version {SCHEMA}. Use "
            "the SomaNet that recorded them, or a newer one."
        )
    names = ("movie", "movie_sha256", "labels_sha256", "tracks_sha256", "network_sha256", "position")
    values = {name: content.get(name) for name in names}
    optional = ("labels_sha256", "network_sha256", "position")
    wrong = [
        name
        for name, value in values.items()
        if not isinstance(value, str) and not (value is None and name in optional)
    ]
    if wrong:
        raise FileProblem(f"{path}, line 1: expected the text {wrong[0]!r} in the header. Was it edited by hand?")
    return Header(**values)  # checked above


def _is_edit(line: bytes) -> bool:
    """Whether a line without an end is an edit all the same."""
    try:
        _edit_of(line, "")
    except SomaNetError:
        return False
    return True


def _edit_of(line: bytes, where: str) -> Edit:
    content = parse_json(line, where, "an edit", remedy=_COPY)
    if isinstance(content, dict) and _MARK in content:
        raise FileProblem(
            f"{where}: here a second file of corrections begins; expected an edit. Were two files joined? Keep each in "
            "a file of its own."
        )
    if not isinstance(content, dict):
        raise FileProblem(f"{where}: expected an edit, found {str(content)[:40]!r}. Was it edited by hand?")
    try:
        edit = Edit.from_json(content)
    except FileProblem:
        raise
    except SomaNetError as error:
        raise FileProblem(f"{where}: {error} Was it edited by hand, or written by a newer version?") from error
    if content.get("key") != edit.key:
        raise FileProblem(
            f"{where}: the edit is not as it was recorded (its key is that of other content). Put the line back, or "
            "take the file from a copy."
        )
    return edit
