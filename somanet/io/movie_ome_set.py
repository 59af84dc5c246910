"""OME-TIFF whose metadata lie in a companion file, beside TIFF files that refer to it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from somanet.core.documents import parse_xml
from somanet.core.foreign import check_file, file_text
from somanet.core.limits import FRAMES, PAGES, XML_BYTES
from somanet.core.problems import FileProblem
from somanet.io.declared_size import open_tiff
from somanet.io.movie_layout import Wanted, find_layout
from somanet.io.movie_planes import Plane, PlanesMovie
from somanet.io.movie_tiff import check_whole
from somanet.io.tiff_files import name_inside
from somanet.io.tiff_scale import ome_calibration, ome_channel_names
from somanet.io.tiff_segments import check_segments

SUFFIXES = (".companion.ome", ".ome.xml", ".ome")


class OmeSetMovie(PlanesMovie):
    """The TIFF files that one OME-XML file names, as one movie (see :class:`Movie`)."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.path = path
        xml = file_text(path, "OME-XML", XML_BYTES)
        root = parse_xml(xml, str(path), "OME-XML")
        images = root.findall("./Image")
        if not images:
            raise FileProblem(f"{path}: expected OME-XML with an image, found none. Is it whole?", "not an image")
        names = [image.get("Name") or "" for image in images]
        names = names if all(names) and len(set(names)) == len(names) else [str(i) for i in range(len(names))]
        number = self._take_position(names, wanted)
        pixels = images[number].find("./Pixels")
        if pixels is None:
            raise FileProblem(f"{path}: the image {names[number][:80]} has no pixels.", "not an image")
        sizes = {axis: int(pixels.get(f"Size{axis}", "1")) for axis in "TCZYX"}
        FRAMES.check(sizes["T"], path)
        PAGES.check(sizes["T"] * sizes["C"] * sizes["Z"], path, declared="its metadata declare a movie that")
        self._pages = _pages(pixels, sizes, path)
        self._where = {plane: file for plane, (file, _) in self._pages.items()}
        self.files = (path, *sorted(set(self._where.values())))
        for file in self.files[1:]:
            check_whole(file)
        channels = ome_channel_names(xml, str(path), image=number)
        layout = find_layout("TCZYX", tuple(sizes.values()), wanted, str(path), channels=channels)
        self._take_layout(layout, self._pixels((0, 0, 0)).dtype)
        self.file_calibration = ome_calibration(root, str(path), self.n_frames, image=number)

    def _pixels(self, plane: Plane) -> np.ndarray:
        file, number = self._pages[plane]
        with open_tiff(file, str(file)) as tiff:
            if number >= len(tiff.pages):
                raise FileProblem(
                    f"{file}: expected page {number}, which {self.path.name} names, found {len(tiff.pages)} pages. "
                    "Fetch the file again.",
                    "truncated",
                )
            page = tiff.pages[number]
            check_segments(page, str(file))
            return np.asarray(page.asarray())


def _pages(pixels: ET.Element, sizes: Mapping[str, int], path: Path) -> dict[Plane, tuple[Path, int]]:
    """File and page of every plane."""
    order = [axis for axis in pixels.get("DimensionOrder", "XYZCT") if axis in "ZCT"]
    total = sizes["T"] * sizes["C"] * sizes["Z"]
    found: dict[Plane, tuple[Path, int]] = {}
    if pixels.find("./BinData") is not None:
        raise FileProblem(
            f"{path}: expected the names of TIFF files, found pixels within the XML. Convert it with Bio-Formats "
            "(Fiji: File > Import > Bio-Formats, then File > Save As > Tiff).",
            "not an image",
        )
    for data in pixels.findall("./TiffData"):
        named = data.find("./UUID")
        name = "" if named is None else named.get("FileName", "")
        file = path.parent / name_inside(name, str(path))
        if file not in {one for one, _ in found.values()}:
            check_file(file, f"a file of the movie {path.name}")
        ifd = int(data.get("IFD", "0"))
        start = {axis: int(data.get(f"First{axis}", "0")) for axis in order}
        count = int(data.get("PlaneCount", "1" if data.get("IFD") else str(total)))
        PAGES.check(count, path, declared="a file of the movie")
        index = start[order[0]] + sizes[order[0]] * (start[order[1]] + sizes[order[1]] * start[order[2]])
        for i in range(count):
            at, rest = {}, index + i
            for axis in order:
                at[axis], rest = rest % sizes[axis], rest // sizes[axis]
            if rest:
                break
            found[at["T"], at["C"], at["Z"]] = (file, ifd + i)
    if len(found) < total:
        raise FileProblem(
            f"{path}: expected files of all {total} planes ({sizes['T']} time points, {sizes['C']} channels, "
            f"{sizes['Z']} planes), found {len(found)}. Was the recording stopped? Export it anew.",
            "missing",
        )
    return found
