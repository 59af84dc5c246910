"""A movie's folder of results: made beside its place and moved in whole, so that a failure leaves the old one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from somanet.analysis import names
from somanet.errors import SomaNetError
from somanet.files import make_folder


def check_output(output: Path) -> None:
    """Refuse, before the work and not after it, a place that holds other things than results.

    Raises:
        SomaNetError: it is a file, or a folder with content and without a manifest.
    """
    if output.exists() and not output.is_dir():
        raise SomaNetError(f"{output} is a file; expected a folder for the results. Choose another --output.")
    if output.is_dir() and any(output.iterdir()) and not (output / names.MANIFEST).is_file():
        raise SomaNetError(
            f"{output} holds other things than results of an analysis, which could be overwritten. Choose a new or "
            "empty folder for --output."
        )


@contextmanager
def staged(output: Path) -> Iterator[Path]:
    """A folder to write results into; when the block succeeds, they replace those in ``output``, file by file.

    Files that an analysis does not write, such as corrected tracks, stay. When the block fails nothing changes.
    """
    check_output(output)
    make_folder(output.parent)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-", suffix=".part") as name:
        folder = Path(name)
        yield folder
        make_folder(output)
        optional = {names.LABELS_TIFF, names.LABELS_ZARR, names.OVERLAY, names.REPORT, names.SOMAS}
        for path in output.iterdir():
            if path.name in optional and not (folder / path.name).exists():
                _remove(path)  # of an analysis before, which this one does not describe
        for path in sorted(folder.iterdir()):
            if path.name[0] == ".":
                continue
            target = output / path.name
            if target.is_dir():
                _remove(target)
            path.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
