"""Single images and label images: PNG, TIFF and JPEG in, PNG and TIFF out."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.foreign import file_bytes
from somanet.core.limits import IMAGE_BYTES
from somanet.io.decoding import IMAGE_DTYPES, decode_image, decode_labels

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")


def read_image(path: Path | str) -> np.ndarray:
    """One image as stored.

    Args:
        path: a PNG, TIFF or JPEG file.

    Returns:
        YX (grey) or YXC (C = 3 or 4, RGB order); uint8, uint16 or float32, as which other numbers are read.

    Raises:
        FileProblem: the file is missing, truncated, unreadable, not an image, a stack or movie, without grey levels,
            or holds infinity, or NaN away from the border.
    """
    return decode_image(file_bytes(path, "an image", IMAGE_BYTES), str(path))


def read_labels(path: Path | str) -> np.ndarray:
    """One label image.

    Args:
        path: a TIFF or PNG whose pixel values are object ids. Integers stored as float (as Fiji does) are accepted.

    Returns:
        YX int32, 0 = background.

    Raises:
        FileProblem: as :func:`read_image`; also colours, fractions, or negative ids.
    """
    return decode_labels(file_bytes(path, "a label image", IMAGE_BYTES), str(path))


def write_image(path: Path | str, image: np.ndarray) -> None:
    """Write an image atomically.

    Args:
        path: the suffix chooses PNG (uint8 and uint16 only) or zlib TIFF (float32 too).
        image: YX or YXC (C = 3 or 4).

    Raises:
        SomaNetError: the suffix, shape or data type is not supported, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".tif", ".tiff"):
        raise SomaNetError(f"Cannot write {path}: expected the suffix .png or .tif, found '{path.suffix}'.")
    if path.suffix.lower() == ".png":
        data = encode_png(image, str(path))
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
        return
    _check_writable(image, IMAGE_DTYPES, str(path))
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            np.ascontiguousarray(image),
            photometric="minisblack" if image.ndim == 2 else "rgb",
            compression="zlib",
            metadata=None,
        )


def encode_png(image: np.ndarray, source: str) -> bytes:
    """PNG bytes of a uint8 or uint16 image, YX or YXC; the same pixels always give the same bytes.

    Raises:
        SomaNetError: PNG does not support the shape or data type.
    """
    _check_writable(image, ("uint8", "uint16"), source)
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))


def _check_writable(image: np.ndarray, dtypes: tuple[str, ...], source: str) -> None:
    if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        raise SomaNetError(f"Cannot write {source}: expected a YX, YX3 or YX4 image, found shape {image.shape}.")
    if image.dtype.name not in dtypes:
        raise SomaNetError(
            f"Cannot write {source}: expected {' or '.join(dtypes)} pixels, found {image.dtype.name}. "
            "Write .tif for float32, or convert the image."
        )


def write_labels(path: Path | str, labels: np.ndarray) -> None:
    """Write a label image, or a movie of them, atomically as zlib TIFF.

    Args:
        path: ends in .tif or .tiff.
        labels: YX or TYX integers, 0 = background. Stored as uint16 where ids fit, else uint32.

    Raises:
        SomaNetError: the suffix, shape or values are not supported, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise SomaNetError(f"Cannot write {path}: expected the suffix .tif for labels, found '{path.suffix}'.")
    if labels.ndim not in (2, 3) or labels.size == 0:
        raise SomaNetError(f"Cannot write {path}: expected YX or TYX labels, found shape {labels.shape}.")
    if labels.dtype.kind not in "uib" or labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        raise SomaNetError(
            f"Cannot write {path}: expected object ids of 0 to 2147483647, found {labels.dtype.name} "
            f"{labels.min()} to {labels.max()}."
        )
    dtype = np.uint16 if labels.max() <= np.iinfo(np.uint16).max else np.uint32
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            labels.astype(dtype),
            photometric="minisblack",
            compression="zlib",
            # With ImageJ's own header Fiji shows time as time; the format has no 32-bit integers.
            imagej=dtype == np.uint16,
            metadata={"axes": "TYX" if labels.ndim == 3 else "YX"},
        )
