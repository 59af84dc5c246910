"""Tracks as other programs write them: the same points in the table of each, made from what the program documents."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from somanet.core.calibration import Calibration

Row = tuple[int, int, float, float]
"""Track, frame, y and x in pixels."""


def rows_of(points: pd.DataFrame) -> list[Row]:
    columns = ("track_id", "frame", "y_px", "x_px")
    return list(zip(*(points[name].tolist() for name in columns), strict=True))


def lines(header: str, rows: Iterable[object], *, by: str = ",") -> str:
    cells = (by.join("" if cell is None else str(cell) for cell in row) for row in rows)  # type: ignore[attr-defined]
    return "\n".join([header, *cells, ""])


def previous(rows: list[Row]) -> list[int | None]:
    """For each row the number of the row before it in its track."""
    last: dict[int, int] = {}
    found = []
    for i, (track, *_) in enumerate(rows):
        found.append(last.get(track))
        last[track] = i
    return found


def trackmate_spots(rows: list[Row], scale: Calibration) -> str:
    um, s = scale.pixel_size_um, 60 * scale.frame_interval_min
    header = "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS,VISIBILITY\n"
    header += "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius,Visibility\n"
    header += "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R,Visibility\n"
    header += ",,,(quality),(micron),(micron),(micron),(sec),,(micron),"
    cells = ((f"ID{i}", i, k, 1.0, x * um, y * um, 0.0, t * s, t, 5.0, 1) for i, (k, t, y, x) in enumerate(rows))
    return lines(header, cells)


def trackmate_old(rows: list[Row], scale: Calibration) -> str:
    um, s = scale.pixel_size_um, 60 * scale.frame_interval_min
    header = " ,Label,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS,VISIBILITY"
    cells = ((i + 1, f"ID{i}", i, k, 1.0, x * um, y * um, 0.0, t * s, t, 5.0, 1) for i, (k, t, y, x) in enumerate(rows))
    return lines(header, cells)


def imaris(rows: list[Row], scale: Calibration) -> str:
    um = scale.pixel_size_um
    header = "\nPosition\n ==================== \n"
    header += "Position X,Position Y,Position Z,Unit,Category,Collection,Time,TrackID,ID,"
    cells = (
        (x * um, y * um, 0, "um", "Surface", "Position", t + 1, 1000000000 + k, i, "")
        for i, (k, t, y, x) in enumerate(rows)
    )
    return lines(header, cells)


def ultrack(rows: list[Row], _: Calibration) -> str:
    cells = ((k, t, y, x, 100 + i, -1 if b is None else 100 + b, -1) for i, ((k, t, y, x), b) in both(rows))
    return lines("track_id,t,y,x,id,parent_id,parent_track_id", cells)


def both(rows: list[Row]) -> Iterable[tuple[int, tuple[Row, int | None]]]:
    return enumerate(zip(rows, previous(rows), strict=True))


def laptrack_links(rows: list[Row], _: Calibration) -> str:
    header = ",spot_source_id,spot_target_id,link_cost,track_id,source_frame,source_position_x,source_position_y,"
    header += "target_frame,target_position_x,target_position_y"
    cells = [
        (i, b, i, 1.5, k, rows[b][1], rows[b][3], rows[b][2], t, x, y)
        for i, ((k, t, y, x), b) in both(rows)
        if b is not None
    ]
    return lines(header, cells)


def cellprofiler(rows: list[Row], _: Calibration) -> str:
    number: dict[int, int] = {}
    of_image: dict[int, int] = {}
    for i, (_k, t, *_yx) in enumerate(rows):
        of_image[t] = number[i] = of_image.get(t, 0) + 1
    header = "ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y,TrackObjects_Label_15,"
    header += "TrackObjects_ParentImageNumber_15,TrackObjects_ParentObjectNumber_15"
    cells = (
        (t + 1, number[i], x, y, k, 0 if b is None else rows[b][1] + 1, 0 if b is None else number[b])
        for i, ((k, t, y, x), b) in both(rows)
    )
    return lines(header, cells)


def icy(rows: list[Row], _: Calibration) -> str:
    text = ""
    for track in dict.fromkeys(k for k, *_ in rows):
        text += f"track #\t{track}\n\t\tt\tx\ty\tz\tvirtual\n"
        text += "".join(f"\t\t{t}\t{x}\t{y}\t0\t0\n" for k, t, y, x in rows if k == track) + "\n"
    return text


def mtrackj(rows: list[Row], _: Calibration) -> str:
    text = "MTrackJ 1.5.1 Data File\nAssembly 1 FF0000\nCluster 1 FF0000\n"
    for track in dict.fromkeys(k for k, *_ in rows):
        mine = [row for row in rows if row[0] == track]
        text += f"Track {track} FF0000 true\n"
        text += "".join(f"Point {n} {x} {y} 1.0 {t + 1}.0 1.0\n" for n, (_k, t, y, x) in enumerate(mine, 1))
    return text + "End of MTrackJ Data File\n"


def celldetective(rows: list[Row], scale: Calibration) -> str:
    um = scale.pixel_size_um
    cells = ((f"{k}.0", f"{t}.0", y, x, x * um, y * um, k, k, "False", 1.0) for k, t, y, x in rows)
    return lines("TRACK_ID,FRAME,POSITION_Y,POSITION_X,POSITION_X_um,POSITION_Y_um,root,parent,dummy,class_id", cells)


def celltrackr(rows: list[Row], scale: Calibration) -> str:
    um, s = scale.pixel_size_um, 60 * scale.frame_interval_min
    cells = ((f'"{i}"', f'"{k}"', t * s, x * um, y * um) for i, (k, t, y, x) in enumerate(rows, 1))
    return lines('"id" "t" "x" "y"', cells, by=" ")


def manual(rows: list[Row], _: Calibration) -> str:
    cells = ((i, k, t + 1, x, y, -1, -1, 120) for i, (k, t, y, x) in enumerate(rows, 1))
    return lines(" \tTrack n°\tSlice n°\tX\tY\tDistance\tVelocity\tPixel Value", cells, by="\t")


def ilastik(rows: list[Row], _: Calibration) -> str:
    """As `tracking_csv_export.py` of ilastik writes it: tracks from 2, axis 0 is x, centres also in whole pixels."""
    header = "frame,labelimageId,trackId,lineageId,parentTrackId,mergerLabelId,Size_in_pixels_0,"
    header += "Center_of_the_object_0,Center_of_the_object_1,Object_Center_0,Object_Center_1"
    cells = ((t, i + 1, k, k, 0, 0, 80.0, round(x), round(y), x, y) for i, (k, t, y, x) in enumerate(rows))
    return lines(header, cells)


def nis_elements(rows: list[Row], scale: Calibration) -> str:
    um, s = scale.pixel_size_um, 60 * scale.frame_interval_min
    header = (
        "Name\tType\tTree ID\tID\tND.M\tND.T\tTime [s]\tPositionX [µm]\tPositionY [µm]\tPositionZ [µm]\tSeg.Length [µm]"
    )
    cells = (("a.nd2", "Point", 1, k, 1, t + 1, t * s, x * um, y * um, "N/A", "N/A") for k, t, y, x in rows)
    return lines(header, cells, by="\t")


def harmony(rows: list[Row], scale: Calibration) -> str:
    s = 60 * scale.frame_interval_min
    of_track = "Tracked Nuclei - "
    header = f"Timepoint\tTime [s]\tObject ID\tX\tY\t{of_track}Age [s]\t{of_track}Current Displacement X [um]"
    header += f"\t{of_track}Track Point X\t{of_track}Track Point Y\t{of_track}Current Speed [um/s]"
    cells = ((t, t * s, k, x, y, 0, 0, 0, 0, 0) for k, t, y, x in rows)
    return lines(header, cells, by="\t")


def plain(header: str, order: str, *, by: str = ",") -> Callable[[list[Row], Calibration], str]:
    """A table of the columns of a header, in the order of k (track), t, y, x, s (seconds), 0 and i (row)."""

    def write(rows: list[Row], scale: Calibration) -> str:
        values = (
            dict(zip("ktyx", row, strict=True)) | {"0": 0, "i": i, "s": row[1] * 60 * scale.frame_interval_min}
            for i, row in enumerate(rows)
        )
        return lines(header, ([one[name] for name in order] for one in values), by=by)

    return write


TEXTS: dict[str, tuple[str, Callable[[list[Row], Calibration], str]]] = {
    "trackmate-spots": (".csv", trackmate_spots),
    "trackmate-old": (".csv", trackmate_old),
    "imaris": (".csv", imaris),
    "ultrack": (".csv", ultrack),
    "laptrack-links": (".csv", laptrack_links),
    "cellprofiler": (".csv", cellprofiler),
    "icy": (".txt", icy),
    "mtrackj": (".mdf", mtrackj),
    "celldetective": (".csv", celldetective),
    "celltrackr": (".txt", celltrackr),
    "manual": (".csv", manual),
    "btrack": (".csv", plain("ID,t,y,x", "ktyx")),
    "trackpy": (".csv", plain(",y,x,mass,size,frame,particle", "iyx00tk")),
    "laptrack": (".csv", plain("frame,index,centroid-0,centroid-1,tree_id,track_id", "tiyxkk")),
    "mosaic": (".csv", plain("\tTrajectory\tFrame\tx\ty\tz\tm0\tNPscore", "iktxy000", by="\t")),
    "cellmia": (".txt", plain("ID of track\ttime index\tcell row\tcell col\tvelocity (pixels) (µm)", "ktyx0", by="\t")),
    "idtracker": (".csv", plain("time,identity,x,y,probability", "skxy0")),
    "ilastik": (".csv", ilastik),
    "cell-acdc": (".csv", plain("frame_i,Cell_ID,is_cell_dead,x_centroid,y_centroid,cell_area_pxl", "tk0xy0")),
    "nis-elements": (".txt", nis_elements),
    "harmony": (".txt", harmony),
    "napari-z": (".csv", plain("track_id,t,z,y,x", "kt0yx")),
}
"""Name → suffix and text of each format of text."""


def npy(rows: list[Row]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(rows, float))
    return file.getvalue()


@dataclass(frozen=True)
class Shown:
    """A number that Excel shows by one of its own formats: 21 is `h:mm:ss`, 22 `m/d/yy h:mm`, 46 `[h]:mm:ss`."""

    value: float
    by: int


def xlsx(table: list[list[object]]) -> bytes:
    """A workbook of one sheet."""
    return workbook({"Tracks": table})


def workbook(sheets: Mapping[str, list[list[object]]]) -> bytes:
    """The smallest .xlsx with these sheets: texts in place, and formats for dates and times."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    part = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbered = list(enumerate(sheets.items(), 1))
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{part}.worksheet+xml"/>' for n, _ in numbered
    )
    listed = "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, (name, _) in numbered)
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered
    )
    formats = "".join(f'<xf numFmtId="{by}" applyNumberFormat="1"/>' for by in range(50))
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{part}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{part}.styles+xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{links}<Relationship '
        f'Id="styles" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="50">{formats}</cellXfs></styleSheet>',
    }
    files |= {
        f"xl/worksheets/sheet{n}.xml": f'<worksheet xmlns="{main}"><sheetData>{_rows(table)}</sheetData></worksheet>'
        for n, (_, table) in numbered
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def _rows(table: list[list[object]]) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = ""
    for r, row in enumerate(table, 1):
        text += f'<row r="{r}">'
        for c, cell in enumerate(row):
            place = f'r="{letters[c]}{r}"'
            if isinstance(cell, str):
                text += f'<c {place} t="inlineStr"><is><t>{escape(cell)}</t></is></c>' if cell else ""
            elif isinstance(cell, Shown):
                text += f'<c {place} s="{cell.by}"><v>{cell.value}</v></c>'
            else:
                text += f'<c {place} t="n"><v>{cell}</v></c>'
        text += "</row>"
    return text


def mia(rows: list[Row]) -> bytes:
    header: list[object] = ["OBJECT_ID", "PARENT_ID // Tracks", "SPOT_DETECT // X_CENTROID_(PX)"]
    header += ["SPOT_DETECT // Y_CENTROID_(PX)", "TIMEPOINT"]
    return xlsx([header, *([i, k, x, y, t] for i, (k, t, y, x) in enumerate(rows))])


def hdf5(path: Path, rows: list[Row]) -> None:
    """btrack's layout, with one dummy point in a frame after the last one of the first track."""
    import h5py

    tracks = list(dict.fromkeys(k for k, *_ in rows))
    members, bounds = [], []
    for track in tracks:
        mine = [i for i, row in enumerate(rows) if row[0] == track]
        members += [*mine, *([-1] if track == tracks[0] else [])]
        bounds.append((len(members) - len(mine) - (track == tracks[0]), len(members)))
    last = max(t for k, t, *_ in rows if k == tracks[0])
    with h5py.File(path, "w") as file:
        file["objects/obj_type_1/coords"] = np.array([(t, x, y, 0, 0) for _, t, y, x in rows], np.float64)
        file["tracks/obj_type_1/tracks"] = np.array(members, np.int32)
        file["tracks/obj_type_1/map"] = np.array(bounds, np.uint32)
        file["tracks/obj_type_1/dummies"] = np.array([(last + 1, 0, 0, 0, 1)], np.float64)
        file["tracks/obj_type_1/LBEPR"] = np.array([(k, 0, 0, k, k, 0) for k in tracks], np.int32)


SUFFIXES = {kind: suffix for kind, (suffix, _) in TEXTS.items()} | {"npy": ".npy", "mia": ".xlsx", "hdf5": ".h5"}
"""The usual suffix of each format."""


def write_foreign(path: Path, kind: str, points: pd.DataFrame, scale: Calibration) -> None:
    """Write ``track_id``, ``frame``, ``y_px`` and ``x_px`` as a program would."""
    rows = rows_of(points)
    if kind == "hdf5":
        hdf5(path, rows)
    elif kind in TEXTS:
        path.write_text(TEXTS[kind][1](rows, scale), encoding="utf-8")
    else:
        path.write_bytes({"npy": npy, "mia": mia}[kind](rows))
