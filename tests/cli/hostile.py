"""Broken and hostile files, made in a few hundred bytes, and a process of limited memory and time for a command."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import struct
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import zarr

from somanet import cli
from somanet.io.images import encode_png
from tests.worlds import TWO_SOMAS, draw, photograph

MEMORY_BYTES = 2 << 30
SECONDS = 20
"""Of processor time, so that a busy machine fails no test."""
LONGEST_WAIT_S = 120
COSTLY = (
    *("imagecodecs", "onnx", "onnxruntime", "pandas", "segmentation_models_pytorch", "skimage.measure"),
    *("somanet.analysis.movie", "somanet.analysis.network", "somanet.segmentation.engines.graph"),
    *("somanet.segmentation.inference.video", "somanet.tracking.formats"),
)
"""What commands import where they need it; in a fork of a process that has it, it costs nothing."""
T, Y, X = 3, 64, 96
LABELS = draw(TWO_SOMAS)
IMAGE = photograph(LABELS)
FRAMES = np.stack([IMAGE] * T)


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


@cache
def preload() -> None:
    """Import what is costly once for all processes."""
    for name in COSTLY:
        importlib.import_module(name)


def run_limited(command: list[str], cwd: Path) -> Outcome:
    """The command line in a process of its own, as :func:`limited`."""
    preload()

    def work() -> None:
        sys.argv = ["somanet", *command]
        cli.main()

    return limited(work, cwd)


def limited(work: Callable[[], object], cwd: Path, *, seconds: float = LONGEST_WAIT_S) -> Outcome:
    """Run a function in a forked process with limited memory and time.

    Returns:
        Its exit status: 70 for an exception, -1 if it was killed for its time; and what it printed.
    """
    out, err = (Path(f"{cwd}.{name}") for name in ("stdout", "stderr"))
    child = os.fork()
    if not child:
        code = 70
        try:
            for path, stream in ((out, 1), (err, 2)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
            sys.stdout, sys.stderr = (os.fdopen(stream, "w", closefd=False, encoding="utf-8") for stream in (1, 2))
            torch.set_num_threads(1)
            warnings.resetwarnings()  # as in a user's terminal
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES,) * 2)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            os.chdir(cwd)
            try:
                work()
                code = 0
            except SystemExit as ended:
                if isinstance(ended.code, str):
                    print(ended.code, file=sys.stderr)
                code = 1 if isinstance(ended.code, str) else int(ended.code or 0)
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Outcome(-1, "", f"no end after {seconds} s")
        time.sleep(0.02)
    words = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
    return Outcome(os.waitstatus_to_exitcode(status), *words)


# What is made


def tiff_pages(*pages: dict[int, tuple[int, list[int] | bytes]], big: bool = False) -> bytes:
    """A TIFF of bare directories: tag → (type, values); bytes are text. Long values lie behind their directory."""
    word, count, entry = ("<Q", "<Q", 20) if big else ("<I", "<H", 12)
    data = b"II+\0" + struct.pack("<HHQ", 8, 0, 16) if big else b"II*\0" + struct.pack("<I", 8)
    letters = {2: "s", 3: "H", 4: "I", 5: "I", 16: "Q"}
    for number, tags in enumerate(pages):
        start = len(data)
        after = start + struct.calcsize(count) + entry * len(tags) + struct.calcsize(word)
        table, behind = b"", b""
        for tag, (kind, values) in sorted(tags.items()):
            raw = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{letters[kind]}", *values)
            n = len(raw) if kind == 2 else len(values) // (2 if kind == 5 else 1)
            if len(raw) > struct.calcsize(word):
                field = struct.pack(word, after + len(behind))
                behind += raw + b"\0" * (len(raw) % 2)
            else:
                field = raw.ljust(struct.calcsize(word), b"\0")
            table += struct.pack("<HH", tag, kind) + struct.pack(word, n) + field
        following = after + len(behind) if number < len(pages) - 1 else 0
        data += struct.pack(count, len(tags)) + table + struct.pack(word, following) + behind
    return data


def page(height: int = Y, width: int = X, *, compression: int = 8, **more: tuple) -> dict[int, tuple]:
    """The directory of a grey 8-bit page whose one strip is 20 bytes at byte 8."""
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [8]), 259: (3, [compression]), 262: (3, [1])}
    tags |= {273: (4, [8]), 277: (3, [1]), 278: (4, [height]), 279: (4, [20])}
    return tags | {int(tag.removeprefix("t")): value for tag, value in more.items()}


def ome(**sizes: object) -> bytes:
    given = {"DimensionOrder": "XYZCT", "Type": "uint8", "SizeX": X, "SizeY": Y, "SizeZ": 1, "SizeC": 1, "SizeT": 1}
    words = " ".join(f'{name}="{value}"' for name, value in (given | sizes).items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" {words}><TiffData/></Pixels></Image></OME>\0'
    ).encode()


def png_bomb(height: int, width: int) -> bytes:
    """A PNG of a few kilobytes that declares a size it does not hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def png_text_bomb() -> bytes:
    """A sound PNG with a compressed text of 200 MB."""
    data = encode_png(IMAGE, "a.png")
    text = b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    return data[:33] + chunk + data[33:]


def jpeg(height: int, width: int) -> bytes:
    """A JPEG of one scan without data."""
    frame = struct.pack(">HBHHBBBB", 11, 8, height, width, 1, 1, 0x11, 0)
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + bytes(20) + b"\xff\xd9"


def zarr_array(folder: Path, **changes: object) -> Path:
    zarr.create_array(str(folder), shape=(T, Y, X), chunks=(1, Y, X), dtype="uint8", zarr_format=2)
    metadata = json.loads((folder / ".zarray").read_text(encoding="utf-8"))
    (folder / ".zarray").write_text(json.dumps(metadata | changes))
    return folder


def trackmate(spot: str = "", head: str = "", edge: str = "", image: str = 'pixelwidth="1"') -> str:
    spots = "".join(
        f'<Spot ID="{i}" FRAME="{i}" POSITION_X="1" POSITION_Y="2" name="s"/>' for i in range(1 if spot else 0, 3)
    )
    return (
        f'<?xml version="1.0"?>{head}<TrackMate version="7"><Model spatialunits="um"><AllSpots>{spot}{spots}</AllSpots>'
        f'<AllTracks><Track TRACK_ID="1"><Edge SPOT_SOURCE_ID="0" SPOT_TARGET_ID="1"/>{edge}</Track></AllTracks>'
        f"</Model><Settings><ImageData {image}/></Settings></TrackMate>"
    )


LAUGHS = "<!DOCTYPE z [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 10)
) + "]>"  # fmt: skip
ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
TRACKS = "track_id,frame,y_px,x_px\n1,0,5,6\n1,1,6,7\n"
METRICS = {
    **dict.fromkeys(("iou", "precision", "recall", "f1", "accuracy", "mean_ap", "size_bias", "noise_per_image"), 0.5),
    "n_images": 3,
    "interval95": {"iou": [0.4, 0.6]},
    "interior": {"iou": 0.5, "interval95": {}},
}
