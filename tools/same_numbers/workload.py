"""The workload of a recording: SomaNet's commands and pipeline stages, on little data and for a few steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tools.same_numbers.recording import RecordingRun, read_yaml

SHORT = {"epochs": 2, "samples_per_epoch": 16, "validate_every": 2, "device": "cpu"}
"""Settings of every training: a few steps, and the weights after the last one."""
SMALL: Mapping[str, Any] = {
    "data": {
        "simulated": {
            "nuclei_images": 20,
            "nuclei_px": 128,
            "train_crops": 8,
            "val_crops": 4,
            "crop_px": 128,
            "movie_frames": 24,
            "movie_px": 256,
        }
    },
    "trust": {"replicates": 3, "cells": 12, "movie_frames": 24, "movie_px": 192},
}
"""Settings of the pipeline, for minutes instead of an hour."""
NO_NUMBERS = ("names",)
"""Stages that only check."""
REAL_IMAGES, REAL_MOVIE, REAL_TRACKS = "soma/val", "neuritetracker/cell_body.tif", "neuritetracker/tracks.csv"
REAL_SCALE = ("--pixel-size-um", "1.28", "--frame-interval-min", "12")


def simulation(recording: RecordingRun) -> None:
    """Small data sets and a movie, also used by the other parts."""
    recording.somanet("simulate", "--output", "simulated", "--nuclei", "12", "--frames", "40", "--size-px", "256")


def pipeline(recording: RecordingRun) -> None:
    """The stages of `dvc.yaml`, in its order, with `params.yaml` made short; the movie by the bundled model."""
    params = merged(read_yaml(recording.checkout / "params.yaml"), SMALL)
    run_stages(recording, read_yaml(recording.checkout / "dvc.yaml")["stages"], params)


def run_stages(recording: RecordingRun, graph: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """The stages of a graph in its order, with short trainings; movies by the bundled model."""
    params = {**params}
    for section in ("pretrain", "finetune"):
        params[section] = {name: merged(one, {"training": SHORT}) for name, one in params[section].items()}
    for section in ("segment", "trust"):
        params[section] = {**params[section], "model": str(recording.bundled())}
    (recording.scratch / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8", newline="\n")
    for title, command in stages(graph, params):  # `${root}`: in graphs of earlier versions
        recording.run(f"stage {title}", *(word.replace("${root}", str(recording.checkout)) for word in command))


def stages(graph: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of each stage's command, once per key if it has several."""
    for name, stage in graph.items():
        if name in NO_NUMBERS:
            continue
        if "foreach" not in stage:
            yield name, stage["cmd"].split()[1:]
            continue
        for key in params[stage["foreach"].strip("${}")]:
            yield f"{name}@{key}", [word.replace("${key}", key) for word in stage["do"]["cmd"].split()[1:]]


def trainings(recording: RecordingRun) -> None:
    """Short trainings of variants for real data and of the bundled model's, on simulated images."""
    recipe, profile = recording.bundled() / "recipe.yaml", recording.checkout / "profiles" / "real" / "params.yaml"
    short = [word for name, value in SHORT.items() for word in ("--set", f"training.{name}={value}")]
    known = {
        word for _, settings in variants(read_yaml(recording.checkout / "params.yaml")) for word in words(settings)
    }
    for origin, params in (("real", profile), ("bundled", recipe)):
        content = read_yaml(params)
        for name in content["pretrain"]:
            chosen = ("--params", params, "--network", name, "--output", f"trainings/{origin}/{name}")
            recording.somanet("train", "simulated/nuclei.zip", *chosen, *short)
        for name, start in new_variants(content, known).items():
            chosen = ("--params", params, "--variant", name, "--output", f"trainings/{origin}/{name}")
            recording.somanet("finetune", "simulated/crops.zip", *chosen, *start_at(origin, start), *short)
    chosen = ("--params", recipe, "--variant", "neurons", "--output", "trainings/bundled/with_unlabelled")
    unlabelled = ("--unlabelled", "simulated/movie.ome.tif", "--unlabelled-frames", "4")
    recording.somanet("finetune", "simulated/crops.zip", *chosen, *start_at("bundled", "nuclei"), *short, *unlabelled)


def start_at(origin: str, network: str) -> tuple[str, str]:
    """The option that starts a fine-tuning from a network trained before."""
    return "--start", f"trainings/{origin}/{network}"


def variants(params: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and settings of every network to pretrain and every variant to fine-tune."""
    for section in ("pretrain", "finetune"):
        yield from params[section].items()


def new_variants(params: Mapping[str, Any], known: set[str]) -> dict[str, str]:
    """The start network of each variant with a setting that no earlier one had.

    A different number is not a new setting, a new key or word is. So a dozen variants cover all paths
    through the code; known settings are collected in `known`.
    """
    for settings in params["pretrain"].values():
        known |= words(settings)
    chosen = {}
    for name, settings in params["finetune"].items():
        if not words(settings) <= known:
            chosen[name] = str(settings["start"])
        known |= words(settings)
    return chosen


def words(value: Any, key: str = "") -> set[str]:
    """Every key of nested settings with its value, unless a number; without the name of the start."""
    if isinstance(value, Mapping):
        return {word for name, one in value.items() if name != "start" for word in words(one, f"{key}.{name}")}
    if isinstance(value, list):
        return {word for one in value for word in words(one, key)}
    return {f"{key}: {value if value is None or isinstance(value, str | bool) else 'a number'}"}


def labels(recording: RecordingRun) -> None:
    """Labels by the bundled model in three ways, two of them scored and compared; on real images, if any."""
    real = recording.real(REAL_IMAGES)
    name, images = ("real", real) if real else ("simulated", recording.scratch / "simulated" / "crops.zip")
    tta = ("--engine", "torch", "--symmetries", "4", "--rescale", "1.5")
    for way, options in {"torch": ("--engine", "torch"), "fastest": (), "tta": tta}.items():
        recording.somanet("predict", images, "--output", f"labels/{name}/{way}", *options)
    for way in ("torch", "tta"):
        scored = ("--predictions", f"labels/{name}/{way}", "--truth", images)
        files = ("--output", f"scores/{name}/{way}/metrics.json", "--per-image", f"scores/{name}/{way}/per_image.csv")
        recording.somanet("evaluate", *scored, *files)
    scores = (f"scores/{name}/torch", f"scores/{name}/tta")
    recording.somanet("compare", *scores, "--output", f"scores/{name}/comparison")


def movies(recording: RecordingRun) -> None:
    """Tracks and migration of a simulated and of the real movie, which is scored against its reference."""
    quick = ("--engine", "torch", "--no-report", "--no-overlay")
    recording.somanet("analyze", "simulated/movie.ome.tif", "--output", "movies/simulated", *quick)
    if movie := recording.real(REAL_MOVIE):
        recording.somanet("analyze", movie, "--output", "movies/real", *REAL_SCALE, *quick)
        if reference := recording.real(REAL_TRACKS):
            tracks, output = "movies/real/tracks.csv", "scores/real/tracks.json"
            recording.somanet("tracks", "score", tracks, reference, "--output", output)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with some of them changed."""
    changed = {
        name: merged(values.get(name) or {}, change) if isinstance(change, Mapping) else change
        for name, change in changes.items()
    }
    return {**values, **changed}
