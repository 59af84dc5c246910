"""The largest files, images and tables that are read: a declared size is checked before memory is taken.

Each limit is far above what microscopes and SomaNet write; what exceeds one is damaged, hostile or another kind of
file. An environment variable raises a limit, and the error message names it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem


@dataclass(frozen=True)
class Limit:
    """One limit.

    Attributes:
        name: such as IMAGE_PIXELS; the environment variable that raises it is SOMANET_MAX_IMAGE_PIXELS.
        default: the largest allowed number, without that variable.
        unit: what is counted, for messages.
        meaning: what it applies to.
    """

    name: str
    default: int
    unit: str
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that raises it."""
        return f"SOMANET_MAX_{self.name}"

    @property
    def value(self) -> int:
        """The largest allowed number.

        Raises:
            SomaNetError: the environment variable is not a positive whole number.
        """
        text = os.environ.get(self.variable)
        if text is None:
            return self.default
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text)):
            raise SomaNetError(
                f"The environment variable {self.variable} is {text[:40]!r}; expected a positive whole number. "
                f"Without it the limit is {self.default}."
            )
        return int(text)

    def check(self, found: int, source: Path | str, *, declared: str = "") -> None:
        """Refuse a number above the limit.

        Args:
            found: the number that a file has or declares.
            source: the file, for the message.
            declared: what declares it, such as `a frame of 70000 × 70000`.

        Raises:
            FileProblem: of the kind `too large`, naming the file, the limit and the variable that raises it.
        """
        if found > self.value:
            what = f"{declared} has " if declared else ""
            raise FileProblem(
                f"{source}: {what}{shown(found)} {self.unit}, more than the {self.value} allowed. Is it damaged, or "
                f"another kind of file? If its size is right, allow it: {self.variable}={shown(found)}",
                "too large",
            )


def shown(number: int) -> str:
    """A whole number for a message; Python itself refuses to write out one of thousands of digits."""
    return str(number) if -(10**30) < number < 10**30 else "over 10³⁰"


def _limit(name: str, default: int, unit: str, meaning: str) -> Limit:
    return ALL.setdefault(name, Limit(name, default, unit, meaning))


ALL: dict[str, Limit] = {}
"""Every limit by name, in the order of the table in docs/resilience.md."""

IMAGE_PIXELS = _limit(
    "IMAGE_PIXELS",
    1 << 24,
    "pixels",
    "pixels of an image, rescaled or not, or of one frame of a movie (4096 × 4096); predicting takes 1.1 GB and 60 "
    "bytes per pixel",
)
IMAGE_BYTES = _limit("IMAGE_BYTES", 1 << 30, "bytes", "an image file, also within a zip")
IMAGE_RATIO = _limit(
    "IMAGE_RATIO", 1100, "bytes per stored byte", "decoded over stored size of an image above 64 MB; zlib reaches 1032"
)
MOVIE_RATIO = _limit(
    "MOVIE_RATIO",
    5000,
    "bytes per stored byte",
    "decoded over stored size of a movie above 1 GB; a zarr folder's files count 4 kB at least",
)
STORED_RATIO = _limit(
    "STORED_RATIO", 100, "stored bytes per decoded byte", "stored over decoded size of a movie's files above 1 GB"
)
FRAMES = _limit(
    "FRAMES", 100_000, "frames", "time points of a movie or a table of tracks; length of any axis of a zarr array"
)
PAGES = _limit("PAGES", 1_000_000, "pages", "pages of a TIFF, or planes that its metadata declare")
TIFF_TAGS = _limit("TIFF_TAGS", 4096, "tags", "tags of one page of a TIFF")
CHUNK_BYTES = _limit("CHUNK_BYTES", 1 << 30, "bytes", "one decoded chunk of a zarr array")
CHUNKS = _limit(
    "CHUNKS", 1 << 16, "chunks", "chunks of one frame of a zarr array, or inner chunks of one of its shards"
)
ARCHIVE_FILES = _limit("ARCHIVE_FILES", 1_000_000, "files", "files in a zip or a data set's folder")
ARCHIVE_RATIO = _limit(
    "ARCHIVE_RATIO", 200, "bytes per stored byte", "unpacked over packed size of a zip, or of a file in it, above 64 MB"
)
TABLE_BYTES = _limit("TABLE_BYTES", 1 << 28, "bytes", "a CSV table, or a text file of tracks")
TABLE_ROWS = _limit("TABLE_ROWS", 3_000_000, "rows", "rows of a table; spots of a TrackMate file; nodes of a GEFF")
TABLE_COLUMNS = _limit("TABLE_COLUMNS", 1000, "columns", "columns of a table")
LINE_BYTES = _limit("LINE_BYTES", 1 << 20, "bytes", "one line of a table")
ROIS = _limit("ROIS", 100_000, "selections", "selections (ROI) of ImageJ in a zip")
ROI_CORNERS = _limit("ROI_CORNERS", 1 << 20, "corners", "corners, or numbers of the path, of one selection")
JSON_BYTES = _limit("JSON_BYTES", 1 << 25, "bytes", "a JSON file, zarr's metadata included")
YAML_BYTES = _limit("YAML_BYTES", 1 << 22, "bytes", "a YAML file")
YAML_VALUES = _limit("YAML_VALUES", 1_000_000, "values", "values of a YAML file, with every alias written out")
XML_BYTES = _limit("XML_BYTES", 1 << 27, "bytes", "an XML file, or the OME-XML in a TIFF")
NESTING = _limit("NESTING", 100, "levels", "nesting of JSON, YAML and XML")
WEIGHTS_BYTES = _limit("WEIGHTS_BYTES", 1 << 31, "bytes", "the weights of a network")

HARMLESS_BYTES = 64 << 20
"""Below this decoded size no ratio is suspicious: an empty label image compresses a thousandfold."""
HARMLESS_MOVIE_BYTES = 1 << 30
"""The same of a whole movie, which is decoded frame by frame."""
