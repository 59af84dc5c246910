"""One small, valid input of every kind that a command reads, made by SomaNet itself where it can write it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import tifffile
import torch
import zarr

from somanet import cli
from somanet.analysis.base import open_base
from somanet.analysis.stages.files import read_tracks_of
from somanet.core.calibration import Calibration
from somanet.corrections import Mask, append, making
from somanet.io.datasets.regions import ImageRegions, Region, pixels_sha256, write_regions
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image, write_labels
from somanet.io.label_movies import write_label_movie
from somanet.io.movies import open_movie, write_movie
from somanet.io.rois.selections import label_selections, write_selections
from somanet.io.video_writing import write_video
from somanet.provenance.mlflow.spool import keep
from somanet.tracking.formats import write_tracks
from somanet.tracking.points import tracks_from_points
from tests.robustness.commands import TABLES
from tests.segmentation.foreign_unet import foreign_unet
from tests.tracking.foreign import SUFFIXES, write_foreign
from tests.worlds import make_project, photograph, save_bright_network, scene

ROOT = Path(__file__).resolve().parents[2]
SCALE = Calibration(1.5, 10.0)
N_FRAMES, HEIGHT, WIDTH = 5, 64, 96
STEP_PX = 3  # soma 1 moves right, soma 2 stays

PARAMETERS = """\
seed: 1
training_seed: &rate 1.0e-3
pretrain:
  tiny:
    model: {architecture: paper-unet}
    training: {epochs: 1, size_px: 32, batch_size: 2, learning_rate: *rate}
finetune:
  tiny:
    start: tiny
    weights: pretrained
    training: {epochs: 1, size_px: 32, batch_size: 2, trainable_blocks: 1}
"""


def labels_TYX() -> np.ndarray:
    """Two somas in five frames, value = track id."""
    frames = np.zeros((N_FRAMES, HEIGHT, WIDTH), np.int32)
    for t in range(N_FRAMES):
        frames[t, 16:40, 8 + t * STEP_PX : 32 + t * STEP_PX] = 1
        frames[t, 24:48, 64:80] = 2
    return frames


def points() -> pd.DataFrame:
    """The same as a table of points in pixels."""
    labels = labels_TYX()
    rows = [
        {"track_id": int(cell), "frame": t, "y_px": float(y.mean()), "x_px": float(x.mean())}
        for t in range(N_FRAMES)
        for cell in (1, 2)
        for y, x in (np.nonzero(labels[t] == cell),)
    ]
    return pd.DataFrame(rows).sort_values(["track_id", "frame"], ignore_index=True)


def _regions(path: Path) -> None:
    """Outlines of ignored pixels of the first image of every set."""
    square = tuple((y, x) for y, x in ((2, 2), (2, 9), (7, 9), (7, 2)))
    write_regions(path, [ImageRegions("a", pixels_sha256(scene("a").image), (Region("nucleus", square),))], {})


def make_seeds(folder: Path) -> None:
    """Write all of them into a new folder, each under its kind's name in a folder `KIND/`."""
    labels = labels_TYX()
    frames = np.stack([photograph(one, np.uint16) for one in labels])
    image, rgb = photograph(labels[0]), np.stack([photograph(labels[0])] * 3, axis=-1)

    def place(kind: str, name: str) -> Path:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        return folder / kind / name

    write_image(place("png", "a.png"), image)
    write_image(place("png-rgb", "a.png"), rgb)
    write_image(place("png-16", "a.png"), frames[0])
    place("jpeg", "a.jpg").write_bytes(imagecodecs.jpeg8_encode(rgb))
    write_image(place("tiff", "a.tif"), image)
    write_image(place("tiff-rgb", "a.tif"), rgb)
    tifffile.imwrite(place("tiff-float", "a.tif"), (image / 255).astype(np.float32), compression="lzw", tile=(32, 32))
    images = place("images", "raw")
    for name in "ab":
        write_image(images / f"{name}.png", image)

    write_movie(place("ome", "m.ome.tif"), frames, SCALE)
    write_movie(place("imagej", "m.tif"), frames, SCALE)
    tifffile.imwrite(place("bigtiff", "m.tif"), frames, bigtiff=True, photometric="minisblack", metadata=None)
    tifffile.imwrite(place("multipage", "m.tif"), frames, byteorder=">", photometric="minisblack", compression="zlib")
    planes = np.broadcast_to(frames[:, None, None], (N_FRAMES, 2, 3, HEIGHT, WIDTH))
    tifffile.imwrite(place("ome-planes", "m.ome.tif"), planes, ome=True, photometric="minisblack",
                     metadata={"axes": "TZCYX", "PhysicalSizeX": 1.5, "PhysicalSizeY": 1.5,
                     "TimeIncrement": 600})  # fmt: skip
    write_video(place("video", "m.mp4"), [np.stack([photograph(one)] * 3, -1) for one in labels], fps=5)
    size = {"n_frames": N_FRAMES, "shape_YX": (HEIGHT, WIDTH), "largest_id": 2, "calibration": SCALE}
    write_label_movie(place("ome-zarr", "m.zarr"), [photograph(one, np.uint16) for one in labels], **size)
    _old_zarr(place("zarr-2", "m.zarr"), frames)
    write_label_movie(place("label-movie", "labels.tif"), labels, **size)
    write_label_movie(place("label-zarr", "labels.zarr"), labels, **size)
    write_selections(place("rois", "a.zip"), label_selections(labels[0]))
    place("roi", "a.roi").write_bytes(next(label_selections(labels[0]))[1])
    stack = (one for t in range(N_FRAMES) for one in label_selections(labels[t], position=t))
    write_selections(place("movie-rois", "m.zip"), stack)
    movies = place("movies", "movies")
    movies.mkdir()
    for name in "xy":
        write_movie(movies / f"{name}.ome.tif", frames, SCALE)

    names = ("a", "b", "c")
    _sets_of_other_programs(place, names)
    write_pairs(place("pairs", "set"), [scene(name) for name in names])
    write_kaggle(place("kaggle", "set"), [scene(name) for name in names])
    write_kaggle(place("zip", "set.zip"), [scene(name) for name in names])
    place("split", "split.csv").write_text("image_id,split\na,train\nb,train\nc,val\n", encoding="utf-8")
    _regions(place("regions", "regions.json"))
    place("conditions", "conditions.csv").write_text("movie,donor,group\nx,1,a\ny,2,b\n", encoding="utf-8")

    times = "frame,t_min\n" + "".join(f"{t},{10 * t + 120 * (t > 1)}\n" for t in range(N_FRAMES))
    place("times", "times.csv").write_text(times, encoding="utf-8")

    table = points()
    tracks = tracks_from_points(table, SCALE, "seeds")
    write_tracks(place("tracks", "tracks.csv"), tracks, SCALE, kind="csv")
    table.rename(columns={"track_id": "track"}).to_csv(place("points", "points.csv"), index=False)
    write_tracks(place("napari", "napari.csv"), tracks, SCALE, kind="napari")
    write_tracks(place("trackmate", "tracks.xml"), tracks, SCALE, kind="trackmate", shape_YX=(HEIGHT, WIDTH))
    for kind in TABLES:
        write_foreign(place(kind, f"tracks{SUFFIXES[kind]}"), kind, points(), SCALE)
    write_tracks(place("geff", "tracks.geff"), tracks, SCALE, kind="geff")
    write_tracks(place("ctc", "ctc"), tracks, SCALE, kind="ctc", labels=labels)
    write_tracks(place("deepcell", "tracks.trk"), tracks, SCALE, kind="deepcell", labels=labels, frames=frames)
    reference = place("ctc-reference", "reference")
    shutil.copytree(folder / "ctc" / "ctc", reference / "TRA")
    for file in list((reference / "TRA").iterdir()):
        file.rename(file.with_name(file.name.replace("res_", "man_").replace("mask", "man_track")))

    torch.save(foreign_unet().state_dict(), place("unet-pytorch", "unet.pt"))
    save_bright_network(place("model", "model"))
    place("parameters", "params.yaml").write_text(PARAMETERS, encoding="utf-8")
    place("project-parameters", "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (folder / "store").mkdir()
    make_project(folder / "store" / "project", folder)
    shutil.rmtree(folder / "store_template")


def _sets_of_other_programs(place: Callable[[str, str], Path], names: Sequence[str]) -> None:
    """The images of the other data sets with label images beside them, in folders of their own, and with outlines."""
    outlines = [[8, 8, 32, 8, 32, 32, 8, 32], [64, 8, 80, 8, 80, 40, 64, 40]]
    for name in names:
        item = scene(name)
        for kind, file in (("cellpose", f"{name}.png"), ("folders", f"{name}/image.png"), ("coco", f"{name}.png"),
                           ("labelme", f"{name}.png")):  # fmt: skip
            write_image(place(kind, "set") / file, item.image)
        write_labels(place("cellpose", "set") / f"{name}_cp_masks.tif", item.labels)
        write_image(place("folders", "set") / name / "mask.png", item.labels.astype(np.uint8))
        shapes = [
            {"shape_type": "polygon", "points": np.reshape(outline, (-1, 2)).tolist(), "label": "soma"}
            for outline in outlines
        ]
        described = {"shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (place("labelme", "set") / f"{name}.json").write_text(json.dumps(described), encoding="utf-8")
    images = [
        {"id": number, "file_name": f"{name}.png", "height": HEIGHT, "width": WIDTH}
        for number, name in enumerate(names)
    ]
    runs = {"size": [HEIGHT, WIDTH], "counts": [9 * HEIGHT + 8, 20, HEIGHT * WIDTH - 9 * HEIGHT - 28]}
    objects = [
        {"image_id": number, "segmentation": shape}
        for number in range(len(names))
        for shape in ([outlines[0]], [outlines[1]], runs)
    ]
    described = {"images": images, "annotations": objects}
    (place("coco", "set") / "all.json").write_text(json.dumps(described), encoding="utf-8")


def _old_zarr(path: Path, frames: np.ndarray) -> None:
    """OME-Zarr 0.4, which is zarr 2."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    array = group.create_array("0", shape=frames.shape, chunks=(1, *frames.shape[1:]), dtype=frames.dtype)
    array[:] = frames
    axes = [{"name": "t", "type": "time", "unit": "minute"}] + [
        {"name": name, "type": "space", "unit": "micrometer"} for name in "yx"
    ]
    scale = [{"type": "scale", "scale": [10.0, 1.5, 1.5]}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [dataset]}]


def make_derived(folder: Path) -> None:
    """Add what only a command writes: labels, scores, results, a trained network with its run."""
    model, pairs, ome = (_only(folder / kind) for kind in ("model", "pairs", "ome"))
    short = "--set training.epochs=1 --set training.size_px=32 --set training.batch_size=2"
    _somanet(f"predict {_only(folder / 'images')} --model {model} --engine torch --output {folder}/predictions/labels")
    _somanet(f"label propose {ome} --threshold 70 --count 2 --size-px 48 --output {folder}/crops/crops")
    for kind, seed in (("scores", 0), ("other-scores", 1)):
        out = folder / kind / kind
        _somanet(f"evaluate --truth {pairs} --model {model} --seed {seed} --output {out}/metrics.json "
                 f"--per-image {out}/per_image.csv")  # fmt: skip
    _somanet(f"analyze {ome} --model {model} --engine torch --no-overlay --output {folder}/results/results")
    _record_corrections(folder / "results" / "results", folder / "corrections" / "corrections.jsonl")
    for movie in "xy":
        shutil.copytree(folder / "results" / "results", folder / "study" / "study" / movie)
    trained = folder / "trained-store" / "project"
    shutil.copytree(_only(folder / "store"), trained)
    with contextlib.chdir(trained):
        _somanet(f"train {pairs} --output network --params none.yaml {short}")
    shutil.copytree(trained / "network", folder / "trained" / "network")
    spooled = folder / "spooled" / "project"
    shutil.copytree(trained, spooled)
    run_id = json.loads((spooled / "network_report" / "mlflow_run.json").read_text(encoding="utf-8"))["run_id"]
    rows = [["loss", 0.5, 1_700_000_000_000, 0]]
    for record in ({"kind": "metrics", "rows": rows}, {"kind": "tags", "tags": {"note": "late"}}):
        keep(spooled, {"run_id": run_id, **record})
    _make_project(folder / "project" / "project")


def _record_corrections(results: Path, path: Path) -> None:
    """Edits of a mask and of a track of results."""
    tracks = read_tracks_of(results)
    t, track = (int(tracks[name].iat[0]) for name in ("frame", "track_id"))
    with open_movie(results / "labels.tif") as labels:
        own = Mask.of_label(labels[t], track)
    assert own is not None
    path.parent.mkdir(exist_ok=True)
    for edit in (making.delete(t, track, own), making.delete_track(tracks, int(tracks["track_id"].iat[-1]))):
        append(path, edit, open_base(results).header)


def _make_project(project: Path) -> None:
    """A pipeline of one stage that DVC has run, as far as its files tell."""
    (project / "reports").mkdir(parents=True)
    (project / "data").mkdir()
    (project / "data" / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (project / "reports" / "scores.json").write_text('{"iou": 0.5}', encoding="utf-8")
    (project / "params.yaml").write_text("seed: 1\nevaluate: {threshold: 0.5}\n", encoding="utf-8")
    md5 = {
        name: hashlib.md5((project / name).read_bytes(), usedforsecurity=False).hexdigest()
        for name in ("data/x.csv", "reports/scores.json")
    }
    command = "python score.py"
    (project / "dvc.yaml").write_text(
        "vars: [params.yaml]\nstages:\n  score:\n    cmd: python score.py\n    deps: [data/x.csv]\n"
        "    params: [seed, evaluate]\n"
        "    metrics:\n    - reports/scores.json: {cache: false}\n",
        encoding="utf-8",
    )
    (project / "dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  score:\n    cmd: {command}\n    deps:\n    - path: data/x.csv\n      hash: md5\n"
        f"      md5: {md5['data/x.csv']}\n      size: 8\n    params:\n      params.yaml:\n"
        f"        seed: 1\n        evaluate:\n          threshold: 0.5\n    outs:\n"
        f"    - path: reports/scores.json\n      hash: md5\n"
        f"      md5: {md5['reports/scores.json']}\n      size: 12\n",
        encoding="utf-8",
    )


def _somanet(line: str) -> None:
    sys.argv = ["somanet", *line.split(" ")]
    try:
        cli.main()
    except SystemExit as ended:
        if ended.code not in (0, None):
            raise


def _only(folder: Path) -> Path:
    [path] = folder.iterdir()
    return path
