"""The tables of tracks that other programs write, as data: the next format is a line of :data:`TABLES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
            parent, in place of positions) · ``other_track`` (the tracks where no point has a ``track``, nor so a
            parent) · ``cluster`` (above 0 for an object cut out of a cluster, whose position may not have been
            measured, and is 0, 0) · ``probability`` (that a point's identity is right). A table of links has
            ``source_frame``, ``source_y``, …, ``target_x`` instead.
        optional: further roles, used where the column is there.
        marks: further columns without which it is another format.
        length: unit of the positions if the file does not state it; "" if it cannot be known.
        time: unit of ``time`` if the file does not state it; "" if it cannot be known. Any table with frames may also
            have times, in a column ``t`` or ``time`` with its unit.
        first_frame: number of the first frame.
        first_track: the smallest id of a track; a smaller one is of points that belong to none.
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
    first_track: int = 0
    header_rows: int = 0
    ordered: bool = False
    block: str = ""
    gaps_empty: bool = False


_NAMED_TRACK = "track[_ ]?id|track|tracking[_ ]?id"
_TRACK = f"{_NAMED_TRACK}|id|particle|cell|cell_id|label"
TIME = "t|time"
_PLACES = {"y": "position[_ ]y", "x": "position[_ ]x"}
_UNITS = {"unit": "unit|(?:position|length|space)[_ ]?units?", "time_unit": "time[_ ]?units?"}
_SURE = {"probability": "probability"}
_TYX = {"track": "track_id", "frame": "t", "y": "y", "x": "x"}
_XY = {"y": "y", "x": "x"}
_CENTROIDS = {"y": "y_centroid", "x": "x_centroid"}
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
                {"track": _TRACK, "time": TIME, "y": "y_um", "x": "x_um"}, {"parent_track": "parent_id"}, length="um"),
    TableFormat("pixels", "a plain table in px", {"track": _TRACK, "frame": "frame", "y": "y_px", "x": "x_px"},
                {"parent_track": "parent_id"}),
    TableFormat("pixels", "a plain table in px, of times",
                {"track": _TRACK, "time": TIME, "y": "y_px", "x": "x_px"}, {"parent_track": "parent_id"}),
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
    # ilastik/plugins_default/tracking_csv_export.py: features are numbered by axis, x first; tracks count from 2.
    TableFormat("ilastik", "ilastik, CSV-Table of its tracking",
                {"track": "trackid", "frame": "frame", "y": "object_center_1|center_of_the_object_1",
                 "x": "object_center_0|center_of_the_object_0"},
                {"z": "object_center_2|center_of_the_object_2", "parent_track": "parenttrackid",
                 "cluster": "mergerlabelid"}, marks=("labelimageid",), first_track=2),
    # Cell-ACDC's own tables (tables/paper_plot_data in its repository), and base_cca_tree_dict for lineages.
    TableFormat("cell-acdc", "Cell-ACDC, with its lineage tree",
                {"track": "cell_id_tree", "frame": "frame_i", **_CENTROIDS},
                {"parent_track": "parent_id_tree", "other_track": "cell_id"}),
    TableFormat("cell-acdc", "Cell-ACDC", {"track": "cell_id", "frame": "frame_i", **_CENTROIDS}),
    # The names by which public scripts read NIS-Elements' exported tracks; a tree's branches have an ID each.
    TableFormat("nis-elements", "NIS-Elements, tracking",
                {"track": ("tree id", "id"), "frame": r"nd\.t", "y": "positiony", "x": "positionx"},
                {"z": "positionz"}, length="um", first_frame=1),
    # The header of Harmony's points of tracks, as public scripts read it; it states no unit for X and Y.
    TableFormat("harmony", "PerkinElmer Harmony, points of tracks",
                {"track": "object id", "frame": "timepoint", **_XY},
                marks=(r".* - (?:track point x|current speed|current step size|age)",), length=""),
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
                 "x": r"(?:\w+_)?location_center_x|(?:\w+_)?areashape_center_x"}, _CELLPROFILER_LINKS, first_frame=1,
                first_track=1),
    TableFormat("cellprofiler-steps", "CellProfiler, displacements only",
                {**_CELLPROFILER, **_CELLPROFILER_LINKS, "step_y": r"(?:\w+_)?trackobjects_trajectoryy(?:_\d+)?",
                 "step_x": r"(?:\w+_)?trackobjects_trajectoryx(?:_\d+)?"}, first_frame=1,
                first_track=1),
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
                {"track": "identity|animal|individual", "frame": "frame|frame_number", **_XY}, _SURE, gaps_empty=True),
    TableFormat("idtracker", "idtracker.ai, one row per animal and time",
                {"track": "identity|animal|individual", "time": "time|seconds", **_XY}, _SURE, time="s",
                gaps_empty=True),
    TableFormat("mia", "MIA (ModularImageAnalysis)",
                {"track": "parent_id // tracks", "frame": "timepoint", "y": r".*// y_centroid",
                 "x": r".*// x_centroid"},
                {"z": r".*// z_centroid"}),
    TableFormat("plain-frames", "a plain table of frames", {"track": _TRACK, "frame": "frame|t_stamp|slice", **_XY},
                {"z": "z", **_UNITS}, length=""),
    TableFormat("plain-frames", "a plain table of frames, with position_x",
                {"track": _NAMED_TRACK, "frame": "frame|t_stamp|slice", **_PLACES}, _UNITS, length=""),
    TableFormat("plain-times", "celltrackR, or a plain table of times", {"track": _TRACK, "time": TIME, **_XY},
                {"z": "z", **_UNITS}, length=""),
    TableFormat("plain-times", "a plain table of times, with position_x",
                {"track": _NAMED_TRACK, "time": TIME, **_PLACES}, _UNITS, length=""),
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
    NoTracks(("object no", "position x", "position y", "timepoint"),
             "Harmony's objects of each time point, without the track they belong to",
             "Export the points of the tracks (Object ID, Timepoint, X, Y and a property of the tracking)"),
    NoTracks(("timestep", "center[ _.]of[ _.]the[ _.]object_0"),
             "ilastik's objects of each frame, without the track they belong to",
             "Export the tracking result as CSV-Table"),
    NoTracks(("frame", "x1", "y1", "flag1"), "tracks side by side, as MTrack2 writes them",
             "Put the points below each other, in the columns track_id, frame, y_px, x_px"),
    NoTracks(("axis-0", "axis-1", "axis-2"), "points of a napari layer, without tracks",
             "Save the data of the tracks layer, not of a points layer"),
    NoTracks(("cmso_object_id|cmso_link_id|cmso_track_id",), "one table of a CMSO package",
             "Give the folder in which its objects.csv and links.csv lie"),
)  # fmt: skip
