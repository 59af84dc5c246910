"""Microscopes' own formats, written here: axes, positions, channels and scale come out as they went in."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.core import extras
from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem, StackProblem
from somanet.io import trial_opening
from somanet.io.movies import open_movie

T, Z, C, Y, X = 4, 3, 2, 23, 37
PIXELS = np.random.default_rng(0).permutation(2 * T * Z * C * Y * X).reshape(2, T, Z, C, Y, X).astype(np.uint16)
"""Two positions."""


def write_czi(path: Path) -> Path:
    czi = pytest.importorskip("pylibCZIrw.czi")
    with czi.create_czi(str(path)) as file:
        for s, t, z, c in np.ndindex(2, T, Z, C):
            file.write(PIXELS[s, t, z, c, ..., None], location=(s * 2 * X, 0), plane={"T": t, "Z": z, "C": c}, scene=s)
        file.write_metadata(channel_names={0: "DAPI", 1: "GFP"}, scale_x=0.65e-6, scale_y=0.65e-6, scale_z=2e-6)
    return path


def write_lif(path: Path) -> Path:
    """Leica's layout: XML in UTF-16, then a block of pixels for every image."""
    pytest.importorskip("liffile")

    def image(s: int) -> str:
        steps = (("1", X, "m", 0.65e-6, 2), ("2", Y, "m", 0.65e-6, 2 * X), ("3", Z, "m", 2e-6, 2 * X * Y * C),
                 ("4", T, "s", 600.0, 2 * X * Y * C * Z))  # fmt: skip
        dimensions = "".join(
            f'<DimensionDescription DimID="{n}" NumberOfElements="{size}" Origin="0" Length="{step * (size - 1)}" '
            f'Unit="{unit}" BitInc="0" BytesInc="{inc}"/>'
            for n, size, unit, step, inc in steps
        )
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" '
            f'Max="1" Unit="" LUTName="Green" IsLUTInverted="0" BytesInc="{c * 2 * X * Y}" BitInc="0"/>'
            for c in range(C)
        )
        return (
            f'<Element Name="Position {s + 1}" UniqueID="{s}"><Memory Size="{PIXELS[s].nbytes}" MemoryBlockID="B{s}"/>'
            f"<Data><Image><ImageDescription><Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions>"
            "</ImageDescription></Image></Data></Element>"
        )

    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="project"><Children>'
        + "".join(map(image, range(2)))
        + "</Children></Element></LMSDataContainerHeader>"
    )
    blocks = [struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)) + xml.encode("utf-16-le")]
    for s in range(2):
        name = f"B{s}"
        head = struct.pack("<IIBQBI", 0x70, 2 * len(name) + 14, 0x2A, PIXELS[s].nbytes, 0x2A, len(name))
        blocks.append(head + name.encode("utf-16-le") + np.ascontiguousarray(PIXELS[s]).tobytes())
    path.write_bytes(b"".join(blocks))
    return path


def nd2_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(data)) + name + data


def nd2_value(name: str, kind: int, raw: bytes) -> bytes:
    return struct.pack("BB", kind, len(name) + 1) + f"{name}\0".encode("utf-16-le") + raw


def nd2_level(name: str, *values: bytes, **numbers: float) -> bytes:
    """Whole numbers and real ones by their names, and further values."""
    items = [
        nd2_value(key, 3, struct.pack("<I", number)) if isinstance(number, int) else
        nd2_value(key, 6, struct.pack("<d", number)) for key, number in numbers.items()
    ] + [*values]  # fmt: skip
    head, body = nd2_value(name, 11, b""), b"".join(items)
    return head + struct.pack("<IQ", len(items), len(head) + 12 + len(body)) + body + bytes(8 * len(items))


def write_nd2(path: Path, pixels: bytes, about: bytes | None = None) -> Path:
    """Nikon's layout of one image of Y × X: named chunks, and a map of them at the end."""
    attributes = nd2_level(
        "SLxImageAttributes", uiWidth=X, uiHeight=Y, uiWidthBytes=2 * X, uiComp=1, uiBpcInMemory=16,
        uiBpcSignificant=16, uiSequenceCount=1, eCompression=0, dCompressionParam=0.0, uiTileWidth=X, uiTileHeight=Y,
    )  # fmt: skip
    name = nd2_value("sDescription", 8, "GFP\0".encode("utf-16-le"))
    plane = nd2_level("a0", name, nd2_level("pFluorescentProbe", uiX=1), uiCompCount=1, uiColor=65280)
    planes = nd2_level("sPicturePlanes", nd2_level("sPlaneNew", plane), uiCount=1, uiCompCount=1)
    metadata = nd2_level(
        "SLxPictureMetadata", planes, nd2_value("bCalibrated", 1, b"\1"), dTimeAbsolute=2451545.0, dCalibration=0.65,
        dAspect=1.0, dObjectiveMag=20.0, dObjectiveNA=0.5, dRefractIndex1=1.0, dZoom=1.0, dPinholeRadius=-1.0,
    )  # fmt: skip
    parts = {
        b"ImageAttributesLV!": attributes if about is None else about, b"ImageMetadataSeqLV|0!": metadata,
        b"ImageDataSeq|0!": bytes(8) + pixels,
    }  # fmt: skip
    data = nd2_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"))
    places = b""
    for key, part in parts.items():
        places += key + struct.pack("<QQ", len(data), len(part))
        data += nd2_chunk(key, part)
    places += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(data))
    path.write_bytes(data + nd2_chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places))
    return path


def deflated(n_bytes: int) -> bytes:
    """Zeros, compressed in blocks that begin anew, so that one of them can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"\x78\x9c" + (packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)) * (n_bytes >> 24)


def test_a_compressed_nd2(tmp_path: Path) -> None:
    pytest.importorskip("nd2")
    path = write_nd2(tmp_path / "a.nd2", zlib.compress(PIXELS[0, 0, 0, 0].tobytes()))
    with open_movie(path) as movie:
        np.testing.assert_array_equal(movie.frame(0), PIXELS[0, 0, 0, 0])
        assert movie.file_calibration.pixel_size_um == pytest.approx(0.65)


def test_an_nd2_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    """In a frame, which nd2 decodes to its end; or in what the file says of itself, which is read at once."""
    pytest.importorskip("nd2")
    with open_movie(write_nd2(tmp_path / "a.nd2", deflated(1 << 31))) as movie:
        tracemalloc.start()
        with pytest.raises(FileProblem, match=r"a\.nd2: frame 0 of 1 .*unpack to more than"):
            movie.frame(0)
        assert tracemalloc.get_traced_memory()[1] < 1 << 28
        tracemalloc.stop()
    about = b"\x4c\0" + bytes(10) + deflated(trial_opening.MEMORY_BYTES)
    with pytest.raises(FileProblem, match=r"b\.nd2: opening the ND2 takes over 1 GB of memory"):
        open_movie(write_nd2(tmp_path / "b.nd2", b"", about))


WRITERS = {"a.czi": write_czi, "a.lif": write_lif}


@pytest.mark.parametrize("name", WRITERS)
def test_positions_channels_planes_and_scale(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name)
    with pytest.raises(FileProblem, match=r"2 positions or series: 0.*, 1.*--position"):
        open_movie(path, channel=0, z=0)
    with pytest.raises(StackProblem, match=rf"a Z stack of {Z} planes"):
        open_movie(path, position=0)
    with pytest.raises(FileProblem, match=r"one channel, found 2: 0.*, 1"):
        open_movie(path, position=0, z=0)
    with pytest.raises(FileProblem, match="there is no position 2; the file has 0"):
        open_movie(path, position=2)
    for s, c in np.ndindex(2, C):
        with open_movie(path, position=s, channel=c, z=2) as movie:
            assert (movie.n_frames, movie.shape_YX, movie.n_channels, movie.dtype) == (T, (Y, X), C, np.uint16)
            np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[s, :, 2, c])
            np.testing.assert_array_equal(movie.frame(0), PIXELS[s, 0, 2, c])  # back to the beginning
            assert movie.file_calibration.pixel_size_um == pytest.approx(0.65)
        with open_movie(path, position=str(s), channel=c, z="max") as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[s, :, :, c].max(axis=1))
    with open_movie(path, position=1, axes="ZTCYX" if name == "a.lif" else None, channel=1, z=0) as movie:
        assert movie.n_frames == (Z if name == "a.lif" else T)


def test_names_of_channels_and_positions(tmp_path: Path) -> None:
    with open_movie(write_czi(tmp_path / "a.czi"), position=0, channel="gfp", z=1) as movie:
        np.testing.assert_array_equal(movie.frame(3), PIXELS[0, 3, 1, 1])
    with open_movie(write_lif(tmp_path / "a.lif"), position="Position 2", channel=0, z=1) as movie:
        np.testing.assert_array_equal(movie.frame(3), PIXELS[1, 3, 1, 0])
        assert movie.file_calibration.frame_interval_min == pytest.approx(10)


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_cut_or_another_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    data = WRITERS[name](tmp_path / name).read_bytes()
    for damaged in (b"", data[:10], data[: len(data) // 2], b"II*\0" + data[4:], b"\x70\0\0\0" + b"\xff" * 60):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(SomaNetError) as caught, open_movie(tmp_path / name, position=1, channel=0, z=0) as movie:
            list(movie)
        assert "\n" not in str(caught.value)
        assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"II*\0 no ND2", b"\xda\xce\xbe\n" + b"\0" * 200])
def test_what_is_no_nd2(tmp_path: Path, damage: bytes) -> None:
    pytest.importorskip("nd2")
    (tmp_path / "a.nd2").write_bytes(damage)
    with pytest.raises(FileProblem, match=r"a\.nd2.*expected a movie") as caught:
        open_movie(tmp_path / "a.nd2")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "package"), [("a.nd2", "nd2"), ("a.czi", "pylibCZIrw"), ("a.lif", "liffile")])
def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    (tmp_path / name).write_bytes(b"any")
    monkeypatch.setattr(extras, "_found", lambda name: False)
    words = (
        rf"Reading {name} needs {package}, not found here: pip install 'somanet\[{name[2:]}\]', or save .*Bio-Formats"
    )
    with pytest.raises(SomaNetError, match=words):
        open_movie(tmp_path / name)


def write_lsm(path: Path, um: float = 0.65, seconds: float = 90.0) -> Path:
    """Zeiss' layout: a page of all channels for each time point and plane, and a thumbnail after each."""
    pixels = PIXELS[0].swapaxes(1, 2)  # C planes of Z channels: of two, Zeiss writes the bits per sample in its own way
    fields = struct.pack("<Ii", 67127628, 204) + struct.pack("<iiiii", X, Y, C, Z, T) + struct.pack("<iii", 2, 8, 8)
    fields += (
        struct.pack("<ddd", um * 1e-6, um * 1e-6, 2e-6) + struct.pack("<ddd", 0, 0, 0) + struct.pack("<HHI", 6, 0, 0)
    )
    fields += struct.pack("<IIII", 0, 0, 0, 0) + struct.pack("<d", seconds) + b"\0" * 256
    tag = [(34412, 1, len(fields), fields, True)]
    thumbnail = np.zeros((Z, 8, 8), np.uint16)
    options = {"photometric": "minisblack", "planarconfig": "separate", "metadata": None}
    with tifffile.TiffWriter(path, byteorder="<") as tiff:
        for t, z in np.ndindex(T, C):
            tiff.write(pixels[t, z], extratags=tag if not t and not z else (), **options)
            tiff.write(thumbnail, subfiletype=1, **options)
    return path


def test_lsm(tmp_path: Path) -> None:
    path = write_lsm(tmp_path / "a.lsm")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_lsm
    with pytest.raises(StackProblem, match=r"T=4, Z=2, C=3, Y=23, X=37"):
        open_movie(path)
    for c in range(Z):
        with open_movie(path, channel=c, z=1) as movie:
            np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[0, :, c, 1])
            assert movie.file_calibration.pixel_size_um == pytest.approx(0.65)
            assert movie.file_calibration.frame_interval_min == pytest.approx(1.5)


def write_stk(path: Path) -> Path:
    """MetaMorph's layout: one page, all planes one after the other; their number is that of private values."""
    times = [(2460000, 3_600_000 + 600_000 * t) for t in range(T)]  # Julian day, ms of the day
    numbers = [n for day, ms in times for n in (0, 1, day, ms, day, ms)]  # Z distance as a fraction, created, modified
    frames = np.ascontiguousarray(PIXELS[0, :, 0, 0])
    with tifffile.TiffWriter(path, byteorder="<") as tiff:
        tiff.write(
            frames[0],
            photometric="minisblack",
            metadata=None,
            extratags=[(33628, 4, 2, (0, 1), True), (33629, 5, 3 * T, struct.pack(f"<{6 * T}I", *numbers), True)],
        )
    with tifffile.TiffFile(path) as tiff:
        offset, size = tiff.pages[0].dataoffsets[0], tiff.filehandle.size
        tags = [(tiff.pages[0].tags[code], count) for code, count in ((33628, 1), (33629, T))]
    assert offset + frames[0].nbytes == size  # the other planes follow
    with path.open("r+b") as file:
        for tag, count in tags:  # MetaMorph counts values and planes, not numbers
            file.seek(tag.offset + 4)
            file.write(struct.pack("<I", count))
        file.seek(0, 2)
        file.write(frames[1:].tobytes())
    return path


def test_stk(tmp_path: Path) -> None:
    with open_movie(write_stk(tmp_path / "a.stk")) as movie:
        assert movie.n_frames == T
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[0, :, 0, 0])
        assert movie.file_calibration.frame_interval_min == pytest.approx(10)


def test_a_czi_that_would_end_the_process(tmp_path: Path) -> None:
    """An entry of the directory with more dimensions than there are: Zeiss' library reads past it, and crashes."""
    data = bytearray(write_czi(tmp_path / "a.czi").read_bytes())
    entry = data.index(b"DV", data.index(b"ZISRAWDIRECTORY") + 32 + 128)
    assert data[entry + 28] in range(4, 9)
    for last in range(data.rindex(b"DV") - 2000, len(data) - 30):
        if data[last : last + 6] == b"DV\x01\0\0\0":
            data[last + 28] = 134
    (tmp_path / "a.czi").write_bytes(data)
    with pytest.raises(FileProblem, match=r"a\.czi") as caught:
        open_movie(tmp_path / "a.czi", position=0, channel=0, z=0)
    assert "\n" not in str(caught.value)
