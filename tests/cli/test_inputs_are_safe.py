"""Whatever a command writes, and where, its inputs stay as they were."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import typer

from somanet.analysis.base import open_base
from somanet.analysis.stages.files import read_tracks_of
from somanet.cli import app
from somanet.cli.guarding import OUTPUTS
from somanet.core.calibration import FileCalibration
from somanet.core.hashing import sha256_file
from somanet.corrections import append, making
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.regions import ImageRegions, pixels_sha256, write_regions
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import write_image, write_labels
from somanet.io.movies import write_movie
from somanet.io.rois.selections import label_selections, write_selections
from tests.analysis.worlds import save_labelled
from tests.segmentation.foreign_unet import foreign_unet
from tests.worlds import TWO_SOMAS, draw, make_project, photograph, scene, somanet

LABELS = draw(TWO_SOMAS)
IMAGE = photograph(LABELS)
SHORT = "--set training.epochs=1 --set training.size_px=32"

# {in} is what is read and {out} what is written: each command meets itself.
COMMANDS = {
    "predict": "predict {in} --model model --output {out}",
    "evaluate": "evaluate --truth {in} --predictions pred --output {out}",
    "evaluate predictions": "evaluate --truth set.zip --predictions {in} --output {out}",
    "evaluate per image": "evaluate --truth {in} --predictions pred --output new.json --per-image {out}",
    "evaluate panels": "evaluate --truth {in} --model model --output new.json --panels {out}",
    "train": f"train {{in}} --output {{out}} {SHORT}",
    "train val": f"train set.zip --val {{in}} --output {{out}} {SHORT}",
    "finetune": f"finetune {{in}} --start model --output {{out}} {SHORT}",
    "finetune start": f"finetune set.zip --start {{in}} --output {{out}} {SHORT}",
    "finetune test": f"finetune set.zip --start model --test {{in}} --output {{out}} {SHORT}",
    "calibrate": "calibrate {in} --model model --output {out}",
    "export": "export {in} --output {out}",
    "import": "import unet-pytorch {in} --output {out}",
    "export file": "export {in} --format onnx --output {out}",
    "analyze": "analyze {in} --model model --output {out}",
    "analyze tracks": "analyze movie.ome.tif --tracks {in} --output {out}",
    "analyze times": "analyze movie.ome.tif --tracks truth.csv --times {in} --output {out}",
    "analyze conditions": "analyze movies --model model --conditions {in} --output {out}",
    "analyze corrections": "analyze movie.ome.tif --tracks truth.csv --corrections {in} --output {out}",
    "correct": "correct {in} corrections.jsonl --movie movie.ome.tif --output {out}",
    "correct corrections": "correct result {in} --movie movie.ome.tif --output {out}",
    "correct from": "correct result --from {in} --movie movie.ome.tif --output {out}",
    "cohort": "cohort {out} --conditions {in}",
    "data check": "data check {in} --output {out}",
    "data select": "data select {in} --count 1 --output {out}",
    "data select ignore": "data select set.zip --ignore {in} --output {out}",
    "data yolo": "data yolo {in} --output {out}",
    "data rois": "data rois {in} --output {out}",
    "data rois images": "data rois rois.zip --images {in} --output {out}",
    "data rois selections": "data rois {in} --images raw/a.png --output {out}",
    "label propose": "label propose {in} --threshold 70 --count 1 --output {out}",
    "label propose crops": "label propose raw --threshold 70 --crops {in} --output {out}",
    "label suggest": "label suggest {in} --model model --rescale 1 --count 1 --output {out}",
    "label suggest movie": "label suggest results --movie {in} --model model --rescale 1 --output {out}",
    "label agreement": "label agreement {in} pred --output {out}",
    "label agreement per image": "label agreement pairs {in} --output new.json --per-image {out}",
    "tracks convert": "tracks convert {in} {out} --to csv --pixel-size-um 1 --frame-interval-min 10",
    "tracks measure": "tracks measure {in} --pixel-size-um 1 --frame-interval-min 10 --output {out}",
    "tracks score": "tracks score {in} truth.csv --pixel-size-um 1 --frame-interval-min 10 --output {out}",
    "export-video": "export-video {in} --for idtracker --output {out}",
    "export-video movie": "export-video labelled --for idtracker --movie {in} --output {out}",
    "processes": "processes {in} --no-overlay --output {out}",
    "processes movie": "processes labelled --movie {in} --no-overlay --output {out}",
    "compare": "compare {in} --output {out}",
}
INPUTS = ("raw", "raw/a.png", "pairs", "pairs/images", "pairs/labels", "set.zip", "movie.ome.tif", "movies", "model",
          "tracks.csv", "conditions.csv", "scores.json", "pred", "mine/tracks.csv",
          "times.csv", "regions.json", "corrections.jsonl", "result", "result/tracks.csv", "rois.zip", "crops.csv",
          "results", "labelled", "unet.pt")  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """Every kind of input, none of which SomaNet knows to have written."""
    folder = make_project(tmp_path_factory.mktemp("safe") / "project", tmp_path_factory.getbasetemp())
    for name in "ab":
        write_image(folder / "raw" / f"{name}.png", IMAGE)
        write_labels(folder / "pred" / f"{name}.tif", LABELS)
    write_pairs(folder / "pairs", [scene("a"), scene("b")])
    write_kaggle(folder / "set.zip", [scene("a"), scene("b")])
    scale = FileCalibration(1.0, 10.0).complete()
    frames = np.stack([np.roll(IMAGE, t, axis=1) for t in range(3)]).astype(np.uint16)
    write_movie(folder / "movie.ome.tif", frames, scale)
    for name in ("x", "y"):
        (folder / "movies").mkdir(exist_ok=True)
        write_movie(folder / "movies" / f"{name}.ome.tif", frames, scale)
    shutil.copytree(bright, folder / "model")
    table = "track,frame,y_px,x_px\n" + "".join(f"1,{t},10,{10 + t}\n" for t in range(3))
    (folder / "mine").mkdir()
    for name in ("tracks.csv", "truth.csv", "mine/tracks.csv"):
        (folder / name).write_text(table)
    (folder / "times.csv").write_text("frame,t_min\n0,0\n1,10\n2,130\n")
    (folder / "conditions.csv").write_text("movie,donor,group\nx,1,a\ny,2,b\n")
    image = next(iter(open_dataset(folder / "set.zip"))).image
    write_regions(folder / "regions.json", [ImageRegions("a", pixels_sha256(image), ())], {})
    write_selections(folder / "rois.zip", label_selections(LABELS))
    crops = "crop,input,frame,y_px,x_px,height_px,width_px,n_somas,score,reasons\na,a,,0,0,64,96,2,,\n"
    (folder / "crops.csv").write_text(crops)
    (folder / "results").mkdir()
    about = {"input": {"file": "movie.ome.tif", "sha256": sha256_file(folder / "movie.ome.tif")}}
    (folder / "results" / "manifest.json").write_text(json.dumps(about))
    (folder / "results" / "tracks.csv").write_text("track_id,frame,t_h,y_px,x_px,y_um,x_um\n1,1,0.2,30,40,30,40\n")
    torch.save(foreign_unet().state_dict(), folder / "unet.pt")
    save_labelled(folder / "labelled", np.stack([LABELS] * 3), folder / "movie.ome.tif", scale)
    (folder / "scores.json").write_text('{"interval95": {}}')
    given = ("--tracks", "truth.csv", "--no-report", "--no-overlay")
    assert somanet("analyze", "movie.ome.tif", *given, "--output", "result", cwd=folder) is None
    edit = making.cut(read_tracks_of(folder / "result"), 1, 2, 2)
    append(folder / "corrections.jsonl", edit, open_base(folder / "result").header)
    return folder


def state(folder: Path) -> dict[str, str]:
    """Every file below a folder but the store of runs and what SomaNet notes, by content."""
    return {
        name: sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not re.match(r"mlruns|link|(.*/)?\.somanet\.jsonl", name := path.relative_to(folder).as_posix())
    }


def check(world: Path, command: str, places: Callable[[str], Iterable[str]], *options: str) -> None:
    """Run a command with outputs at places that its input leads to; no file may be another afterwards.

    Some of these inputs are none of the command's, and some of the places no danger to them: what matters is that
    nothing that was there before is lost, whatever the command says.
    """
    before = state(world)
    for source in INPUTS:
        if source == "result" and command == "correct":  # may be renewed: tests/cli/test_results_stay.py
            continue
        (world / "link").symlink_to(world / source)
        told = []
        for place in places(source):
            line = COMMANDS[command].replace("{in}", source).replace("{out}", place)
            told.append(f"{line}: {somanet(*line.split(), *options, cwd=world)}")
        after = state(world)
        assert {name: after.get(name) for name in before} == before, told
        for name in set(after) - set(before):
            (world / name).unlink()
        (world / "link").unlink()


@pytest.mark.parametrize("options", [(), ("--replace",)], ids=["", "replace"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_over_its_input(world: Path, command: str, options: tuple[str, ...]) -> None:
    """Under the input's own name, and through a link to it."""
    check(world, command, lambda source: (source, "link"), *options)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_into_or_around_its_input(world: Path, command: str) -> None:
    """Below the input, and into the folder where it lies beside files that SomaNet did not write."""
    check(world, command, lambda source: (f"{source}/new", str(Path(source).parent)))


def commands(group: typer.Typer = app, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for info in group.registered_commands:
        assert info.callback is not None
        yield f"{prefix}{info.name or info.callback.__name__}", info.callback
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        yield from commands(sub.typer_instance, f"{prefix}{sub.name} ")


def takes_paths(hint: Any) -> bool:
    return hint is Path or any(takes_paths(part) for part in get_args(hint))


def test_every_command_that_writes_is_guarded_and_tried_here() -> None:
    """Each with an output has `--replace`, which only guarding adds, and stands in the table above."""
    for name, command in commands():
        assert hasattr(command, "__wrapped__"), f"{name} is not guarded"
        outputs = {key for key, hint in command.__annotations__.items() if takes_paths(hint)} & OUTPUTS
        if outputs and name not in ("simulate", "sweep"):  # these read no files that they are told on the line
            assert "replace" in command.__annotations__, name
            assert any(line.startswith(f"{name} ") for line in COMMANDS.values()), name
    options = {key for _, command in commands() for key, hint in command.__annotations__.items() if takes_paths(hint)}
    read = {
        "movies", "tracks", "conditions", "path", "split", "data", "val", "params", "unlabelled", "inputs", "truth",
        "predictions", "source", "movie", "labels", "result", "reference", "result_labels", "reference_labels", "file",
        "times", "ignore", "test", "corrections", "from_", "images", "crops",
        "tls_ca_file", "tls_cert", "tls_key",
    }  # fmt: skip
    assert options - OUTPUTS == read, "a new path: is it read or written? Writing ones belong to OUTPUTS"
