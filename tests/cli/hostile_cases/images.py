"""Images and movies."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import tifffile
import zarr

from tests.cli.hostile import (
    FRAMES,
    LAUGHS,
    T,
    X,
    Y,
    jpeg,
    ome,
    page,
    png_bomb,
    png_text_bomb,
    tiff_pages,
    zarr_array,
)
from tests.cli.hostile_cases.base import ANALYZE, PREDICT, Cases, case, file

CASES: Cases = {}

for kind, name, data, words in (
    (
        "a TIFF of 250 bytes that declares 8192 × 8192",
        "a.tif",
        tiff_pages(page(8192, 8192, t258=(3, [32]))),
        "IMAGE_RATIO",
    ),
    (
        "a TIFF that declares 16384 × 16384",
        "a.tif",
        tiff_pages(page(16384, 16384)),
        "SOMANET_MAX_IMAGE_PIXELS=268435456",
    ),
    ("a TIFF of 4 billion squared", "a.tif", tiff_pages(page(2**32 - 1, 2**32 - 1)), "IMAGE_PIXELS"),
    ("a TIFF of no pixels", "a.tif", tiff_pages(page(0, 0)), r"a\.tif"),
    ("a TIFF without tags of size", "a.tif", tiff_pages({258: (3, [8])}), r"a\.tif"),
    ("a TIFF of 65535 values per pixel", "a.tif", tiff_pages(page(t277=(3, [65535]))), r"a\.tif"),
    ("a TIFF of an unknown compression", "a.tif", tiff_pages(page(compression=4711)), r"a\.tif"),
    ("a TIFF of an absurd rows per strip", "a.tif", tiff_pages(page(t278=(4, [0]))), r"a\.tif"),
    ("a BigTIFF with offsets beyond 2⁶³", "a.tif", b"II+\0\x08\0\0\0" + b"\xff" * 8, r"a\.tif: the TIFF is truncated"),
    ("a BigTIFF of 2⁶³ tags", "a.tif", b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + b"\xff" * 40, "TIFF_TAGS"),
    (
        "a TIFF with a list of 4 billion strips",
        "a.tif",
        tiff_pages(page(t273=(4, [8] * 3))).replace(
            struct.pack("<HHI", 273, 4, 3), struct.pack("<HHI", 273, 4, 2**32 - 1)
        ),
        r"a\.tif",
    ),
    (
        "OME-TIFF of 999999999 time points",
        "a.tif",
        tiff_pages(page(t270=(2, ome(SizeT=999999999)))),
        "SOMANET_MAX_PAGES",
    ),
    ("OME-TIFF of minus one time point", "a.tif", tiff_pages(page(t270=(2, ome(SizeT=-1)))), r"a\.tif"),
    ("OME-TIFF of x time points", "a.tif", tiff_pages(page(t270=(2, ome(SizeT="x")))), r"a\.tif"),
    (
        "OME-TIFF that laughs",
        "a.tif",
        tiff_pages(page(t270=(2, LAUGHS.encode() + b"<OME>&a9;</OME>\0"))),
        "entities|a.tif",
    ),
    (
        "ImageJ TIFF of 999999999 frames",
        "a.tif",
        tiff_pages(page(compression=1, t270=(2, b"ImageJ=1.53\nimages=999999999\nframes=999999999\n\0"))),
        r"a\.tif",
    ),
    ("ImageJ TIFF of x slices", "a.tif", tiff_pages(page(t270=(2, b"ImageJ=1.53\nimages=3\nslices=x\n\0"))), r"a\.tif"),
    (
        "a TIFF with a shape of 10¹²",
        "a.tif",
        tiff_pages(page(t270=(2, b'{"shape": [1000000000000, 64, 96]}\0'))),
        r"a\.tif",
    ),
    ("a TIFF whose pages point back", "a.tif", tiff_pages(page(), page())[:-4] + struct.pack("<I", 8), r"a\.tif"),
    ("a PNG that declares 200000²", "a.png", png_bomb(200_000, 200_000), "IMAGE_PIXELS=40000000000"),
    ("a PNG of 100 bytes that declares 8192²", "a.png", png_bomb(8192, 8192), r"a\.png"),
    ("a PNG with a text of 200 MB", "a.png", png_text_bomb(), ""),
    ("a PNG without its header", "a.png", b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IEND" + bytes(20), r"a\.png"),
    ("a JPEG that declares 65500²", "a.jpg", jpeg(65500, 65500), "IMAGE_PIXELS"),
    ("a JPEG without data", "a.jpg", jpeg(64, 96), r"a\.jpg"),
    ("an empty image", "a.png", b"", "is empty"),
    ("an empty movie", "a.tif", b"", "is empty"),
    (
        "a video of text",
        "a.mp4",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        r"a\.mp4: expected MP4, found a text that starts with '#EXTM3U'",
    ),
    ("an empty video", "a.avi", b"", r"a\.avi"),
    ("a video of noise", "a.mkv", bytes(range(256)) * 40, r"a\.mkv"),
    ("a zip of noise", "a.zip", b"PK\3\4" + bytes(range(256)) * 4, r"a\.zip"),
    (
        "a zip that declares a directory of 4 GB",
        "a.zip",
        b"PK\5\6" + bytes(8) + struct.pack("<II", 2**32 - 2, 0) + bytes(2),
        "ARCHIVE_FILES",
    ),
):
    CASES[kind] = file(name, data), PREDICT.format(name), words


def ome_zarr(folder: Path, **attributes: object) -> None:
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    group.create_array("0", shape=(T, Y, X), chunks=(1, Y, X), dtype="uint8")
    (folder / ".zattrs").write_text(json.dumps(attributes))


for kind, change, words in (
    ("a zarr of 10¹² frames", {"shape": [10**12, Y, X]}, "SOMANET_MAX_FRAMES=1000000000000"),
    ("a zarr of frames of 10⁵ squared", {"shape": [T, 10**5, 10**5]}, "IMAGE_PIXELS=10000000000"),
    ("a zarr of chunks of 10¹⁰", {"chunks": [1, 10**5, 10**5]}, "CHUNK_BYTES"),
    ("a zarr of a negative shape", {"shape": [-1, Y, X]}, r"\.zarray: expected the shape"),
    ("a zarr of half a pixel", {"shape": [T, Y, 0.5]}, r"\.zarray: expected the shape"),
    ("a zarr of 30 axes", {"shape": [1] * 30, "chunks": [1] * 30}, r"\.zarray: expected the shape"),
    ("a zarr of an unknown type", {"dtype": "<x9"}, r"m\.zarr"),
    ("a zarr of an unknown compressor", {"compressor": {"id": "none such"}}, r"m\.zarr"),
    ("a zarr of format x", {"zarr_format": "x"}, r"m\.zarr"),
):
    CASES[kind] = (
        (lambda folder, change=change: zarr_array(folder / "m.zarr", **change)),
        PREDICT.format("m.zarr"),
        words,
    )
for kind, attributes, words in (
    ("OME-Zarr without multiscales", {"multiscales": []}, r"m\.zarr: expected OME-Zarr metadata"),
    ("OME-Zarr whose metadata are a number", {"ome": 3}, r"m\.zarr: expected OME-Zarr metadata"),
    (
        "OME-Zarr whose path leads out",
        {"multiscales": [{"datasets": [{"path": "../../x"}], "axes": ["t", "y", "x"]}]},
        "m.zarr",
    ),
    (
        "OME-Zarr of a scale of 1e308 m",
        {
            "multiscales": [
                {
                    "axes": [{"name": n, "unit": "meter"} for n in "tyx"],
                    "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1e308] * 3}]}],
                }
            ]
        },
        "",
    ),
):
    CASES[kind] = (
        (lambda folder, attributes=attributes: ome_zarr(folder / "m.zarr", **attributes)),
        PREDICT.format("m.zarr"),
        words,
    )


@case(
    CASES,
    "a zarr whose _ARRAY_DIMENSIONS are too many",
    PREDICT.format("m.zarr"),
    r"m\.zarr: the metadata name the axes",
)
def _(folder: Path) -> None:
    (zarr_array(folder / "m.zarr") / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["t", "z", "y", "x"]}')


@case(CASES, "a zarr whose metadata are nested 10⁵ deep", PREDICT.format("m.zarr"), "nested too deeply|NESTING")
def _(folder: Path) -> None:
    (zarr_array(folder / "m.zarr") / ".zattrs").write_text('{"a":' * 10**5 + "1" + "}" * 10**5)


@case(CASES, "a zarr with a pipe as a chunk", PREDICT.format("m.zarr"), "is a device or a pipe")
def _(folder: Path) -> None:
    os.mkfifo(zarr_array(folder / "m.zarr") / "0.0.0")


@case(
    CASES,
    "a movie whose pixels are 1e308 m",
    ANALYZE.replace(" --pixel-size-um 1", ""),
    "--pixel-size-um was not given",
)
def _(folder: Path) -> None:
    unit = b'<Pixels PhysicalSizeX="1e308" PhysicalSizeXUnit="m" '
    tifffile.imwrite(folder / "m.tif", FRAMES, metadata={"axes": "TYX"}, ome=True, photometric="minisblack")
    data = (folder / "m.tif").read_bytes()
    (folder / "m.tif").write_bytes(data.replace(b"<Pixels " + b'ID="Pixels:0" DimensionOrder="XYCZT" ', unit.ljust(47)))


@case(CASES, "a video whose codec is unknown", PREDICT.format("a.avi"), r"a\.avi")
def _(folder: Path) -> None:
    write_video(folder / "a.avi")
    data = (folder / "a.avi").read_bytes()
    (folder / "a.avi").write_bytes(data.replace(b"FFV1", b"Q~x0"))


@case(CASES, "a video that declares 60000 × 60000", PREDICT.format("a.avi"), r"a\.avi")
def _(folder: Path) -> None:
    write_video(folder / "a.avi")
    data = (folder / "a.avi").read_bytes()
    (folder / "a.avi").write_bytes(data.replace(struct.pack("<II", X, Y), struct.pack("<II", 60000, 60000)))


def write_video(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = X, Y, "gray"
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
