"""The tables of tracks that other programs write, as data: the next format is a line of :data:`TABLES`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from somanet.core.errors import SomaNetError
from somanet.io.sheets import Head, Sheet

MICROMETRES = {
    "µm": 1.0, "um": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometers": 1.0,
    "micrometre": 1.0, "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3,
}  # fmt: skip
"""µm in a unit, in the words of the programs."""
PIXELS = {"px", "pixel", "pixels"}
HOURS = {
    "h": 1.0, "hr": 1.0, "hour": 1.0, "hours": 1.0, "min": 1 / 60, "minute": 1 / 60, "minutes": 1 / 60, "s": 1 / 3600,
    "sec": 1 / 3600, "second": 1 / 3600, "seconds": 1 / 3600, "ms": 1 / 3.6e6, "msec": 1 / 3.6e6,
    "millisecond": 1 / 3.6e6, "d": 24.0, "day": 24.0, "days": 24.0,
}  # fmt: skip
"""Hours in a unit, in the words of the programs."""
FRAMES = {"frame", "frames"}

Names = str | tuple[str, ...]
"""A pattern that a column's name matches as a whole, in lower case and without its unit; or several columns that are
one id together."""


@dataclass(frozen=True)
class TableFormat:
    """One format.

    Attributes:
        kind: its name in SomaNet, for records and messages.
        program: who writes it.
        columns: role → the column or columns. Roles: ``track`` · ``frame`` (a whole number), ``time`` · ``y``, ``x``,
            ``z`` · ``y_um``, ``x_um`` (the same positions in µm) · ``node``, ``parent_node`` (ids of points) ·
            ``parent_track`` · ``unit``, ``time_unit`` (columns with the units of positions and times) · ``dummy`` (1
            where the program put a point without seeing a cell) · ``step_y``, ``step_x`` (displacement since the
            parent, in place of positions). A table of links has ``source_frame``, ``source_y``, …, ``target_x``
            instead.
        optional: further roles, used where the column is there.
        marks: further columns without which it is another format.
        length: unit of the positions if the file does not state it; "" if it cannot be known.
        time: unit of ``time`` if the file does not state it; "" if it cannot be known. Any table with frames may also
            have times, in a column ``t`` or ``time`` with its unit.
        first_frame: number of the first frame.
        header_rows: rows below the header that may hold names and units, before the first number.
        ordered: whether the columns must have the order in which they are listed here.
        block: text of the first cell of a row that begins the next track; the second cell is its id.
        gaps_empty: whether a point without a position is a frame in which the cell was not seen.
    """

    kind: str
    program: str
    columns: Mapping[str, Names]
    optional: Mapping[str, Names] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    length: str = "px"
    time: str = ""
    first_frame: int = 0
    header_rows: int = 0
    ordered: bool = False
    block: str = ""
    gaps_empty: bool = False


_NAMED_TRACK = "track[_ ]?id|track|tracking[_ ]?id"
_TRACK = f"{_NAMED_TRACK}|id|particle|cell|cell_id|label"
_TIME = "t|time"
_PLACES = {"y": "position[_ ]y", "x": "position[_ ]x"}
_UNITS = {"unit": "unit|(?:position|length|space)[_ ]?units?", "time_unit": "time[_ ]?units?"}
_TYX = {"track": "track_id", "frame": "t", "y": "y", "x": "x"}
_XY = {"y": "y", "x": "x"}
_POSITIONS = {"y": "position_y", "x": "position_x"}
CELLPROFILER_LABEL = r"(?:\w+_)?trackobjects_label(?:_\d+)?"
_CELLPROFILER: dict[str, Names] = {"track": CELLPROFILER_LABEL, "frame": "imagenumber"}
_CELLPROFILER_LINKS: dict[str, Names] = {
    "node": ("imagenumber", "objectnumber"),
    "parent_node": (
        r"(?:\w+_)?trackobjects_parentimagenumber(?:_\d+)?",
        r"(?:\w+_)?trackobjects_parentobjectnumber(?:_\d+)?",
    ),
}
_LINKS = {
    f"{end}_{role}": f"{end}_{name}"
    for end in ("source", "target")
    for role, name in (("frame", "frame"), ("y", "position_y"), ("x", "position_x"))
}

TABLES = (
    TableFormat("csv", "SomaNet", {"track": "track_id|track", "frame": "frame", "y": "y_px", "x": "x_px"}),
    TableFormat("micrometres", "a plain table in µm", {"track": _TRACK, "frame": "frame", "y": "y_um", "x": "x_um"},
                {"parent_track": "parent_id"}, length="um"),
    TableFormat("micrometres", "a plain table in µm, of times",
                {"track": _TRACK, "time": _TIME, "y": "y_um", "x": "x_um"}, {"parent_track": "parent_id"}, length="um"),
    TableFormat("pixels", "a plain table in px", {"track": _TRACK, "frame": "frame", "y": "y_px", "x": "x_px"},
                {"parent_track": "parent_id"}),
    TableFormat("pixels", "a plain table in px, of times",
                {"track": _TRACK, "time": _TIME, "y": "y_px", "x": "x_px"}, {"parent_track": "parent_id"}),
    TableFormat("trackmate-spots", "TrackMate, spots table",
                {"track": "track_id", "frame": "frame", **_POSITIONS}, {"time": "position_t", "z": "position_z"},
                marks=("quality|visibility|radius",), length="", header_rows=3),
    TableFormat("celldetective", "celldetective", {"track": "track_id", "frame": "frame", **_POSITIONS},
                {"y_um": "position_y_um", "x_um": "position_x_um", "parent_track": "parent", "dummy": "dummy"},
                marks=("class_id|position_x_um|class.*|generation",)),
    TableFormat("imaris", "Imaris, Position.csv",
                {"track": "trackid|track_?id", "frame": "time", "y": "position y", "x": "position x"},
                {"z": "position z", "unit": "unit"}, length="um", first_frame=1),
    TableFormat("ultrack", "ultrack, motile and napari's own lineages", _TYX,
                {"z": "z", "node": "id|node_id", "parent_node": "parent_id", "parent_track": "parent_track_id"},
                marks=("parent_id|parent_track_id",)),
    TableFormat("napari", "napari, tracks layer", _TYX, {"z": "z"}),
    TableFormat("btrack", "btrack", {"track": "id", "frame": "t", **_XY},
                {"z": "z", "parent_track": "parent", "dummy": "dummy"}, marks=("parent|root|generation",)),
    TableFormat("btrack", "btrack, for napari", {"track": "id", "frame": "t", **_XY}, ordered=True),
    TableFormat("trackpy", "trackpy", {"track": "particle", "frame": "frame", **_XY}, {"z": "z"}),
    TableFormat("laptrack", "LapTrack",
                {"track": "track_id", "frame": "frame", "y": "y|position_y|centroid-0", "x": "x|position_x|centroid-1"},
                {"z": "z|position_z"}, marks=("tree_id",)),
    TableFormat("laptrack-links", "LapTrack, links with positions", _LINKS, {"track": "track_id"}),
    TableFormat("mosaic", "MOSAIC Particle Tracker", {"track": "trajectory", "frame": "frame", **_XY}, {"z": "z"}),
    TableFormat("manual-tracking", "Fiji's Manual Tracking",
                {"track": "track ?(?:n.?|no|nr|#)", "frame": "slice ?(?:n.?|no|nr|#)", **_XY}, first_frame=1),
    TableFormat("cellprofiler", "CellProfiler, objects with Location_Center",
                {**_CELLPROFILER, "y": r"(?:\w+_)?location_center_y|(?:\w+_)?areashape_center_y",
                 "x": r"(?:\w+_)?location_center_x|(?:\w+_)?areashape_center_x"}, _CELLPROFILER_LINKS, first_frame=1),
    TableFormat("cellprofiler-steps", "CellProfiler, displacements only",
                {**_CELLPROFILER, **_CELLPROFILER_LINKS, "step_y": r"(?:\w+_)?trackobjects_trajectoryy(?:_\d+)?",
                 "step_x": r"(?:\w+_)?trackobjects_trajectoryx(?:_\d+)?"}, first_frame=1),
    TableFormat("cellmia", "CELLMIA",
                {"track": "id of track", "frame": "time index", "y": "cell row", "x": "cell col"}),
    TableFormat("icy", "ICY, track processor", {"frame": "t", "x": "x", "y": "y", "z": "z", "dummy": "virtual"},
                block="track #"),
    TableFormat("mtrackj", "MTrackJ",
                {"track": ("assembly", "cluster", "track"), "frame": "t", **_XY, "z": "z"}, marks=("channel",),
                first_frame=1),
    TableFormat("mtrackj", "MTrackJ, measured points",
                {"track": ("aid", "cid", "tid"), "frame": "t", **_XY}, {"z": "z"}, marks=("pid",), length="",
                first_frame=1),
    TableFormat("mtrackj", "MTrackJ, measured points",
                {"track": "tid", "frame": "t", **_XY}, {"z": "z"}, marks=("pid",), length="", first_frame=1),
    TableFormat("idtracker", "idtracker.ai, one row per animal and frame",
                {"track": "identity|animal|individual", "frame": "frame|frame_number", **_XY}, gaps_empty=True),
    TableFormat("idtracker", "idtracker.ai, one row per animal and time",
                {"track": "identity|animal|individual", "time": "time|seconds", **_XY}, time="s", gaps_empty=True),
    TableFormat("mia", "MIA (ModularImageAnalysis)",
                {"track": "parent_id // tracks", "frame": "timepoint", "y": r".*// y_centroid",
                 "x": r".*// x_centroid"},
                {"z": r".*// z_centroid"}),
    TableFormat("plain-frames", "a plain table of frames", {"track": _TRACK, "frame": "frame|t_stamp|slice", **_XY},
                {"z": "z", **_UNITS}, length=""),
    TableFormat("plain-frames", "a plain table of frames, with position_x",
                {"track": _NAMED_TRACK, "frame": "frame|t_stamp|slice", **_PLACES}, _UNITS, length=""),
    TableFormat("plain-times", "celltrackR, or a plain table of times", {"track": _TRACK, "time": _TIME, **_XY},
                {"z": "z", **_UNITS}, length=""),
    TableFormat("plain-times", "a plain table of times, with position_x",
                {"track": _NAMED_TRACK, "time": _TIME, **_PLACES}, _UNITS, length=""),
)  # fmt: skip
"""Every format, the more special ones first: the first that fits is it."""


CMSO = TableFormat("cmso", "a CMSO package, objects.csv",
                   {"node": "cmso_object_id", "frame": "cmso_frame_id", "y": "cmso_y_coord", "x": "cmso_x_coord"},
                   length="")  # fmt: skip
CMSO_LINKS = TableFormat("cmso-links", "a CMSO package, links.csv",
                         {"track": "cmso_link_id", "node": "cmso_object_id"})  # fmt: skip
"""The objects of a package whose links lie in another file: a folder, and so not among :data:`TABLES`."""


@dataclass(frozen=True)
class NoTracks:
    """A table that programs write beside tracks, or in their place: what is it, and what to name instead."""

    columns: tuple[str, ...]
    what: str
    instead: str


NO_TRACKS = (
    NoTracks(("spot_source_id", "spot_target_id"), "links between spots without their frames and positions",
             "Give the XML file, or the table of spots with TRACK_ID"),
    NoTracks(("number_spots|track_index", "track_duration|track_start"), "one row per track, without positions",
             "Give the XML file, or export the table of spots"),
    NoTracks(("label|id", "position_x", "position_y", "frame"), "spots without the track they belong to",
             "Export the spots that are in tracks, with TRACK_ID, or give the XML file"),
    NoTracks(("id", "frame", "position_x", "position_y"), "points without the track they belong to",
             "Add a column track_id, or give the file with the tracks"),
    NoTracks(("axis-0", "axis-1", "axis-2"), "points of a napari layer, without tracks",
             "Save the data of the tracks layer, not of a points layer"),
    NoTracks(("cmso_object_id|cmso_link_id|cmso_track_id",), "one table of a CMSO package",
             "Give the folder in which its objects.csv and links.csv lie"),
)  # fmt: skip

_UNIT = re.compile(r"(.*?)[\s_]*[(\[]\s*([^()\[\]]*?)\s*[)\]]")
_TIME_SUFFIX = re.compile(rf"({_TIME})[\s_.]({'|'.join(HOURS)})")
_LENGTH_SUFFIX = re.compile(r".*_(px|um)")


def plain_name(cell: str) -> tuple[str, str]:
    """A column's name in lower case, and its unit if it has one: `Position X [µm]` → position x, µm.

    Of times also without brackets: `time_min` → time, min.
    """
    text = cell.strip().strip("\"'").strip().casefold().replace("μ", "µ")
    match = _UNIT.fullmatch(text) or _TIME_SUFFIX.fullmatch(text)
    return (match[1], match[2]) if match and match[1] else (text, "")


def stated_unit(cell: str) -> str:
    """The unit in a column's name: as :func:`plain_name`, or the end of `y_um` and `x_px`."""
    name, unit = plain_name(cell)
    ending = _LENGTH_SUFFIX.fullmatch(name)
    return unit or (ending[1] if ending else "")


def is_time(cell: str) -> bool:
    """Whether a column is of times, in a unit that it names."""
    name, unit = plain_name(cell)
    return re.fullmatch(_TIME, name) is not None and unit in HOURS


def find_format(
    sheets: Sequence[Sheet], formats: Sequence[TableFormat] = TABLES
) -> tuple[Sheet, Head, TableFormat] | None:
    """The first sheet, and in it the first row, that is the header of a known table; None if there is none."""
    for sheet in sheets:
        for head in sheet.heads:
            names = [plain_name(cell)[0] for cell in head.cells]
            for one in formats:
                if _fits(one, names):
                    return sheet, head, one
    return None


def columns_of(one: TableFormat, head: Head) -> dict[str, list[int]]:
    """Role → the numbers of its columns, of a header that fits."""
    names = [plain_name(cell)[0] for cell in head.cells]
    found = {
        role: [_index(part, names) for part in _parts(wanted)]
        for role, wanted in {**one.optional, **one.columns}.items()
    }
    columns = {role: [i for i in numbers if i is not None] for role, numbers in found.items() if None not in numbers}
    if "frame" in columns:
        same = [i for i, name in enumerate(names) if name == names[columns["frame"][0]]]
        columns["frame"] = [next((i for i in same if not is_time(head.cells[i])), same[0])]
        times = [i for i, cell in enumerate(head.cells) if is_time(cell) and i not in columns["frame"]]
        if times and "time" not in columns:
            columns["time"] = times[:1]
    return columns


def unknown_table(sheets: Sequence[Sheet]) -> SomaNetError:
    """What to say of a table of no known format: what it is, if that is known, and which columns it has."""
    heads = [(sheet, head) for sheet in sheets for head in sheet.heads]
    for sheet, head in heads:
        names = [plain_name(cell)[0] for cell in head.cells]
        for other in NO_TRACKS:
            if all(_index(wanted, names) is not None for wanted in other.columns):
                return SomaNetError(f"{sheet.where}: expected tracks, found {other.what}. {other.instead}.")
    if (near := _nearly(heads)) is not None:
        return near
    programs = ", ".join(dict.fromkeys(one.program.split(",")[0] for one in TABLES[1:] if "plain" not in one.program))
    where = sheets[0].where
    found = "no table"
    if heads:
        sheet, head = heads[0]
        first = [other for _, other in heads if other.row == head.row]
        split = next((other for other in first if other.separator != " "), first[0])
        where, found = sheet.where, f"the columns {[cell[:40] for cell in split.cells[:20]]}"
    return SomaNetError(
        f"{where}: expected a table of tracks by SomaNet, {programs}; or with the columns track_id, frame, y_px, x_px "
        f"(in µm: y_um, x_um), found {found}. Is it another table of the same program? If it is tracks, name its "
        "columns so."
    )


def _nearly(heads: Sequence[tuple[Sheet, Head]]) -> SomaNetError | None:
    """What to say of a table that would be of a known format if it had one column more: of the nearest."""
    near: list[tuple[int, SomaNetError]] = []
    for sheet, head in heads:
        names = [plain_name(cell)[0] for cell in head.cells]
        for one in TABLES:
            wanted = [part for names_of in one.columns.values() for part in _parts(names_of)]
            lacking = [part.split("|")[0] for part in wanted if _index(part, names) is None]
            marked = all(_index(mark, names) is not None for mark in one.marks)
            if len(lacking) == 1 and len(wanted) > 2 and marked and not any(set(part) & set("\\(") for part in lacking):
                what = one.program if "plain" in one.program else f"{one.program.split(',')[0]}'s tracks"
                error = SomaNetError(
                    f"{sheet.where}: expected the columns of {what}; it lacks {lacking} and has "
                    f"{[cell[:40] for cell in head.cells[:20]]}. Export it with that column, or rename the one it is."
                )
                near.append((len(wanted), error))
    return max(near, key=lambda pair: pair[0])[1] if near else None


def _fits(one: TableFormat, names: list[str]) -> bool:
    wanted = [part for names_of in one.columns.values() for part in _parts(names_of)]
    found = [_index(part, names) for part in wanted]
    if None in found or any(_index(mark, names) is None for mark in one.marks):
        return False
    return not one.ordered or found == sorted(i for i in found if i is not None)


def _parts(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _index(pattern: str, names: list[str]) -> int | None:
    """The column that matches, by the alternatives of the pattern in their order."""
    return next((i for i, name in enumerate(names) if re.fullmatch(pattern, name)), None)
