"""Names and kinds of files."""

from __future__ import annotations

import os
import shutil

from tests.cli.hostile_cases.base import CONVERT, PREDICT, TRAIN, Cases, file

CASES: Cases = {}

for command in (
    PREDICT,
    CONVERT,
    "analyze {} --output out",
    "data check {}",
    "evaluate --predictions {} --truth set --output o.json",
):
    verb = command.split()[0]
    CASES[f"{verb}: a pipe"] = (lambda folder: os.mkfifo(folder / "p.tif")), command.format("p.tif"), r"p\.tif"
    CASES[f"{verb}: a link to itself"] = (
        (lambda folder: (folder / "l.tif").symlink_to("l.tif")),
        command.format("l.tif"),
        r"l\.tif",
    )
    CASES[f"{verb}: a name of 300 bytes"] = (lambda _folder: None), command.format("n" * 300 + ".tif"), "over 255 bytes"
    CASES[f"{verb}: a name that is not UTF-8"] = (
        (lambda folder: shutil.copy(folder / "good.png", os.fsdecode(bytes(folder) + b"/\xff.png"))),
        command.format(os.fsdecode(b"\xff.png")),
        "not UTF-8",
    )
CASES["a data set with links in a circle"] = (
    lambda folder: [(folder / "set" / f"l{i}").symlink_to("..") for i in range(3)],
    TRAIN,
    "a link leads back",
)
CASES["a data set with a pipe as image"] = (
    lambda folder: [(folder / "set/images/a.png").unlink(), os.mkfifo(folder / "set/images/a.png")],
    TRAIN,
    "is a device or a pipe",
)
CASES["a data set with a name that is not UTF-8"] = (
    lambda folder: shutil.copy(folder / "good.png", os.fsdecode(bytes(folder) + b"/set/images/\xff.png")),
    TRAIN,
    "not UTF-8",
)
CASES["a folder as a table"] = (lambda folder: (folder / "t.csv").mkdir()), CONVERT.format("t.csv"), r"t\.csv"
CASES["a folder as an image"] = (lambda folder: (folder / "t.png").mkdir()), PREDICT.format("t.png"), r"t\.png"
CASES["a file as a zarr"] = file("t.zarr", "x"), PREDICT.format("t.zarr"), r"t\.zarr"
CASES["a limit that is no number"] = (
    (lambda _folder: os.environ.update(SOMANET_MAX_IMAGE_PIXELS="x") or None),
    (PREDICT.format("good.png")),
    "SOMANET_MAX_IMAGE_PIXELS is 'x'",
)
