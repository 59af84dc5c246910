"""How a case is written: what makes its files, the command, and words of the message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Maker = Callable[[Path], object]
Cases = dict[str, tuple[Maker, str, str]]
"""Kind → what makes its files in a folder, the command, and words of the message; none where it may be accepted."""


def case(cases: Cases, kind: str, command: str, words: str) -> Callable[[Maker], Maker]:
    def add(maker: Maker) -> Maker:
        assert kind not in cases
        cases[kind] = maker, command, words
        return maker

    return add


def file(name: str, content: bytes | str) -> Maker:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


ANALYZE = "analyze m.tif --output out --pixel-size-um 1 --frame-interval-min 5"
PREDICT = "predict {} --output out"
CONVERT = "tracks convert {} out.csv --pixel-size-um 1 --frame-interval-min 5"
TRAIN = "train set --output net --set training.epochs=1 --set training.size_px=32"
