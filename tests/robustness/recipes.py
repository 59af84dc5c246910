"""A recipe says which input is made and given to which command: drawn from a seed and an index, or read from a text."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.robustness import mutators
from tests.robustness.commands import COMMANDS
from tests.robustness.mutators import Unfit
from tests.robustness.mutators.base import NUMBERS, WORDS

OPTIONS = "options"
"""In place of a slot: the command line itself is what is mutated."""
_TEXT = re.compile(r"(?P<command>[a-z -]+?) \((?P<kinds>[^)]*)\)(?P<prior> over old results)?: (?P<changes>.*)")


@dataclass(frozen=True)
class Change:
    """One mutation.

    Attributes:
        slot: the input that is changed, or :data:`OPTIONS`.
        inside: the file in it, by its relative name; "" for itself.
        mutator: its name.
        number: decides what it draws.
    """

    slot: str
    inside: str
    mutator: str
    number: int

    def __str__(self) -> str:
        return f"{self.slot}{'/' if self.inside else ''}{self.inside} {self.mutator} {self.number}"


@dataclass(frozen=True)
class Recipe:
    """What is run.

    Attributes:
        command: a key of :data:`tests.robustness.commands.COMMANDS`.
        kinds: the kind of input in each slot.
        changes: what is done to the inputs, in this order.
        prior: results of an earlier run lie at the output.
    """

    command: str
    kinds: Mapping[str, str]
    changes: tuple[Change, ...] = ()
    prior: bool = False

    def __str__(self) -> str:
        kinds = ", ".join(f"{slot} {kind}" for slot, kind in self.kinds.items())
        over = " over old results" if self.prior else ""
        return f"{self.command} ({kinds}){over}: {'; '.join(map(str, self.changes))}"


def parse(text: str) -> Recipe:
    """The recipe whose text that is.

    Raises:
        ValueError: it is none.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None or found["command"] not in COMMANDS:
        raise ValueError(f"not a recipe: {text!r}")
    kinds = dict(pair.split(" ") for pair in found["kinds"].split(", ") if pair)
    changes = []
    for change in found["changes"].split("; ") if found["changes"] else ():
        place, mutator, number = change.rsplit(" ", 2)
        slot, _, inside = place.partition("/")
        changes.append(Change(slot, inside, mutator, int(number)))
    return Recipe(found["command"], kinds, tuple(changes), bool(found["prior"]))


def draw(seed: int, index: int, seeds: Path, commands: Collection[str] = COMMANDS.keys()) -> Recipe:
    """The recipe with that number.

    Args:
        seed: of the campaign.
        index: of the input in it.
        seeds: folder of the valid inputs.
        commands: of which to draw.
    """
    rng = Random(f"{seed}:{index}")
    drawn = {name: command for name, command in COMMANDS.items() if name in commands}
    name = rng.choices(list(drawn), [command.weight for command in drawn.values()])[0]
    command = COMMANDS[name]
    kinds = {slot: rng.choice(choices) for slot, choices in command.slots.items()}
    changes: list[Change] = []
    while len(changes) < rng.choice((1, 1, 1, 1, 2)) or not changes:
        changes.append(_change(rng, command.options, kinds, seeds))
    return Recipe(name, kinds, tuple(changes), bool(command.prior) and rng.random() < 0.25)


LARGEST_BYTES = 16 << 20
"""Of a file that is changed further: a change reads it whole, into the process from which all commands are forked."""


def _change(rng: Random, options: tuple[str, ...], kinds: Mapping[str, str], seeds: Path) -> Change:
    number = rng.randrange(10**6)
    if options and (not kinds or rng.random() < 0.08):
        return Change(OPTIONS, "", "option", number)
    slot = rng.choice(list(kinds))
    root = seed_path(seeds, kinds[slot])
    inside = ""
    if root.is_dir() and rng.random() < 0.9:
        below = {lasting_name(path.relative_to(root)): path for path in sorted(root.rglob("*"))}
        files = sorted(name for name, path in below.items() if path.is_file())
        # Each kind of file is as likely as another: one config.json among a hundred chunks is what decides.
        suffixes = sorted({_kind(name) for name in files})
        suffix = rng.choice(suffixes)
        inside = rng.choice([name for name in files if _kind(name) == suffix])
        if rng.random() < 0.1:
            inside = rng.choice(sorted(name for name, path in below.items() if path.is_dir()) or [inside])
    groups = mutators.fitting(find(root, inside))
    group = rng.choices(groups, [3 if n == 0 else 1 for n in range(len(groups))])[0]
    return Change(slot, inside, rng.choice(sorted(group)), number)


def _kind(name: str) -> str:
    return Path(name).suffix or Path(name).name


def lasting_name(path: Path) -> str:
    """A relative path with `*` for ids and times of runs, which differ each time that the inputs are made."""
    return re.sub(r"(?<![^/_.-])(?=[0-9a-f]*[0-9])[0-9a-f]{8,}(?![^/_.-])", "*", path.as_posix())


def find(root: Path, inside: str) -> Path:
    """The first path with that lasting name; one that does not exist if there is none."""
    if not inside:
        return root
    if "*" not in inside:
        return root / inside
    return next(
        (path for path in sorted(root.rglob("*")) if lasting_name(path.relative_to(root)) == inside), root / inside
    )


def seed_path(seeds: Path, kind: str) -> Path:
    """The only entry of a kind's folder."""
    [path] = (seeds / kind).iterdir()
    return path


def apply(change: Change, root: Path) -> Path:
    """Change an input; returns its path, which may be new.

    A change that does not fit the input, since an earlier one left nothing of it, becomes one that fits any file.
    """
    target = find(root, change.inside)
    if not (_is(target, stat.S_ISREG) or _is(target, stat.S_ISDIR)):
        return root  # an earlier change made it a pipe, a device or a link to nowhere: nothing to read, nothing to add
    if _is(target, stat.S_ISREG) and target.stat().st_size > LARGEST_BYTES:
        return root  # an earlier change made it so
    try:
        renamed = mutators.ALL[change.mutator](target, Random(change.number))
    except (Unfit, OSError):
        with contextlib.suppress(Unfit, OSError):
            mutators.ALL["bits"](target, Random(change.number))
        return root
    return renamed if renamed is not None and not change.inside else root


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.stat().st_mode)
    except OSError:
        return False


def option(command: str, number: int) -> list[str]:
    """An option of a command with a value that it may not expect."""
    rng = Random(number)
    choices = COMMANDS[command].options
    values = [word for word in (*NUMBERS, *WORDS, "-5", "1e300", "1000000") if "\x00" not in word and len(word) < 1000]
    words = rng.choice(choices).split(" ")
    value = rng.choice(values)
    return [
        os.fsdecode(word.replace("#", value).encode("utf-8", "surrogatepass")) if "#" in word else word
        for word in words
    ]
