"""Decode the bytes of a PNG, TIFF or JPEG, and detect and name every defect."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
from scipy import ndimage

from somanet.core.foreign import parsing
from somanet.core.problems import FileProblem
from somanet.io.completeness import JPEG_MAGIC, PNG_MAGIC, TIFF_MAGICS, jpeg_cut, png_cut, tiff_cut
from somanet.io.declared_size import check_decoded_size, jpeg_size, open_tiff, png_pixels, png_size
from somanet.io.file_kinds import READ_BYTES, found_instead
from somanet.io.label_names import PICKLE_ENDING
from somanet.io.photometric import light_of
from somanet.io.tiff_scale import tiff_calibration
from somanet.io.tiff_segments import check_segments

IMAGE_DTYPES = ("uint8", "uint16", "float32")
_OTHER_NUMBERS = "iuf"
"""Kinds of further pixels, such as the signed ones of two-photon microscopes, read as float32."""
_GREY_ALPHA = 2
"""Channels of grey with transparency."""
_PNG_COLOUR_TYPE, _PNG_PALETTE = 25, 3
"""Place of the colour type in a PNG, and its value where pixels are numbers of colours (PNG specification, 11.2.1)."""


def decode_image(data: bytes, source: str) -> np.ndarray:
    """:func:`read_image` for bytes, for example from a zip; ``source`` names them in messages."""
    array = decode_pixels(data, source, as_light=True)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        channels = array.shape[-1] if array.ndim == 3 else array.shape
        raise FileProblem(
            f"{source}: expected a grey, RGB or RGBA image, found {channels} channels. Split or merge the channels "
            "(Fiji: Image > Color) and save again.",
            "wrong shape",
        )
    if array.dtype.kind not in _OTHER_NUMBERS:
        raise FileProblem(
            f"{source}: expected grey levels, found {array.dtype.name} pixels. Convert it (Fiji: Image > Type).",
            "wrong type",
        )
    array = usable(array, source)
    return array if array.dtype.name in IMAGE_DTYPES else array.astype(np.float32)


def decode_labels(data: bytes, source: str) -> np.ndarray:
    """:func:`read_labels` for bytes, for example from a zip; ``source`` names them in messages."""
    if data.startswith(JPEG_MAGIC):
        raise FileProblem(f"{source}: a JPEG cannot hold labels: compression alters ids. Save as TIFF.", "wrong type")
    return as_labels(_ids_of(decode_pixels(data, source), data, source), source)


def _ids_of(array: np.ndarray, data: bytes, source: str) -> np.ndarray:
    """The values of a label image that was saved in colours: the grey of equal ones, or the numbers of a palette."""
    if array.ndim == 2:
        return array
    colours = array[..., : 1 if array.shape[-1] == _GREY_ALPHA else 3]  # without transparency
    if array.ndim == 3 and (colours == colours[..., :1]).all():
        return colours[..., 0]
    if data.startswith(PNG_MAGIC) and data[_PNG_COLOUR_TYPE] == _PNG_PALETTE:
        from PIL import Image  # the one reader that leaves a palette's numbers as they are

        with parsing(source, "a PNG"), Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return np.asarray(picture)
    raise FileProblem(
        f"{source}: expected one label image (height × width), found shape {array.shape}. "
        "Is it a coloured overlay? Save the label image itself.",
        "wrong shape",
    )


def as_labels(array: np.ndarray, source: str) -> np.ndarray:
    """Check that values are object ids, and return them as int32.

    Raises:
        FileProblem: fractions, NaN, negative ids or ids past 2³¹.
    """
    if array.dtype.kind == "f":
        check_finite(array, source)
        if not np.array_equal(array, np.rint(array)):
            raise FileProblem(
                f"{source}: expected object ids (whole numbers), found fractions such as "
                f"{array[array != np.rint(array)][0]:g}. Is it a probability map? Threshold it and label its "
                "objects first. Or were labels resized? Resize them without interpolation.",
                "wrong type",
            )
    elif array.dtype.kind not in "uib":
        raise FileProblem(f"{source}: expected object ids (whole numbers), found {array.dtype.name}.", "wrong type")
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int32).max):
        raise FileProblem(
            f"{source}: expected object ids of 0 to 2147483647, found {array.min():g} to {array.max():g}. "
            "Relabel the objects from 1.",
            "wrong type",
        )
    return array.astype(np.int32)


def usable(image: np.ndarray, source: str) -> np.ndarray:
    """An image without NaN or infinity: NaN joined to the border, as registration leaves it, becomes the 0 of no data.

    Where the image itself reaches down to 0, that would be a brightness, and these pixels take its median.

    Args:
        image: YX or YXC, any real type. A colour pixel holds no data if all its channels are NaN.
        source: the file, for messages.

    Raises:
        FileProblem: NaN elsewhere, infinity, or nothing but NaN.
    """
    if image.dtype.kind != "f":
        return image
    empty = np.isnan(image) if image.ndim == 2 else np.isnan(image).all(axis=-1)
    if empty.any() and not empty.all():
        regions, _ = ndimage.label(empty, structure=np.ones((3, 3)))
        at_border = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
        empty &= np.isin(regions, at_border)
        data = image[~empty]
        image = image.copy()
        image[empty] = 0 if np.nanmin(data) > 0 else np.nanmedian(data)
    check_finite(image, source)
    return image


def check_finite(array: np.ndarray, source: str) -> None:
    """Refuse NaN and infinity, which spread through every later mean, and what is infinite as float32.

    Raises:
        FileProblem: with the number of such pixels.
    """
    bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if not bad and array.dtype.itemsize > 4 and array.size:
        largest = np.finfo(np.float32).max
        if extreme := int(np.count_nonzero(array > largest) + np.count_nonzero(array < -largest)):
            raise FileProblem(
                f"{source}: expected pixels up to {largest:.1e}, found larger ones, {extreme} of {array.size}. Is the "
                "image damaged? Divide it by its largest value otherwise.",
                "not finite",
            )
    if bad:
        raise FileProblem(
            f"{source}: expected finite pixels, found {bad} NaN or infinite of {array.size}. Division upstream leaves "
            "these, and registration at borders. NaN joined to the border is taken for no data in an image; set the "
            "others to the background.",
            "not finite",
        )


def pixel_size_um(data: bytes, source: str) -> float | None:
    """µm per pixel if the bytes are a TIFF with a scale, else None (PNG and JPEG hold a print resolution)."""
    if not data.startswith(TIFF_MAGICS):
        return None
    with parsing(source, "a TIFF"), open_tiff(io.BytesIO(data), source) as tiff:
        return tiff_calibration(tiff, source, n_frames=1).pixel_size_um


def decode_pixels(data: bytes, source: str, *, as_light: bool = False) -> np.ndarray:
    """Pixels of a PNG, TIFF or JPEG, checked for completeness, in native byte order.

    Args:
        data: the file's bytes.
        source: the file, for messages.
        as_light: as intensities, where a TIFF says that 0 is white, see :mod:`somanet.io.photometric`. Labels are no
            intensities.
    """
    if not data:
        raise FileProblem(
            f"{source}: the file is empty (0 bytes). Was a copy interrupted? Fetch it again.", "truncated"
        )
    kind = kind_of_image(data)
    if kind is None:
        if source.endswith(PICKLE_ENDING):
            raise FileProblem(
                f"{source}: expected an image, found Cellpose's own file, which is not read, as such a file can run "
                "programs. Give the image itself; its masks are saved in Cellpose (File > Save masks as PNG/tif).",
                "not an image",
            )
        raise FileProblem(
            f"{source}: expected a PNG, TIFF or JPEG image, found {found_instead(data[:READ_BYTES])}", "not an image"
        )
    with parsing(source, f"a {kind}", remedy="It is damaged. Fetch it again."):
        if kind == "TIFF":
            cut = tiff_cut(io.BytesIO(data), len(data), source)
        else:
            cut = png_cut(data) if kind == "PNG" else jpeg_cut(data)
        if cut:
            raise FileProblem(
                f"{source}: the {kind} is truncated: {cut}. Was a copy or download interrupted? Fetch it again.",
                "truncated",
            )
        if kind == "TIFF":
            return _decode_tiff(data, source, as_light=as_light)
        if kind == "JPEG":
            return _decode_jpeg(data, source)
        check_decoded_size(*png_size(data), stored=len(data), source=source)
        return np.asarray(imagecodecs.png_decode(png_pixels(data)))


def kind_of_image(data: bytes) -> str | None:
    """PNG, JPEG or TIFF, by the first bytes; None for anything else."""
    if data.startswith(PNG_MAGIC):
        return "PNG"
    if data.startswith(JPEG_MAGIC):
        return "JPEG"
    return "TIFF" if data.startswith(TIFF_MAGICS) else None


def _decode_jpeg(data: bytes, source: str) -> np.ndarray:
    height, width, n_bytes = jpeg_size(data)
    check_decoded_size(height, width, n_bytes, stored=len(data), source=source)
    array = np.asarray(imagecodecs.jpeg8_decode(data))
    if array.ndim == 3 and array.shape[2] == 4:
        raise FileProblem(f"{source}: expected a grey or RGB JPEG, found CMYK. Save it as PNG in RGB.", "wrong type")
    return array


def _decode_tiff(data: bytes, source: str, *, as_light: bool) -> np.ndarray:
    with open_tiff(io.BytesIO(data), source) as tiff:
        series = tiff.series[0]
        if len(tiff.series) > 1 and tiff.series[1].shape == series.shape:
            raise FileProblem(
                f"{source}: expected one image, found {len(tiff.series)}. Is it a movie? Open it as one.",
                "wrong shape",
            )
        axes, shape = series.axes, series.shape
        if axes not in ("YX", "YXS", "SYX"):
            sizes = ", ".join(f"{axis}={size}" for axis, size in zip(axes, shape, strict=True))
            raise FileProblem(
                f"{source}: expected one grey or colour image, found axes {sizes}. "
                "Is it a movie or a stack? `somanet predict` takes --channel and --z; or save one plane.",
                "wrong shape",
            )
        for page in series.pages:
            if page is not None:
                check_segments(page, source)
        array = light_of(tiff, source).of(series.asarray()) if as_light else series.asarray()
        if axes == "SYX":
            array = np.moveaxis(array, 0, -1)
        return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
