"""Input that is broken or hostile: one line that names the file, exit status 1, bounded memory and time.

Each case is a kind and goes through the real command, in a process of its own that may take 2 GB more than this one
and 20 s of processor time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import zarr
from safetensors.torch import save_file

from somanet.core.calibration import Calibration
from somanet.core.hashing import sha256_file
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import write_image, write_labels
from somanet.io.movies import write_movie
from somanet.tracking.formats import read_tracks
from tests.cli.hostile import (
    ALIASES,
    FRAMES,
    IMAGE,
    LABELS,
    LAUGHS,
    MEMORY_BYTES,
    METRICS,
    TRACKS,
    T,
    X,
    Y,
    jpeg,
    limited,
    ome,
    page,
    png_bomb,
    png_text_bomb,
    run_limited,
    tiff_pages,
    trackmate,
    zarr_array,
)
from tests.worlds import scene

Maker = Callable[[Path], object]
CASES: dict[str, tuple[Maker, str, str]] = {}
"""Kind → what makes its files in a folder, the command, and words of the message."""


def case(kind: str, command: str, words: str) -> Callable[[Maker], Maker]:
    def add(maker: Maker) -> Maker:
        assert kind not in CASES
        CASES[kind] = maker, command, words
        return maker

    return add


def file(name: str, content: bytes | str) -> Maker:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


ANALYZE = "analyze m.tif --output out --pixel-size-um 1 --frame-interval-min 5"
PREDICT = "predict {} --output out"
CONVERT = "tracks convert {} out.csv --pixel-size-um 1 --frame-interval-min 5"
TRAIN = "train set --output net --set training.epochs=1 --set training.size_px=32"

# Images and movies
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
    ("a video of text", "a.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", r"a\.mp4: expected a video"),
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


@case("a zarr whose _ARRAY_DIMENSIONS are too many", PREDICT.format("m.zarr"), r"m\.zarr: the metadata name the axes")
def _(folder: Path) -> None:
    (zarr_array(folder / "m.zarr") / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["t", "z", "y", "x"]}')


@case("a zarr whose metadata are nested 10⁵ deep", PREDICT.format("m.zarr"), "nested too deeply|NESTING")
def _(folder: Path) -> None:
    (zarr_array(folder / "m.zarr") / ".zattrs").write_text('{"a":' * 10**5 + "1" + "}" * 10**5)


@case("a zarr with a pipe as a chunk", PREDICT.format("m.zarr"), "is a device or a pipe")
def _(folder: Path) -> None:
    os.mkfifo(zarr_array(folder / "m.zarr") / "0.0.0")


@case("a movie whose pixels are 1e308 m", ANALYZE.replace(" --pixel-size-um 1", ""), "--pixel-size-um was not given")
def _(folder: Path) -> None:
    unit = b'<Pixels PhysicalSizeX="1e308" PhysicalSizeXUnit="m" '
    tifffile.imwrite(folder / "m.tif", FRAMES, metadata={"axes": "TYX"}, ome=True, photometric="minisblack")
    data = (folder / "m.tif").read_bytes()
    (folder / "m.tif").write_bytes(data.replace(b"<Pixels " + b'ID="Pixels:0" DimensionOrder="XYCZT" ', unit.ljust(47)))


@case("a video whose codec is unknown", PREDICT.format("a.avi"), r"a\.avi")
def _(folder: Path) -> None:
    write_video(folder / "a.avi")
    data = (folder / "a.avi").read_bytes()
    (folder / "a.avi").write_bytes(data.replace(b"FFV1", b"Q~x0"))


@case("a video that declares 60000 × 60000", PREDICT.format("a.avi"), r"a\.avi")
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


# Tables and tracks
for kind, name, content, words in (
    ("a table of frame 10⁷", "t.csv", TRACKS + "1,10000000,1,1\n", "SOMANET_MAX_FRAMES=10000001"),
    ("a table of frame 10¹⁸", "t.csv", TRACKS + "1,1000000000000000000,1,1\n", r"t\.csv"),
    ("a table of frame 1e300", "t.csv", TRACKS + "1,1e300,1,1\n", r"t\.csv, line 4: expected a whole number"),
    ("a table of frame inf", "t.csv", TRACKS + "1,inf,1,1\n", r"t\.csv"),
    ("a table of 10⁵ columns", "t.csv", ",".join(f"c{i}" for i in range(10**5)) + "\n", "TABLE_COLUMNS=100000"),
    ("a table with a line of 100 MB", "t.csv", TRACKS + "1,2,3," + "9" * 10**8, "LINE_BYTES"),
    ("a table with NUL bytes", "t.csv", TRACKS.encode() + bytes(9), r"t\.csv: .*NUL bytes"),
    ("a cut table in UTF-16", "t.csv", TRACKS.encode("utf-16")[:-1], r"t\.csv: .*UTF-16.*UTF-8"),
    ("a table with an open quote", "t.csv", TRACKS + '1,2,"3,4\n' * 9, r"t\.csv"),
    (
        "a table with a longer line",
        "t.csv",
        TRACKS + "1,2,3,4,5,6,7\n",
        r"t\.csv, line 4: expected 4 cells.* found 7 cells",
    ),
    ("a table of 4 million rows", "t.csv", TRACKS + "1\n" * 4_000_000, "TABLE_ROWS"),
    ("an empty table", "t.csv", "", r"t\.csv: .*empty file"),
    (
        "TrackMate with a frame inf",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="inf" POSITION_X="1" POSITION_Y="1"/>'),
        r"t\.xml",
    ),
    (
        "TrackMate with a frame nan",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="nan" POSITION_X="1" POSITION_Y="1"/>'),
        r"t\.xml",
    ),
    (
        "TrackMate with a frame of 10⁹",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="1e9" POSITION_X="1" POSITION_Y="1"/>'),
        "SOMANET_MAX_FRAMES",
    ),
    (
        "TrackMate with a position nan",
        "t.xml",
        trackmate('<Spot ID="0" FRAME="0" POSITION_X="nan" POSITION_Y="1"/>'),
        r"t\.xml",
    ),
    (
        "TrackMate with an id of 5000 digits",
        "t.xml",
        trackmate(f'<Spot ID="{"9" * 5000}" FRAME="0" POSITION_X="1"/>'),
        r"t\.xml",
    ),
    ("TrackMate with a pixel of x µm", "t.xml", trackmate(image='pixelwidth="x"'), r"t\.xml"),
    ("TrackMate that laughs", "t.xml", trackmate("&a9;", head=LAUGHS), r"t\.xml: the XML defines a document type"),
    (
        "TrackMate with a foreign file as entity",
        "t.xml",
        trackmate(head='<!DOCTYPE z [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        r"t\.xml: the XML defines a document type",
    ),
    ("TrackMate nested 10⁵ deep", "t.xml", "<TrackMate>" + "<a>" * 10**5, "NESTING"),
    ("an XML file of NUL bytes", "t.xml", b"<" + bytes(99), r"t\.xml"),
):
    CASES[kind] = file(name, content), CONVERT.format(name), words
for kind, text, words in (
    ("a CTC table up to frame 10⁸", "1 0 100000000 0\n", "label 1 extends from frame 0 to 100000000, but the masks"),
    ("a CTC table of 5000 digits", f"1 0 {'9' * 5000} 0\n", r"res_track\.txt, line 1"),
    ("a CTC table of NUL bytes", "\0" * 9, r"res_track\.txt"),
):

    def _(folder: Path, text: str = text) -> None:
        write_labels(folder / "ctc" / "mask000.tif", LABELS)
        (folder / "ctc" / "res_track.txt").write_text(text)

    CASES[kind] = _, CONVERT.format("ctc"), words


@case("a CTC mask whose number has 5000 digits, cut by the file system", CONVERT.format("ctc"), "mask000")
def _(folder: Path) -> None:
    write_labels(folder / "ctc" / f"mask{'0' * 200}1.tif", LABELS)
    (folder / "ctc" / "res_track.txt").write_text("1 0 0 0\n")


@case("a GEFF of 10¹² nodes", CONVERT.format("t.geff"), "SOMANET_MAX_TABLE_ROWS=1000000000000")
def _(folder: Path) -> None:
    (folder / "t.geff" / "nodes" / "ids").mkdir(parents=True)
    (folder / "t.geff" / "zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "group", "attributes": {"geff": {"geff_version": "1.1"}}}'
    )
    array = {"zarr_format": 3, "node_type": "array", "shape": [10**12], "data_type": "uint64", "fill_value": 0}
    array |= {
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**6]}},
        "codecs": [{"name": "bytes"}],
    }
    (folder / "t.geff" / "nodes" / "ids" / "zarr.json").write_text(json.dumps(array))


# Settings
for kind, text, words in (
    ("YAML with a date that is none", "pretrain: 2001-13-45\n", r"p\.yaml"),
    ("YAML with !!int x", "pretrain: !!int x\n", r"p\.yaml"),
    ("YAML with !!timestamp x", "pretrain: !!timestamp x\n", r"p\.yaml"),
    ("YAML with a Python object", "pretrain: !!python/object/apply:os.getcwd []\n", r"p\.yaml"),
    ("YAML nested 10⁵ deep", "pretrain: " + "[" * 10**5, r"p\.yaml: .*(nesting|levels)"),
    ("YAML whose aliases multiply", ALIASES, "p.yaml: .*YAML_VALUES"),
    ("YAML that contains itself", "pretrain: &a [*a]\n", r"p\.yaml: the YAML alias \*a lies within"),
    ("YAML of a number of 10⁵ digits", "pretrain: " + "9" * 10**5, r"p\.yaml"),
    (
        "YAML of a hexadecimal number of 10⁵ digits",
        "pretrain: {paper: {model: {}, training: {epochs: 0x" + "f" * 10**5 + "}}}\nfinetune: {}\n",
        "thousands of digits",
    ),
    ("YAML with an unhashable key", "? [a]\n: b\n", r"p\.yaml"),
    ("YAML of NUL bytes", "\0" * 9, r"p\.yaml"),
    ("an empty YAML file", "", r"p\.yaml must hold"),
    ("a setting of .inf", "pretrain: {paper: {model: {}, training: {learning_rate: .inf}}}\nfinetune: {}\n", "finite"),
    (
        "a setting of 1e300",
        "pretrain: {paper: {model: {}, training: {learning_rate: 1.0e+300}}}\nfinetune: {}\n",
        "less than or equal to 1000",
    ),
):
    CASES[kind] = (
        file("p.yaml", text),
        "train set --network paper --params p.yaml --output net",
        words,
    )
for setting in (
    "training.learning_rate=.inf",
    "training.learning_rate=1.0e+300",
    "training.epochs=9223372036854775807000",
    "training.batch_size=1000000000",
    "training.size_px=32000000",
    "training.augment.elastic_sigma=1.0e+30",
    "training.samples_per_epoch=1000000000000",
    "training.augment.scale_range=[1.0e-30,1]",
    "model.instances.threshold=.nan",
):
    CASES[f"the setting {setting}"] = (lambda _folder: None), f"{TRAIN} --set {setting}", setting.partition("=")[0]
for option in ("rescale 1e30", "rescale nan", "rescale 1e-30", "diameter 1e300", "diameter 1e-300", "diameter inf"):
    CASES[f"an option of {option}"] = (
        (lambda _folder: None),
        f"predict good.png --output out --{option}",
        option.split()[0],
    )
CASES["settings nested deeply"] = (lambda _folder: None), f"{TRAIN} --set training.epochs={'[' * 10**4}", "valid YAML"
CASES["a pixel size of 1e300"] = (
    lambda folder: write_movie(folder / "m.tif", FRAMES, Calibration(1, 5)),
    ANALYZE.replace("um 1 ", "um 1e300 "),
    "cannot be right",
)

# Networks


def network(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor] | bytes]) -> Maker:
    """The bundled-like network with other weights, and the hash that fits them."""

    def make(folder: Path) -> None:
        from safetensors.torch import load_file

        weights, config = folder / "model" / "model.safetensors", folder / "model" / "config.json"
        changed = change(load_file(weights))
        if isinstance(changed, bytes):
            weights.write_bytes(changed)
        else:
            save_file(changed, weights)
        content = json.loads(config.read_text(encoding="utf-8"))
        content["weights"]["sha256"] = sha256_file(weights)
        config.write_text(json.dumps(content))

    return make


def config(**changes: object) -> Maker:
    def make(folder: Path) -> None:
        path = folder / "model" / "config.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(content | changes))

    return make


HUGE = {"architecture": "Unet", "encoder": "resnet18", "decoder_channels": [10**7] * 5}
for kind, maker, words in (
    ("weights that are text, with their hash", network(lambda _: b"no weights"), "safetensors"),
    ("weights with a header of 2⁶² bytes", network(lambda _: struct.pack("<Q", 2**62) + b"{}"), "safetensors"),
    ("weights without content", network(lambda _: b""), "safetensors"),
    (
        "weights with a NaN",
        network(lambda t: {n: v * torch.nan if v.is_floating_point() else v for n, v in t.items()}),
        "NaN or infinite weights",
    ),
    ("weights of another network", network(lambda _: {"a": torch.zeros(3)}), "do not fit its network"),
    ("a network with layers of 10⁷ channels", config(model=HUGE), r"model.*config\.json|do not fit"),
    (
        "a configuration nested deeply",
        lambda folder: (folder / "model/config.json").write_text("[" * 10**5),
        r"config\.json is not JSON \(nested too deeply\)",
    ),
    (
        "weights that are a folder",
        lambda folder: ((folder / "model/model.safetensors").unlink(), (folder / "model/model.safetensors").mkdir()),
        "lacks model",
    ),
):
    CASES[kind] = maker, "predict good.png --model model --output out", words

# Scores
for kind, change, words in (
    ("scores that are text", {"iou": "high"}, r"m\.json: expected scores .* in iou"),
    ("scores that are a list", {"recall": [1, 2]}, r"m\.json: expected scores .* in recall"),
    ("intervals that are a number", {"interval95": 3}, "in interval95"),
    ("an interval of three bounds", {"interval95": {"iou": [1, 2, 3]}}, "in interval95"),
    ("an interior that is text", {"interior": "x"}, "in interior"),
    ("a number of images that is text", {"n_images": "many"}, "in n_images"),
    ("a score of 1e308", {"iou": 1e308}, "in iou"),
    ("scores without a number of images", {"n_images": None}, "n_images"),
):
    CASES[kind] = file("m.json", json.dumps(METRICS | change)), "compare m.json --output out", words
CASES["per-image scores that are text"] = (
    lambda folder: (
        [
            (folder / "m.json").write_text(json.dumps(METRICS)),
            (folder / "m_per_image.csv").write_text("name,iou,precision\na,high,low\nb,x,y\n"),
        ]
    ),
    "compare m.json m.json --output out",
    "",
)

# Records, splits, conditions
RESULTS = {"somanet": 1, "input": [], "files": [], "code": 3}
for kind, name, content, command, words in (
    ("a manifest of wrong types", "manifest.json", RESULTS, "trace manifest.json", r"manifest\.json"),
    (
        "predictions of wrong types",
        "predictions.json",
        {"somanet": 1, "model_sha256": 3, "labels": 3, "inputs_sha256": []},
        "trace predictions.json",
        r"predictions\.json",
    ),
    (
        "a network's configuration of wrong types",
        "config.json",
        {"weights": {"sha256": "a", "file": [], "exported_from": 3}},
        "trace config.json",
        "",
    ),
    (
        "provenance of wrong types",
        "s.json",
        {"provenance": {"somanet": 1, "model_sha256": 3, "truth": "x"}},
        "trace s.json",
        r"s\.json",
    ),
    ("a run of wrong types", "r.json", {"run_id": [], "experiment": {}, "tracking_uri": 3}, "trace r.json", ""),
    (
        "a lock file of wrong types",
        "dvc.lock",
        {"stages": {"a": {"outs": [{"path": 3, "md5": []}], "deps": [3]}}},
        "trace good.png",
        r"good\.png",
    ),
    ("a split of wrong columns", "s.csv", "a,b\n1,2\n", f"{TRAIN} --split s.csv", r"s\.csv"),
    ("a split of NUL bytes", "s.csv", "\0\0", f"{TRAIN} --split s.csv", r"s\.csv"),
    ("conditions of NUL bytes", "c.csv", "\0", "analyze good.png good.tif --output out --conditions c.csv", ""),
    ("a sweep of wrong types", "p.yaml", "sweep: [1]\n", "sweep x --params p.yaml", r"p\.yaml"),
    (
        "notes of SomaNet that are noise",
        ".somanet.jsonl",
        "[" * 10**5 + '\n{"file": 3}\n3\n',
        "predict good.png --output out",
        "",
    ),
):
    CASES[kind] = file(name, content if isinstance(content, str) else json.dumps(content)), command, words


def large_ids(folder: Path) -> None:
    """A data set, label images and a table whose ids are as large as label images hold."""
    ids = np.where(LABELS > 0, 2**31 - LABELS.astype(np.int64), 0).astype(np.uint32)
    for name in "abc":
        write_labels(folder / "set" / "labels" / f"{name}.tif", ids)
    write_movie(folder / "m.tif", FRAMES, Calibration(1, 5))
    rows = "".join(f"2147483647,{t},{20 + t},16\n" for t in range(T))
    (folder / "t.csv").write_text("track_id,frame,y_px,x_px\n" + rows)


for command in (
    "data check set",
    "data yolo set --output yolo",
    "data yolo set --output yolo --tile-px 32",
    "evaluate --predictions set/labels --truth set --output o.json",
    "analyze m.tif --tracks t.csv --output out --no-overlay",
):
    CASES[f"ids of 2 billion: {command}"] = large_ids, command, ""

# Names and kinds of files
for command in (
    PREDICT,
    CONVERT,
    "analyze {} --output out",
    "data check {}",
    "evaluate --predictions {} --truth set --output o.json",
):
    verb = command.split()[0]
    CASES[f"{verb}: a pipe"] = (lambda folder: os.mkfifo(folder / "p.tif")), command.format("p.tif"), r"p\.tif"
    CASES[f"{verb}: a link to itself"] = (
        (lambda folder: (folder / "l.tif").symlink_to("l.tif")),
        command.format("l.tif"),
        r"l\.tif",
    )
    CASES[f"{verb}: a name of 300 bytes"] = (lambda _folder: None), command.format("n" * 300 + ".tif"), "over 255 bytes"
    CASES[f"{verb}: a name that is not UTF-8"] = (
        (lambda folder: shutil.copy(folder / "good.png", os.fsdecode(bytes(folder) + b"/\xff.png"))),
        command.format(os.fsdecode(b"\xff.png")),
        "not UTF-8",
    )
CASES["a data set with links in a circle"] = (
    lambda folder: [(folder / "set" / f"l{i}").symlink_to("..") for i in range(3)],
    TRAIN,
    "a link leads back",
)
CASES["a data set with a pipe as image"] = (
    lambda folder: [(folder / "set/images/a.png").unlink(), os.mkfifo(folder / "set/images/a.png")],
    TRAIN,
    "is a device or a pipe",
)
CASES["a data set with a name that is not UTF-8"] = (
    lambda folder: shutil.copy(folder / "good.png", os.fsdecode(bytes(folder) + b"/set/images/\xff.png")),
    TRAIN,
    "not UTF-8",
)
CASES["a folder as a table"] = (lambda folder: (folder / "t.csv").mkdir()), CONVERT.format("t.csv"), r"t\.csv"
CASES["a folder as an image"] = (lambda folder: (folder / "t.png").mkdir()), PREDICT.format("t.png"), r"t\.png"
CASES["a file as a zarr"] = file("t.zarr", "x"), PREDICT.format("t.zarr"), r"t\.zarr"
CASES["a limit that is no number"] = (
    (lambda _folder: os.environ.update(SOMANET_MAX_IMAGE_PIXELS="x") or None),
    (PREDICT.format("good.png")),
    "SOMANET_MAX_IMAGE_PIXELS is 'x'",
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """A sound image, data set and network."""
    folder = tmp_path_factory.mktemp("hostile") / "sound"
    write_pairs(folder / "set", [scene("a"), scene("b"), scene("c")])
    write_image(folder / "good.png", IMAGE)
    shutil.copytree(bright, folder / "model")
    # Libraries that reserve addresses when first used do so here, not in the processes that are measured.
    (folder.parent / "t.csv").write_text(TRACKS)
    read_tracks(folder.parent / "t.csv", Calibration(1, 5))
    return folder


@pytest.mark.parametrize("kind", CASES)
def test_one_line_in_bounded_memory_and_time(
    kind: str, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, command, words = CASES[kind]
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", str(1 << 26))
    folder = tmp_path / "here"
    shutil.copytree(sound, folder)
    make(folder)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    given = command.split(" ")
    if given[0] == "predict" and "--model" not in given:
        given += ["--model", "model"]
    outcome = run_limited(given, folder)
    assert outcome.code in (0, 1), outcome.stderr[-3000:]
    if words:
        assert outcome.code == 1, outcome
        assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
        assert re.search(words, outcome.stderr), outcome.stderr
    if outcome.code:
        assert len(outcome.stderr.splitlines()) == 1, outcome.stderr[-3000:]
        assert outcome.stderr.startswith("error: "), outcome.stderr


def test_the_limits_bind(tmp_path: Path) -> None:
    """A process that takes more memory is stopped, and so is one that takes more time."""
    taken = limited(lambda: np.ones(2 * MEMORY_BYTES, np.uint8), tmp_path)
    assert taken.code == 70
    assert "MemoryError" in taken.stderr
    assert limited(lambda: time.sleep(60), tmp_path, seconds=0.2).code == -1
    assert limited(lambda: None, tmp_path).code == 0
