"""Changes to what a path is: links, pipes, folders, permissions, names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from tests.robustness.mutators.base import Unfit

NAMES = ("a\nb", "a\x1b[31mb", "a b", "é", "e\u0301", os.fsdecode(b"\xff\xfe"), "x" * 240, "-rf", "--output", "a|b",
         "`a`", "<b>a", "%s",
         "{0}", "$(touch x)", "a;b", "'", '"', "\u202egpj", "CON", "a.", " ", "~", "*", "a\\b", "=1+1", "NUL", "\x7f",
         "👩‍🔬")  # fmt: skip


def _gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def fifo(path: Path, rng: Random) -> None:
    """A pipe that no one writes into."""
    _gone(path)
    os.mkfifo(path)


def folder_instead(path: Path, rng: Random) -> None:
    _gone(path)
    path.mkdir()


def file_instead(path: Path, rng: Random) -> None:
    _gone(path)
    path.write_bytes(rng.choice((b"", b"x", b"{}")))


def loop(path: Path, rng: Random) -> None:
    """A link to itself."""
    _gone(path)
    path.symlink_to(path.name)


def dangling(path: Path, rng: Random) -> None:
    _gone(path)
    path.symlink_to("nowhere")


def device(path: Path, rng: Random) -> None:
    """A file without end, or one that is always empty."""
    _gone(path)
    path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/dev/full")))


def unreadable(path: Path, rng: Random) -> None:
    path.chmod(rng.choice((0o000, 0o200, 0o444) if path.is_dir() else (0o000, 0o200)))


def rename(path: Path, rng: Random) -> Path:
    """Another name, with the suffix or without it."""
    new = path.with_name(rng.choice(NAMES) + (path.suffix if rng.random() < 0.7 else ""))
    path.rename(new)
    return new


def remove(path: Path, rng: Random) -> None:
    _gone(path)


def emptied(path: Path, rng: Random) -> None:
    _gone(path)
    path.mkdir()


def cycle(path: Path, rng: Random) -> None:
    """A link to a folder that holds it."""
    (path / rng.choice(("again", "images", "z.tif"))).unlink(missing_ok=True) if (path / "again").is_symlink() else None
    new = path / rng.choice(("again", "again.tif", "again.zarr"))
    if new.exists():
        raise Unfit
    new.symlink_to(rng.choice((".", "..", path.resolve())))


def deep(path: Path, rng: Random) -> None:
    """Folders in folders, down to the longest path."""
    here = path
    for _ in range(rng.choice((50, 500))):
        here = here / "deeper"
    if len(os.fsencode(here)) > 4000:
        here = Path(str(here)[:3900]).parent
    here.mkdir(parents=True)
    (here / "a.png").write_bytes(b"x")


def hostile_file(path: Path, rng: Random) -> None:
    """Something else lies beside what is expected."""
    name = rng.choice(NAMES) + rng.choice(("", ".tif", ".png", ".json", ".csv"))
    new = path / name
    if new.exists() or new.is_symlink():
        raise Unfit
    how = rng.randrange(5)
    if how == 0:
        os.mkfifo(new)
    elif how == 1:
        new.symlink_to("/dev/zero")
    elif how == 2:
        new.mkdir()
    elif how == 3:
        new.write_bytes(b"")
    else:
        new.symlink_to(name)
