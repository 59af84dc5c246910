"""The files of one TIFF movie: metadata may spread it over several, and name files that are none of its own."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tifffile

from somanet.core.documents import parse_xml
from somanet.core.foreign import check_file, parsing
from somanet.core.limits import JSON_BYTES, XML_BYTES
from somanet.core.problems import FileProblem

_INDEX = "NDTiff.index"


def companions(tiff: tifffile.TiffFile, source: str) -> tuple[Path, ...]:
    """The other files that tifffile opens to list the series of this one; those that are missing are left out.

    They are named in OME-XML, by Micro-Manager's stacks (`…_MMStack*.tif`) and in its `NDTiff.index`.

    Args:
        tiff: open, by its path; its list of series is not built yet.
        source: the file, for messages.

    Raises:
        FileProblem: one is named with a folder, or is no regular file.
    """
    folder = Path(tiff.filehandle.dirname)
    found: dict[Path, None] = {}
    for name in _named(tiff, folder, source):
        file = folder / name_inside(name, source)
        if name != tiff.filename and file.exists():
            check_file(file, "a further file of the movie")
            found[file] = None
    return tuple(found)


def name_inside(name: str, source: str) -> str:
    """A file name that metadata give, which must not lead out of their folder.

    Raises:
        FileProblem: it does, or is none.
    """
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise FileProblem(
            f"{source}: expected further files of the movie in its own folder, found one named {name[:80]!r} in "
            "its metadata. Save the movie as one file (Fiji: File > Save As > Tiff).",
            "missing",
        )
    return name


def _named(tiff: tifffile.TiffFile, folder: Path, source: str) -> Iterator[str]:
    if tiff.ome_metadata:
        XML_BYTES.check(len(tiff.ome_metadata), source, declared="its OME-XML")
        root = parse_xml(tiff.ome_metadata, source, "OME-XML")
        others = (e for e in root.iter() if e.tag.endswith("UUID") and "FileName" in e.attrib)
        yield from (e.attrib["FileName"] for e in others if e.text is None or e.text != root.get("UUID"))
    if tiff.is_mmstack:
        prefix = str(_summary(tiff).get("Prefix", tiff.filename.split("_MMStack")[0]))
        if tiff.filename.startswith(prefix):  # else tifffile looks for no others
            if glob.escape(str(folder)) != str(folder):  # to tifffile it is a pattern, of other folders too
                raise FileProblem(
                    f"{source}: expected a folder whose name is without [, ? and *. Rename it.", "missing"
                )
            yield from sorted(fnmatch.filter((f.name for f in folder.iterdir()), f"{prefix}_MMStack*.tif"))
    if tiff.is_ndtiff:
        check_file(folder / _INDEX, "the index of a set of TIFF files", limit=JSON_BYTES)
        yield _INDEX
        with parsing(folder / _INDEX, "the index of a set of TIFF files"):
            names = {str(entry[1]): None for entry in tifffile.tifffile.read_ndtiff_index(folder / _INDEX)}
        yield from names


def _summary(tiff: tifffile.TiffFile) -> dict[str, Any]:
    summary = (tiff.micromanager_metadata or {}).get("Summary")
    return summary if isinstance(summary, dict) else {}


def companion_of(tiff_xml: str, file: Path) -> Path | None:
    """The companion that an OME-TIFF without metadata of its own refers to; None for any other.

    Raises:
        FileProblem: it is missing, or named with a folder.
    """
    if "BinaryOnly" not in tiff_xml:
        return None
    root = parse_xml(tiff_xml, str(file), "OME-XML")
    reference = root.find("./BinaryOnly")
    if reference is None:
        return None
    companion = file.parent / name_inside(reference.get("MetadataFile", ""), str(file))
    if not companion.exists():
        raise FileProblem(
            f"{file}: it is one part of a movie whose metadata are in {companion.name}, which is missing. Fetch that "
            "file and all its parts into the same folder.",
            "missing",
        )
    return companion


def used_files(tiff: tifffile.TiffFile, path: Path, others: tuple[Path, ...]) -> tuple[Path, ...]:
    """The file itself, then those of its companions that hold pages of it, or their index."""
    if not others or not any(series.is_multifile for series in tiff.series):
        return (path,)
    used = {page.parent.filehandle.path for series in tiff.series for page in series.pages if page is not None}
    return (path, *(file for file in others if file.name == _INDEX or str(file) in used))
