"""Changes to zip archives: declared sizes, names, methods, links and bombs."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from random import Random

from tests.robustness.mutators.base import INTEGERS, WORDS, Unfit

LOCAL = (("version", 4, 2), ("flags", 6, 2), ("method", 8, 2), ("crc", 14, 4), ("packed", 18, 4), ("size", 22, 4),
         ("name", 26, 2), ("extra", 28, 2))  # fmt: skip
CENTRAL = (("version", 6, 2), ("flags", 8, 2), ("method", 10, 2), ("crc", 16, 4), ("packed", 20, 4), ("size", 24, 4),
           ("name", 28, 2), ("extra", 30, 2), ("comment", 32, 2), ("disk", 34, 2), ("attributes", 38, 4), ("offset",
           42, 4))  # fmt: skip
END = (("disk", 4, 2), ("entries", 8, 2), ("total", 10, 2), ("size", 12, 4), ("offset", 16, 4), ("comment", 20, 2))


def field(path: Path, rng: Random) -> None:
    """A number in a header: sizes, method, flags (encrypted), offsets, lengths of names."""
    data = bytearray(path.read_bytes())
    mark, fields = rng.choice(((b"PK\x03\x04", LOCAL), (b"PK\x01\x02", CENTRAL), (b"PK\x05\x06", END)))
    places = [at for at in range(len(data) - 4) if data[at : at + 4] == mark]
    if not places:
        raise Unfit
    at = rng.choice(places)
    _, offset, size = rng.choice(fields)
    value = rng.choice((*INTEGERS, 8, 9, 12, 14, 93, 99, len(data))) & (256**size - 1)
    data[at + offset : at + offset + size] = value.to_bytes(size, "little")
    path.write_bytes(data)


def _entries(path: Path) -> list[tuple[zipfile.ZipInfo, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [(info, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unfit from error


def _write(path: Path, entries: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for info, data in entries:
            archive.writestr(info, data)


def entry(path: Path, rng: Random) -> None:
    """An entry has another name, becomes a link, is doubled, gone or replaced."""
    entries = _entries(path)
    if not entries:
        raise Unfit
    n = rng.randrange(len(entries))
    info, data = entries[n]
    how = rng.randrange(6)
    new = zipfile.ZipInfo(info.filename)
    if how == 0:
        name = rng.choice(("../x.png", "/tmp/x.png", "..\\x.png", "a/" * 200 + "x.png", "x" * 300 + ".png", "a\x00b",
        "C:/x", "./x", "//x",
                           info.filename.upper(), info.filename + "/", "é.png", "\x1b[2J.png", "a\nb/images/a\nb.png",
                           *(word for word in WORDS if word and "\ud800" not in word)))  # fmt: skip
        new.filename = name
        entries[n] = (new, data)
    elif how == 1:
        new.external_attr = (stat.S_IFLNK | 0o777) << 16
        entries[n] = (new, rng.choice((b"/etc/passwd", b"../../..", b"images")))
    elif how == 2:
        entries.append((new, data))
    elif how == 3:
        del entries[n]
    elif how == 4:
        entries[n] = (new, rng.choice(entries)[1])
    else:
        entries[n] = (new, b"")
    _write(path, entries)


def bomb(path: Path, rng: Random) -> None:
    """Much from little: zeros, very many entries, a zip in a zip, a wrong end."""
    how = rng.randrange(4)
    if how == 0:
        entries = _entries(path)
        n = rng.randrange(len(entries) or 1)
        entries[n] = (entries[n][0], bytes(rng.choice((1 << 27, 1 << 20))))
        _write(path, entries)
    elif how == 1:
        _write(path, [(zipfile.ZipInfo(f"i{i}/images/i{i}.png"), b"") for i in range(20_000)])
    elif how == 2:
        inner = io.BytesIO(path.read_bytes())
        _write(path, [(zipfile.ZipInfo("set.zip"), inner.getvalue())])
    else:
        data = path.read_bytes()
        path.write_bytes(data + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0))
