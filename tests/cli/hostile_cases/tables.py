"""Tables and tracks."""

from __future__ import annotations

import json
from pathlib import Path

from somanet.io.images import write_labels
from tests.cli.hostile import (
    LABELS,
    LAUGHS,
    TRACKS,
    trackmate,
)
from tests.cli.hostile_cases.base import CONVERT, Cases, case, file

CASES: Cases = {}

for kind, name, content, words in (
    ("a table of frame 10⁷", "t.csv", TRACKS + "1,10000000,1,1\n", "SOMANET_MAX_FRAMES=10000001"),
    ("a table of frame 10¹⁸", "t.csv", TRACKS + "1,1000000000000000000,1,1\n", r"t\.csv"),
    ("a table of frame 1e300", "t.csv", TRACKS + "1,1e300,1,1\n", r"t\.csv, line 4: expected a whole number"),
    ("a table of frame inf", "t.csv", TRACKS + "1,inf,1,1\n", r"t\.csv"),
    ("a table of 10⁵ columns", "t.csv", ",".join(f"c{i}" for i in range(10**5)) + "\n", "TABLE_COLUMNS=100000"),
    ("a table with a line of 100 MB", "t.csv", TRACKS + "1,2,3," + "9" * 10**8, "LINE_BYTES"),
    ("a table with NUL bytes", "t.csv", TRACKS.encode() + bytes(9), r"t\.csv: .*NUL bytes"),
    ("a cut table in UTF-16", "t.csv", TRACKS.encode("utf-16")[:-1], r"t\.csv: .*UTF-16.*UTF-8"),
    ("a table with an open quote", "t.csv", TRACKS + '1,2,"3,4\n' * 9, r"t\.csv"),
    (
        "a table with a longer line",
        "t.csv",
        TRACKS + "1,2,3,4,5,6,7\n",
        r"t\.csv, line 4: expected 4 cells.* found 7 cells",
    ),
    ("a table of 4 million rows", "t.csv", TRACKS + "1\n" * 4_000_000, "TABLE_ROWS"),
    ("an empty table", "t.csv", "", r"t\.csv: .*empty file"),
    (
        "TrackMate with a frame inf",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="inf" POSITION_X="1" POSITION_Y="1"/>'),
        r"t\.xml",
    ),
    (
        "TrackMate with a frame nan",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="nan" POSITION_X="1" POSITION_Y="1"/>'),
        r"t\.xml",
    ),
    (
        "TrackMate with a frame of 10⁹",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="1e9" POSITION_X="1" POSITION_Y="1"/>'),
        "SOMANET_MAX_FRAMES",
    ),
    (
        "TrackMate with a position nan",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="0" POSITION_X="nan" POSITION_Y="1"/>'),
        r"t\.xml",
    ),
    (
        "TrackMate with an id of 5000 digits",
        "t.xml",
        trackmate(f'<Spot ID="{"9" * 5000}" FRAME="0" POSITION_X="1"/>'),
        r"t\.xml",
    ),
    ("TrackMate with a pixel of x µm", "t.xml", trackmate(image='pixelwidth="x"'), r"t\.xml"),
    ("TrackMate that laughs", "t.xml", trackmate("&a9;", head=LAUGHS), r"t\.xml: the XML defines a document type"),
    (
        "TrackMate with a foreign file as entity",
        "t.xml",
        trackmate(head='<!DOCTYPE z [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        r"t\.xml: the XML defines a document type",
    ),
    ("TrackMate nested 10⁵ deep", "t.xml", "<TrackMate>" + "<a>" * 10**5, "NESTING"),
    ("an XML file of NUL bytes", "t.xml", b"<" + bytes(99), r"t\.xml"),
):
    CASES[kind] = file(name, content), CONVERT.format(name), words
for kind, text, words in (
    ("a CTC table up to frame 10⁸", "1 0 100000000 0\n", "label 1 extends from frame 0 to 100000000, but the masks"),
    ("a CTC table of 5000 digits", f"1 0 {'9' * 5000} 0\n", r"res_track\.txt, line 1"),
    ("a CTC table of NUL bytes", "\0" * 9, r"res_track\.txt"),
):

    def _(folder: Path, text: str = text) -> None:
        write_labels(folder / "ctc" / "mask000.tif", LABELS)
        (folder / "ctc" / "res_track.txt").write_text(text)

    CASES[kind] = _, CONVERT.format("ctc"), words


@case(CASES, "a CTC mask whose number has 5000 digits, cut by the file system", CONVERT.format("ctc"), "mask000")
def _(folder: Path) -> None:
    write_labels(folder / "ctc" / f"mask{'0' * 200}1.tif", LABELS)
    (folder / "ctc" / "res_track.txt").write_text("1 0 0 0\n")


@case(CASES, "a GEFF of 10¹² nodes", CONVERT.format("t.geff"), "SOMANET_MAX_TABLE_ROWS=1000000000000")
def _(folder: Path) -> None:
    (folder / "t.geff" / "nodes" / "ids").mkdir(parents=True)
    (folder / "t.geff" / "zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "group", "attributes": {"geff": {"geff_version": "1.1"}}}'
    )
    array = {"zarr_format": 3, "node_type": "array", "shape": [10**12], "data_type": "uint64", "fill_value": 0}
    array |= {
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**6]}},
        "codecs": [{"name": "bytes"}],
    }
    (folder / "t.geff" / "nodes" / "ids" / "zarr.json").write_text(json.dumps(array))


MEASURE = "tracks measure t.csv --frame-interval-min 10 --pixel-size-um 1 --output results"
FAR = "track,frame,y_um,x_um\n" + "".join(f"{track},{t},{t % 7},{track}\n" for track in (1, 2) for t in (0, 1, 99_999))
GIANT = "track,frame,y_um,x_um\n" + "".join(
    f"{track},{t},{1e-8 * (7 * t * t % 11):.9f},{4e5 * (track == 2 and t > 5)}\n"
    for track in (1, 2, 3)
    for t in range(14)
)
for kind, content in (
    ("tracks of two frames, and of one 100,000 frames later", FAR),
    ("tracks at rest, and a step of 40 cm", GIANT),
):
    CASES[kind] = file("t.csv", content), MEASURE, ""
