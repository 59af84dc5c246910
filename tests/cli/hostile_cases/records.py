"""Scores, records, splits, conditions, and data with large ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from somanet.core.calibration import Calibration
from somanet.io.images import write_labels
from somanet.io.movies import write_movie
from tests.cli.hostile import (
    FRAMES,
    LABELS,
    METRICS,
    T,
)
from tests.cli.hostile_cases.base import TRAIN, Cases, file

CASES: Cases = {}

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
