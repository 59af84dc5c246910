"""What a file is by its first bytes, where it is not what its name says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from somanet.core.problems import FileProblem

READ_BYTES = 520
"""Enough of a file to tell."""

_FIJI = "Save it as TIFF (Fiji: File > Import > Bio-Formats, then File > Save As > Tiff)."
_RENAME = "Give it the suffix {} and name it again."
_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, which stands for the file", "`git lfs pull` fetches it."),
    (b"/annex/objects/", "a git-annex pointer, which stands for the file", "`git annex get` fetches it."),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", _RENAME.format(".png")),
    (b"\xff\xd8\xff", "a JPEG image", _RENAME.format(".jpg")),
    (b"GIF8", "a GIF image", "Save it as TIFF (Fiji: File > Save As > Tiff)."),
    (b"BM", "a Windows bitmap", "Save it as TIFF (Fiji: File > Save As > Tiff)."),
    (b"%PDF", "a PDF document", "Export the image from where the document was made."),
    (b"%!PS", "a PostScript document", "Export the image from where the document was made."),
    (b"PK\x03\x04", "a zip archive", "Unpack it, and name what is inside."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it (`gunzip`), and name what is inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it, and name what is inside."),
    (b"Rar!", "a RAR archive", "Unpack it, and name what is inside."),
    (b"MATLAB", "a MATLAB file", "In MATLAB, write the array with imwrite, one page for each frame."),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "Open it in Fiji (plug-in HDF5) or Python, and save its images as TIFF."),
    (b"\x93NUMPY", "a NumPy array", "Save it in Python with tifffile.imwrite('movie.tif', array)."),
    (b"\xda\xce\xbe\x0a", "a Nikon ND2 file", _RENAME.format(".nd2")),
    (b"ZISRAWFILE", "a Zeiss CZI file", _RENAME.format(".czi")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a compound file, as Olympus OIB, Zeiss ZVI and Excel's .xls are", _FIJI),
    (b"\x1aE\xdf\xa3", "a Matroska video", _RENAME.format(".mkv")),
    (b"SIMPLE  =", "a FITS image", "Save it as TIFF (Fiji: File > Save As > Tiff)."),
    (b"{\\rtf", "a text document", "Is it another file of the same name?"),
)
_WEB_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)", re.IGNORECASE | re.DOTALL)


def describe_kind(head: bytes) -> tuple[str, str] | None:
    """What a file is, and a way out, by its first :data:`READ_BYTES`; None for bytes of no known kind.

    The words complete "expected a TIFF, found …".
    """
    for start, kind, way_out in _STARTS:
        if head.startswith(start):
            return kind, way_out
    if head[4:8] == b"ftyp":
        return "an MP4 or QuickTime video", _RENAME.format(".mp4")
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "an AVI video", _RENAME.format(".avi")
    if head[128:132] == b"DICM":
        return "a DICOM image", _FIJI
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _WEB_PAGE.match(text):
        return (
            "a web page",
            "Its address led to a page, perhaps one that asks for a login: fetch the file itself, in a browser.",
        )
    if text.lstrip()[:5] == b"<?xml":
        return "an XML text", "Name the images that it describes."
    if head and not head.strip(b"\0"):
        return "zeros alone", "Was a copy or download interrupted? Fetch it again."
    if _is_text(text):
        return (
            f"a text that starts with {_shown(text)!r}",
            "Is it another file of the same name? Fetch the file itself.",
        )
    return None


def found_instead(head: bytes) -> str:
    """The same as the end of a sentence, a full stop and the way out; of unknown bytes the first of them."""
    known = describe_kind(head)
    return f"{known[0]}. {known[1]}" if known else f"a file that starts with {head[:8]!r}. {_FIJI}"


def is_zipped_zarr(path: Path, files: Iterable[str] = ()) -> bool:
    """Whether a file is a zip of a zarr, by its name or by those of the files in it."""
    names = [PurePosixPath(name).name for name in files]
    return path.name.lower().endswith(".zarr.zip") or (path.suffix.lower() == ".zip" and "zarr.json" in names)


def zipped_zarr(path: Path) -> FileProblem:
    """What to do with a zip of a zarr."""
    return FileProblem(
        f"{path}: expected a zarr folder, found it in a zip, which is not read. Unpack it into a folder whose name "
        "ends in .zarr, and name that.",
        "not an image",
    )


def _is_text(head: bytes) -> bool:
    """Printable ASCII or UTF-8, of more than a few characters."""
    if len(head) < 8 or any(byte < 32 and byte not in b"\t\r\n\f" for byte in head):
        return False
    for cut in range(4):  # the last character may be cut
        try:
            head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return True
    return False


def _shown(text: bytes) -> str:
    return text.decode(errors="ignore").strip().splitlines()[0][:20] if text.strip() else ""
