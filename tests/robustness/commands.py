"""The commands that the campaign runs, with the kinds of input that each slot takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IMAGES = ("png", "png-rgb", "png-16", "jpeg", "tiff", "tiff-rgb", "tiff-float")
SCALED = ("ome", "imagej", "ome-zarr", "zarr-2")
MOVIES = (*SCALED, "bigtiff", "multipage", "video")
SETS = ("pairs", "kaggle", "zip", "cellpose", "folders", "coco", "labelme")
TABLES = ("trackmate-spots", "imaris", "ultrack", "laptrack-links", "mtrackj", "npy", "mia", "hdf5")
"""Tracks in the tables of other programs."""
TRACKS = ("tracks", "points", "napari", "trackmate", "geff", "ctc", "deepcell", "label-movie")
SCALE = "--pixel-size-um 1.5 --frame-interval-min 10"
TINY = "--set training.epochs=1 --set training.size_px=32 --set training.batch_size=2"


@dataclass(frozen=True)
class Command:
    """A command line in which `{slot}` is an input and `{out}` the output.

    Attributes:
        line: the arguments.
        slots: kinds of input by slot, one of which is drawn.
        options: numbers and words that may be added to the line, to be refused or obeyed.
        store: it needs the project's MLflow store, and may write into it.
        reports: what it has written stays when it exits with 1: a report of what is wrong, the movies that are done.
        prior: the kind that may lie at the output before, as the results of an earlier run.
        weight: how often it is drawn.
    """

    line: str
    slots: Mapping[str, tuple[str, ...]]
    options: tuple[str, ...] = ()
    store: bool = False
    prior: str = ""
    weight: float = 1.0
    reports: bool = False


SCALES = ("--pixel-size-um #", "--frame-interval-min #")
NETWORK = ("--diameter #", "--rescale #", "--tta #", "--channel #", "--z #", "--axes #", "--position #")

COMMANDS: dict[str, Command] = {
    "data check": Command(
        "data check {data} --output {out}/manifest.csv", {"data": (*SETS, *MOVIES, "movies", "images")}, weight=2,
        reports=True,
    ),
    "data select": Command(
        "data select {data} --split {split} --count 1 --output {out}/set", {"data": SETS, "split": ("split",)},
        ("--seed #", "--part #", "--count #", "--binary", "--no-binary", "--class #"),
    ),
    "data select ignore": Command(
        "data select {data} --ignore {regions} --output {out}/set", {"data": ("pairs", "zip"), "regions": ("regions",)},
        weight=0.5,
    ),
    "data yolo": Command(
        "data yolo {data} --split {split} --tile-px 32 --output {out}/yolo", {"data": SETS, "split": ("split",)},
        ("--tile-px #", "--outlines", "--binary", "--class #"),
    ),
    "data rois": Command(
        "data rois {data} --output {out}/rois", {"data": SETS}, ("--binary", "--no-binary"), weight=0.5
    ),
    "data rois movie": Command("data rois {labels} --output {out}/r.zip", {"labels": ("label-movie", "label-zarr")}),
    "data rois back": Command(
        "data rois {rois} --images {image} --output {out}/set", {"rois": ("rois", "roi"), "image": IMAGES}, weight=2
    ),
    "data rois movie back": Command(
        "data rois {rois} --images {movie} --output {out}/labels.tif", {"rois": ("movie-rois",), "movie": SCALED},
        ("--channel #", "--z #"),
    ),
    "label propose": Command(
        "label propose {data} --threshold 70 --count 2 --size-px 48 --output {out}/crops",
        {"data": (*IMAGES, *SCALED, *SETS, "images")}, ("--threshold #", "--opening-px #", "--count #", "--size-px #"),
        prior="crops",
    ),
    "label propose again": Command(
        "label propose {movie} --crops {crops} --model {model} --engine torch --output {out}/crops",
        {"movie": ("ome",), "crops": ("crops",), "model": ("model",)}, NETWORK[:2], weight=0.5,
    ),
    "label suggest": Command(
        "label suggest {results} --movie {movie} --model {model} --engine torch --output {out}/crops",
        {"results": ("results",), "movie": ("ome",), "model": ("model",)}, ("--count #", "--size-px #"), weight=0.5,
    ),
    "label agreement": Command(
        "label agreement {first} {second} --output {out}/a.json --per-image {out}/a.csv",
        {"first": SETS, "second": SETS}, ("--seed #", "--binary", "--no-binary"),
    ),
    "predict": Command(
        "predict {data} --model {model} --engine torch --output {out}/labels",
        {"data": (*IMAGES, *MOVIES, *SETS, "images", "ome-planes", "movies"), "model": ("model",)},
        NETWORK, prior="predictions", weight=3, reports=True,
    ),
    "predict planes": Command(
        "predict {data} --model {model} --engine torch --channel 1 --z max --output {out}/labels",
        {"data": ("ome-planes",), "model": ("model",)}, NETWORK, weight=0.5,
    ),
    "predict bundled": Command(
        "predict {data} --output {out}/labels --pictures", {"data": IMAGES}, NETWORK, weight=0.3
    ),
    "evaluate": Command(
        "evaluate --truth {truth} --predictions {labels} --output {out}/m.json --per-image {out}/m.csv",
        {"truth": (*SETS, "predictions"), "labels": ("predictions",)}, ("--seed #",), prior="scores",
    ),
    "evaluate model": Command(
        "evaluate --truth {truth} --model {model} --output {out}/m.json --panels {out}/p.png",
        {"truth": SETS, "model": ("model", "trained")}, ("--tta #",), weight=0.5,
    ),
    "calibrate": Command(
        "calibrate {data} --model {model} --threshold --output {out}/calibrated", {"data": SETS, "model": ("model",)},
        ("--part #",), weight=0.5,
    ),
    "compare": Command(
        "compare {first} {second} --output {out}/comparison", {"first": ("scores",), "second": ("other-scores",)},
        ("--reference #", "--score #"), store=True, weight=1.5,
    ),
    "compare experiment": Command(
        "compare --experiment train --output {out}/comparison", {"project": ("trained-store",)}, weight=0.3
    ),
    "export": Command("export {model} --output {out}/half", {"model": ("model", "trained")}, ("--diameters #",)),
    "export onnx": Command("export {model} --format onnx --output {out}/n.onnx", {"model": ("model",)}, weight=0.3),
    "import": Command("import unet-pytorch {weights} --output {out}/model", {"weights": ("unet-pytorch",)}, weight=0.5),
    "analyze": Command(
        "analyze {movie} --model {model} --engine torch --no-overlay --output {out}/results",
        {"movie": SCALED, "model": ("model", "trained")},
        (*NETWORK, *SCALES, "--axis-deg #", "--set track.max_step_um=#", "--set migrate.sigma_um=#",
         "--set track.max_gap_frames=#", "--allow-truncated", "--style somas"),
        prior="results", weight=2,
    ),
    "analyze cut": Command(
        "analyze {movie} --model {model} --engine torch --no-overlay --no-report --allow-truncated --output {out}/r",
        {"movie": ("ome", "imagej"), "model": ("model",)}, weight=0.5,
    ),
    "analyze unscaled": Command(
        f"analyze {{movie}} --model {{model}} --engine torch --no-overlay {SCALE} --output {{out}}/results",
        {"movie": ("bigtiff", "multipage", "video"), "model": ("model",)}, SCALES,
    ),
    "analyze tracks": Command(
        f"analyze {{movie}} --tracks {{tracks}} {SCALE} --export trackmate --output {{out}}/results",
        {"movie": ("ome",), "tracks": TRACKS}, (*SCALES, "--axis-deg #"), prior="results", weight=2,
    ),
    "analyze times": Command(
        "analyze {movie} --tracks {tracks} --pixel-size-um 1.5 --times {times} --no-overlay --output {out}/results",
        {"movie": ("ome",), "tracks": ("points", "napari", "trackmate"), "times": ("times",)}, SCALES, weight=0.5,
    ),
    "analyze cohort": Command(
        "analyze {movies} --conditions {conditions} --model {model} --engine torch --no-overlay --output {out}/results",
        {"movies": ("movies",), "conditions": ("conditions",), "model": ("model",)}, ("--reference #",), weight=0.5,
        reports=True,
    ),
    # Without a display these end after everything is opened, before a window would be.
    "napari": Command("napari {movie}", {"movie": MOVIES}, ("--channel #", "--z #", "--axes #", *SCALES), weight=0.5),
    "napari results": Command(
        "napari {results} --movie {movie}", {"results": ("results",), "movie": ("ome",)}, ("--channel #",), weight=0.5
    ),
    "analyze corrections": Command(
        "analyze {movie} --corrections {corrections} --model {model} --engine torch --no-overlay --output {out}/r",
        {"movie": ("ome",), "corrections": ("corrections",), "model": ("model",)}, weight=0.5,
    ),
    "correct": Command(
        "correct {results} {corrections} --movie {movie} --no-overlay --output {out}/results",
        {"results": ("results",), "corrections": ("corrections",), "movie": ("ome",)}, prior="results", weight=2,
    ),
    "correct from": Command(
        "correct {results} --from {file} --movie {movie} --no-overlay --output {out}/results",
        {"results": ("results",), "file": ("label-movie", "label-zarr", "ctc", *TRACKS), "movie": ("ome",)},
    ),
    "tracks measure": Command(
        f"tracks measure {{tracks}} {SCALE} --output {{out}}/results", {"tracks": (*TRACKS, *TABLES)},
        (*SCALES, "--axis-deg #"), prior="results", weight=2,
    ),
    "tracks convert": Command(
        f"tracks convert {{tracks}} {{out}}/t.xml {SCALE}", {"tracks": TRACKS}, SCALES, weight=3
    ),
    "tracks convert geff": Command(
        f"tracks convert {{tracks}} {{out}}/t.geff {SCALE}", {"tracks": TRACKS}, SCALES, weight=0.5
    ),
    "tracks convert csv": Command(
        "tracks convert {tracks} {out}/t.csv --movie {movie}", {"tracks": TRACKS, "movie": SCALED}, weight=1.5
    ),
    "tracks convert ctc": Command(
        f"tracks convert {{tracks}} {{out}}/ctc --to ctc --labels {{labels}} {SCALE}",
        {"tracks": TRACKS, "labels": ("label-movie", "label-zarr")},
    ),
    "tracks convert deepcell": Command(
        f"tracks convert {{tracks}} {{out}}/t.trk --movie {{movie}} {SCALE}",
        {"tracks": ("ctc", "deepcell", "label-movie"), "movie": ("ome",)}, ("--channel #",),
    ),
    "tracks convert labels": Command(
        f"tracks convert {{tracks}} {{out}}/t.tif --movie {{movie}} {SCALE}",
        {"tracks": ("ctc", "deepcell", "label-movie"), "movie": ("ome",)}, weight=0.5,
    ),
    "export-video": Command(
        "export-video {results} --for idtracker --output {out}/video", {"results": ("results",)}, ("--animals #",),
        weight=0.5,
    ),
    "export-video movie": Command(
        "export-video {results} --for idtracker --movie {movie} --output {out}/video",
        {"results": ("results",), "movie": ("ome",)}, weight=0.3,
    ),
    "processes": Command(
        "processes {results} --movie {movie} --output {out}/processes", {"results": ("results",), "movie": ("ome",)},
        weight=0.5,
    ),
    "tracks score": Command(
        f"tracks score {{result}} {{reference}} {SCALE} --output {{out}}/s.json",
        {"result": TRACKS, "reference": TRACKS},
        ("--max-distance-um #", "--min-reference-frames #", "--x-from #", "--x-to #"), weight=1.5,
    ),
    "tracks score folders": Command(
        "tracks score {result} {reference} --lineages --output {out}/s.json",
        {"result": ("ctc",), "reference": ("ctc-reference",)}, weight=0.7,
    ),
    "tracks score masks": Command(
        f"tracks score {{tracks}} {{tracks}} --result-labels {{labels}} --reference-labels {{labels}} {SCALE} "
        "--output {out}/s.json",
        {"tracks": ("tracks", "points"), "labels": ("label-movie", "label-zarr")}, weight=0.7,
    ),
    "cohort": Command(
        "cohort {out}/study --conditions {conditions}", {"conditions": ("conditions",)},
        ("--reference #", "--paired donor"), prior="study", weight=0.5,
    ),
    "trace results": Command("trace {results}/summary.json", {"results": ("results",)}, ("--json",)),
    "trace predictions": Command("trace {results}/a.tif --json", {"results": ("predictions",)}, weight=0.5),
    "trace scores": Command("trace {scores}/metrics.json", {"scores": ("scores",)}, weight=0.5),
    "trace project": Command("trace {project}/reports/scores.json", {"project": ("project",)}, ("--json",)),
    "train": Command(
        f"train {{data}} --split {{split}} --output {{out}}/model {TINY}", {"data": SETS, "split": ("split",)},
        ("--set training.learning_rate=#", "--set training.epochs=#", "--set training.size_px=#",
         "--set training.batch_size=#", "--seed #", "--set model.encoder=#"),
        store=True, weight=0.5,
    ),
    "train parameters": Command(
        "train {data} --params {parameters} --network tiny --output {out}/model",
        {"data": ("pairs",), "parameters": ("parameters",)}, store=True, weight=1,
    ),
    "train unlabelled": Command(
        f"train {{data}} --unlabelled {{unlabelled}} --unlabelled-frames 2 --output {{out}}/model {TINY}",
        {"data": ("pairs",), "unlabelled": (*MOVIES, "images")}, ("--unlabelled-columns #",), store=True, weight=0.5,
    ),
    "finetune": Command(
        "finetune {data} --start {model} --params {parameters} --variant tiny --output {out}/model",
        {"data": ("pairs",), "model": ("model", "trained"), "parameters": ("parameters",)},
        ("--blocks #",), store=True, weight=0.7,
    ),
    "finetune test": Command(
        f"finetune {{data}} --start {{model}} --test {{test}} --output {{out}}/model {TINY}",
        {"data": ("pairs",), "model": ("model", "trained"), "test": SETS}, ("--test-share #", "--seed #"), store=True,
        weight=0.5,
    ),
    "sweep": Command(
        "sweep rates --params {parameters} --data {data} --start {model} --minutes 0 --output {out}/sweep",
        {"parameters": ("project-parameters",), "data": ("pairs",), "model": ("model",)}, ("--trials #",), store=True,
        reports=True,
    ),
    "promote": Command(
        "promote challenger --dry-run --params {parameters}", {"parameters": ("project-parameters",)}, store=True,
        weight=0.7,
    ),
    "sync": Command("sync", {"project": ("spooled",)}, weight=0.7),
    "doctor": Command("doctor", {"project": ("project",)}, weight=0.3),
    "simulate": Command(
        "simulate --nuclei 1 --crops 1 --frames 2 --size-px 64 --output {out}/sim", {},
        ("--pixel-size-um #", "--frame-interval-min #", "--seed #", "--size-px #", "--nuclei #"), weight=0.3,
    ),
}  # fmt: skip
