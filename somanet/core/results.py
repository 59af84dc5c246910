"""A folder of results: written beside its destination, then swapped with the old folder as a whole.

A failure or a kill leaves the old results or the new, never a mixture. What a person keeps in the folder stays through
every swap: files that SomaNet did not write, and those of its own that were changed since, which are kept under
another name. A folder that cannot be swapped (a mount point or one that holds one, the current folder, a folder in a
locked one, one with other users' files, one around other results) receives the new files one by one, see
:mod:`somanet.core.result_exchange`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from somanet.core import guard
from somanet.core.counting import listed
from somanet.core.errors import SomaNetError, explain
from somanet.core.files import make_folder
from somanet.core.result_exchange import exchange_files, finish_exchange
from somanet.core.result_records import Kind, entry_in, more_in, recorded_in, recorded_names, state_of, unchanged_in
from somanet.core.swapping import free_name, holds_mounts, remove, remove_leftovers, replace_folder, temporary_path
from somanet.core.writable import check_replaceable, check_writable
from somanet.core.written import is_kept


def check_results(output: Path, kind: Kind, *, writes: Collection[str] = (), aside: bool = False) -> None:
    """Refuse an output folder where results would do damage, before the work rather than after it.

    Args:
        output: the folder.
        kind: the kind of results.
        writes: names that will be written, as far as they are known.
        aside: what is there will be kept as a whole, under another name.

    Raises:
        SomaNetError: it is a file, cannot be written, contains other files but no results, or contains edited results
            or a foreign file under a name that will be written; or it is to go aside and cannot.
    """
    guard.check_not_read(output)
    check_writable(output)
    if output.exists() and not output.is_dir():
        raise SomaNetError(
            f"Cannot write {output}: a file is in the way of the results folder. Choose another --output."
        )
    if not output.is_dir():
        return
    remove_leftovers(output)
    finish_exchange(output, kind)
    there = sorted(path.name for path in output.iterdir() if is_kept(path.name))
    if not there:
        return
    if aside:
        _check_can_go(output)
        return
    recorded = recorded_in(output, kind)
    if locked := _unreadable(output):
        raise SomaNetError(
            f"{locked} cannot be read, and could not be kept among new results. Make it readable, move it away, or "
            "choose another --output."
        )
    if recorded is None and not guard.replacing() and not _holds_others(output, kind):
        raise SomaNetError(
            f"{output} contains files other than {kind.what} ({listed(there)}), which could be overwritten. Choose a "
            "new or empty folder for --output; or give --replace, which keeps what is there and adds the results."
        )
    known = set(unchanged_in(output, recorded or {}))
    names = {*(recorded or {}), *writes, kind.record}
    if read := [path for path in guard.inputs_in(output) if entry_in(path, output) in names]:
        raise SomaNetError(
            f"{read[0]} is an input, and new results would replace it. Choose another --output, or rename the file "
            "first."
        )
    for path in output.iterdir():
        if path.name in names:
            check_replaceable(path)
    changed = sorted(path.name for path in output.iterdir() if path.name in names - known - {kind.record})
    if changed and not guard.replacing():
        path = output / changed[0]
        if path.name not in (recorded or {}):
            why = "was not written by SomaNet"
        elif more := more_in(path):
            why = f"holds what SomaNet did not write ({more.relative_to(path)})"
        else:
            why = "was changed since SomaNet wrote it"
        raise SomaNetError(
            f"{path} {why}, and new results would replace it. Choose another --output; or give "
            "--replace, which keeps it as "
            f"{free_name(path, 'before').name}."
        )


def others_go_aside(output: Path, others: Sequence[str], what: str) -> bool:
    """Whether results of other inputs are in a folder, which the user lets go aside as a whole.

    Args:
        output: the folder.
        others: the names of what it has of other inputs, and the new results will not.
        what: what they are, in the plural.

    Raises:
        SomaNetError: there are some, and files may not be replaced.
    """
    if not others:
        return False
    if not guard.replacing():
        raise SomaNetError(
            f"{output} holds {what} of other inputs, which new ones would replace: {listed(others)}. Choose another "
            f"--output; or give --replace, which keeps that folder as {free_name(output, 'before').name}."
        )
    return True


@contextmanager
def result_folder(output: Path, kind: Kind, *, writes: Collection[str] = (), aside: bool = False) -> Iterator[Path]:
    """Yield a folder to write results into; when the block succeeds, it replaces ``output`` in one step.

    The block writes the record last, with :func:`hashes_of`. If it fails, nothing changes.

    Args:
        output, kind, writes, aside: as for :func:`check_results`. What goes aside is renamed first, so that a kill
            between the two steps leaves it whole, as `NAME.before`.

    Raises:
        SomaNetError: as for :func:`check_results`, or the folder cannot be written.
    """
    check_results(output, kind, writes=writes, aside=aside)
    place = Path(os.path.realpath(output))
    make_folder(place.parent)
    whole = not place.is_dir() or (not kind.around and _can_be_swapped(place))
    if whole:
        remove_leftovers(place.parent)
    folder = temporary_path(place if whole else place / "results")
    try:
        make_folder(folder)
        yield folder
        for path in folder.iterdir():
            if path.name[0] == ".":
                remove(path)  # records of this run's own writing
        try:
            if aside and place.is_dir():
                _set_aside(folder, place)
            else:
                (_take_place if whole else exchange_files)(folder, place, kind)
        except OSError as error:
            raise explain(error, output) from error
    except SomaNetError as error:  # of a file inside: the user knows the folder by its own name
        raise SomaNetError(str(error).replace(str(folder), str(output))) from error
    finally:
        remove(folder)


def _set_aside(folder: Path, place: Path) -> None:
    """Rename a folder with all that is in it, and give its place to new results."""
    shutil.copymode(place, folder)
    kept = place.rename(free_name(place, "before"))
    try:
        replace_folder(folder, place)
    except OSError:
        kept.rename(place)
        raise
    guard.keep(kept)


def _take_place(folder: Path, place: Path, kind: Kind) -> None:
    """Swap old results for new; other files of the old folder are in both throughout the swap."""
    if not place.is_dir():
        replace_folder(folder, place)
        return
    shutil.copymode(place, folder)
    new = {path.name for path in folder.iterdir()}
    known = unchanged_in(place, recorded_in(place, kind) or {})
    kept = _carry(place, folder, new, known, kind)
    old = replace_folder(folder, place)
    if old is None:
        return
    for name, state in known.items():  # what was corrected after it was found to be as SomaNet wrote it
        if (old / name).exists() and state_of(old / name) != state:
            (old / name).rename(guard.keep(free_name(place / name, "before")))
    for name, there in kept.items():  # what was saved there in the meantime
        if (old / name).exists() and state_of(old / name) != state_of(place / there):
            remove(place / there)
            (old / name).rename(place / there)
    recorded = recorded_names(old, kind)
    for path in sorted(old.iterdir()):
        if path.name in kept or (place / path.name).exists():
            continue
        if path.name in recorded:
            guard.drop(place / path.name)
        else:
            path.rename(place / path.name)
    remove(old)


def _check_can_go(output: Path) -> None:
    """Refuse to keep a folder under another name if it has an input, or cannot be renamed."""
    if read := guard.inputs_in(output):
        raise SomaNetError(
            f"{read[0]} is an input, and lies in {output}, which would be kept under another name. Choose another "
            "--output."
        )
    if not _can_be_swapped(Path(os.path.realpath(output))):
        raise SomaNetError(
            f"{output} cannot be kept under another name: it is the current folder or around it, a disk is mounted "
            "there, or it or the folder around it is another user's. Choose another --output."
        )


def _holds_others(output: Path, kind: Kind) -> bool:
    """Whether the folders inside have the results that this kind lies around."""
    return bool(kind.around) and any(path.parent != output for path in output.rglob(kind.around))


def _can_be_swapped(place: Path) -> bool:
    """Whether a folder can be swapped: no mount points, current folder, locked parent or files of other users."""
    here = Path(os.path.realpath(Path.cwd()))
    if place == here or place in here.parents or not os.access(place.parent, os.W_OK) or holds_mounts(place):
        return False
    me = os.getuid() if hasattr(os, "getuid") else 0
    return me == 0 or all(path.lstat().st_uid == me for path in place.rglob("*"))


def _carry(place: Path, folder: Path, new: Collection[str], known: Collection[str], kind: Kind) -> dict[str, str]:
    """Link what a person keeps among results into the folder of new ones; gives its names there and here."""
    recorded = recorded_in(place, kind) or {}
    kept = {}
    for path in place.iterdir():
        if path.name in known or path.name == kind.record:
            continue
        target = folder / path.name
        if path.name in recorded or path.name in new:
            target = folder / guard.keep(free_name(path, "before")).name
        _link(path, target)
        kept[path.name] = target.name
    return kept


def _link(source: Path, target: Path) -> None:
    """Put the same content under another name, without a copy if the file system supports it."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir()
        shutil.copymode(source, target)
        for path in source.iterdir():
            _link(path, target / path.name)
    else:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, target)


def _unreadable(output: Path) -> Path | None:
    """An entry of a folder of results that cannot be linked or copied, such as another user's private file."""
    if hasattr(os, "getuid") and os.getuid() != 0:
        for path in output.rglob("*"):
            if path.is_file() and path.stat().st_uid != os.getuid() and not os.access(path, os.R_OK):
                return path
    return None
