"""The differences between two recordings, one line for each file, column, tensor or key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from tools.same_numbers.recording import FILES, NUMBERS, fail
from tools.same_numbers.values import Values, describe, distance, read_parts

AS_ONE = (".safetensors", ".zip")
"""Files with so many parts that all changed ones share a line."""

Hashes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class OutputDifference:
    """One difference: the file, the part of it unless it is the whole file, and how it changed."""

    file: str
    part: str | None
    text: str

    @property
    def place(self) -> str:
        """File and part, in the form that an exception names."""
        return self.file if self.part is None else f"{self.file}:{self.part}"

    def matches(self, pattern: str) -> bool:
        """Whether a pattern such as `movies/*/migration.csv:turn_*` matches; without a part it means the whole file."""
        return fnmatchcase(self.place, pattern) or fnmatchcase(self.file, pattern)


@dataclass(frozen=True)
class RecordedNumbers:
    """A recording read from disk."""

    folder: Path
    about: Mapping[str, Any]
    left_out: tuple[str, ...]
    files: Hashes

    def values(self, file: str) -> dict[str, Values] | None:
        """The numbers themselves, if the recording still has the file."""
        path = self.folder / FILES / file
        return read_parts(path) if path.is_file() else None


def read_numbers(folder: Path) -> RecordedNumbers:
    """Read a recording."""
    try:
        content = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        return RecordedNumbers(folder, content["about"], tuple(content["left_out"]), content["files"])
    except (OSError, ValueError, KeyError) as error:
        fail(f"{folder} holds no {NUMBERS} that can be read ({error}). `record` writes it.")


def differences(before: RecordedNumbers, after: RecordedNumbers) -> Iterator[OutputDifference]:
    """Every difference, sorted by file name."""
    for file in sorted({*before.files, *after.files}):
        if file not in after.files:
            place = _same_file(before.files[file], before.files, after.files)
            yield OutputDifference(file, None, _missing(place))
        elif file not in before.files:
            yield OutputDifference(file, None, "an extra file")
        else:
            yield from _in_file(file, before, after)


def _in_file(file: str, before: RecordedNumbers, after: RecordedNumbers) -> Iterator[OutputDifference]:
    old, new = before.files[file]["parts"], after.files[file]["parts"]
    changed = [part for part in old if part in new and old[part] != new[part]]
    for part in old:
        if part not in new:
            yield OutputDifference(file, part, _missing(_same_part(file, part, before.files, after.files)))
    for part in new:
        if part not in old:
            yield OutputDifference(file, part, "extra")
    if not changed:
        if old == new and before.files[file]["bytes"] != after.files[file]["bytes"]:
            yield OutputDifference(file, None, "the same numbers in other bytes: order, format or metadata")
        return
    values = before.values(file), after.values(file)
    if PurePosixPath(file).suffix in AS_ONE:
        yield OutputDifference(file, None, f"{len(changed)} of {len(old)} parts differ{_most(changed, *values)}")
        return
    for part in changed:
        yield OutputDifference(file, part, _how_far(part, *values))


def _missing(now: str | None) -> str:
    return "missing" if now is None else f"missing; the same numbers are now in {now}"


def _how_far(part: str, before: Mapping[str, Values] | None, after: Mapping[str, Values] | None) -> str:
    if before is None or after is None:
        return "differs; by how much is unknown without the files of both recordings"
    return describe(before[part], after[part])


def _most(changed: list[str], before: Mapping[str, Values] | None, after: Mapping[str, Values] | None) -> str:
    """The part that changed most."""
    if before is None or after is None:
        return ""
    apart = {
        part: float(distance(before[part], after[part]).max(initial=0.0))
        for part in changed
        if before[part].shape == after[part].shape
    }
    part = max(apart, key=lambda name: apart[name]) if apart else changed[0]
    return f", most of all {part}: {describe(before[part], after[part])}"


def _same_file(lost: Mapping[str, Any], before: Hashes, after: Hashes) -> str | None:
    """The new file that has the numbers of a missing one, if any."""
    same = (file for file, now in after.items() if file not in before and now["parts"] == lost["parts"])
    return next(same, None) if lost["parts"] else None


def _same_part(file: str, part: str, before: Hashes, after: Hashes) -> str | None:
    """Where the values of a missing part are now: under the same name in another file of the folder, or renamed."""
    lost, folder = before[file]["parts"][part], PurePosixPath(file).parent
    for other, now in after.items():
        old = before.get(other, {"parts": {}})["parts"]
        if PurePosixPath(other).parent == folder and part not in old and now["parts"].get(part) == lost:
            return other
    renamed = [
        name for name, value in after[file]["parts"].items() if value == lost and name not in before[file]["parts"]
    ]
    return f"{file}:{renamed[0]}" if len(renamed) == 1 else None
