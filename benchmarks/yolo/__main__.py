"""SomaNet compared with YOLO detectors of libreyolo (MIT), trained on the same images for the same time.

make yolo DATA=../shared/data BUDGET=1800
python -m benchmarks.yolo --data ../shared/data --budget-s 1800 --network yolo9-t somanet --seeds 0 1 2
python -m benchmarks.yolo --data ../shared/data --skip-training --docs docs       # score and draw again, fill the page

Writes OUTPUT/yolo.md, yolo.json and panels.png. The same command resumes a stopped training; existing
results are not recomputed. libreyolo and the trackers have an environment of their own: the two communicate through
files.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.yolo import linkers, page, seeds, sets, stages, tracker_table
from benchmarks.yolo.coco import require_pycocotools
from benchmarks.yolo.scoring import System
from somanet.analysis.network import network_folder
from somanet.analysis.validation.tables import fill
from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder, read_json, write_json, write_text
from somanet.core.machine import available_processors

RECORD = "a record from an earlier part of the benchmark"
FROM_SCRATCH = "somanet"
"""SomaNet's own network from random weights, for the same time."""
NETWORKS = ("yolo9-t", "yolox-n", "dfine-n-seg", FROM_SCRATCH)
GROUPS = {FROM_SCRATCH: "SomaNet from random weights"}
"""How networks are called in the tables, where it is not their own name."""
PICTURE = "images/yolo.png"
WITH_MASKS = ("dfine-n-seg",)
"""Trains on masks, and is not a YOLO but a detection transformer: libreyolo's YOLOs train on boxes only."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.yolo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real data")
    parser.add_argument("--output", type=Path, default=Path("build/yolo"))
    parser.add_argument(
        "--python", type=Path, help="interpreter of the environment with libreyolo; default: OUTPUT/venv's"
    )
    parser.add_argument(
        "--network", nargs="+", choices=NETWORKS, help="to train; with --skip-training default: all trained ones"
    )
    parser.add_argument("--budget-s", type=float, help="training seconds for each network; default: SomaNet's")
    parser.add_argument(
        "--somanet-training", type=Path, nargs="+", metavar="JSON", help="training.json of each of SomaNet's trainings"
    )
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="under other load: processor")
    parser.add_argument("--threads", type=int, default=available_processors(), help="of the training")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--image-px", type=int, default=sets.TILE_PX, help="size to which training tiles are scaled")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the trainings; each network has them all")
    parser.add_argument("--device", default="cpu", help="of the training, as torch names it: cpu, cuda, mps")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings of libreyolo's training"
    )
    parser.add_argument(
        "--model", nargs="*", default=[], metavar="NAME=FOLDER", help="more of SomaNet's networks to score"
    )
    parser.add_argument("--skip-training", action="store_true", help="use earlier trainings")
    parser.add_argument("--no-trackers", action="store_true", help="leave out the trackers of the package `trackers`")
    parser.add_argument("--afresh", action="store_true", help="delete data set, trainings and predictions first")
    parser.add_argument("--docs", type=Path, help="folder whose yolo.md and images/yolo.png are filled")
    return parser.parse_args(arguments)


def somanet_seconds(files: Sequence[Path] | None) -> float | None:
    """How long SomaNet's own trainings took, from the ``training.json`` of each; None where no file is named.

    Raises:
        SomaNetError: a file lacks the time.
    """
    records = [read_json(path, expected=RECORD) for path in files or ()]
    if silent := [str(path) for path, one in zip(files or (), records, strict=True) if "seconds_per_seed" not in one]:
        raise SomaNetError(
            f"{silent[0]} lacks the time of a training. Expected the training.json in a folder …_report written by "
            "`somanet train` or `somanet finetune`."
        )
    return float(sum(one["seconds_per_seed"] for one in records)) if records else None


def somanet_models(given: Sequence[str]) -> dict[str, Path]:
    """SomaNet's networks by name, the bundled model first.

    Raises:
        SomaNetError: an argument is not NAME=FOLDER.
    """
    models = {"SomaNet": network_folder(None)}
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise SomaNetError(f"--model is {text!r}; expected NAME=FOLDER, such as nuclei=build/bundled/nuclei.")
        models[f"SomaNet {name}"] = network_folder(folder)
    return models


def movie_cost(system: System, pictures: Path) -> dict[str, Any]:
    """Cost of a system's predictions for the movie; a detector's images are prepared beforehand."""
    cost = read_json(system.folder / f"{sets.MOVIE}.json", expected=RECORD)
    if system.masks != "own":
        cost["processor_s"] += read_json(pictures / f"{sets.MOVIE}.json", expected=RECORD)["processor_s"]
    return dict(cost)


def train_networks(arguments: argparse.Namespace, python: Path, output: Path) -> list[Path]:
    """Run the requested trainings, or find earlier ones; return their folders, `<network>_seed<number>`."""
    if arguments.skip_training:
        finished = sorted(path.parent for path in (output / "runs").glob("*_seed*/training.json"))
        wanted = [run for run in finished if not arguments.network or network_of(run) in arguments.network]
        if not wanted:
            raise SomaNetError(f"{output}/runs has no finished training. Run this without --skip-training first.")
        return wanted
    budget_s = arguments.budget_s or somanet_seconds(arguments.somanet_training)
    if budget_s is None:
        raise SomaNetError("The training needs a time: give --budget-s, --somanet-training or --skip-training.")
    runs = []
    for network, seed in itertools.product(arguments.network or NETWORKS[:1], arguments.seeds):
        runs.append(output / "runs" / f"{network}_seed{seed}")
        training = stages.Training(
            network,
            budget_s,
            arguments.clock,
            arguments.threads,
            arguments.batch,
            arguments.image_px,
            seed,
            arguments.device,
            tuple(arguments.set),
        )
        if network == FROM_SCRATCH:
            stages.train_somanet(arguments.data, training, runs[-1])
            continue
        data_yaml = output / ("outlines" if network in WITH_MASKS else "boxes") / "data.yaml"
        if not data_yaml.exists():
            print(f"writing {data_yaml.parent}", flush=True)
            sets.write_training_set(arguments.data, data_yaml.parent, outlines=network in WITH_MASKS, seed=0)
        stages.train(python, data_yaml, training, runs[-1])
    return runs


def network_of(run: Path) -> str:
    """The network trained in a folder of :func:`train_networks`."""
    return run.name.rpartition("_seed")[0]


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All stages; returns the content of ``yolo.json``.

    Raises:
        SomaNetError: pycocotools is missing, or a stage fails.
    """
    require_pycocotools()
    output = make_folder(arguments.output)
    python = arguments.python or output / "venv" / "bin" / "python"
    runs, pictures, predictions = (output / name for name in ("runs", "pictures", "predictions"))
    if arguments.afresh:
        for folder in (output / "boxes", output / "outlines", runs, pictures, predictions, output / "tracks"):
            shutil.rmtree(folder, ignore_errors=True)
    own: dict[str, tuple[Path, dict[str, Any]]] = {
        name: (model, {}) for name, model in somanet_models(arguments.model).items()
    }
    trained = train_networks(arguments, python, output)
    wanted = sets.scored_sets(arguments.data)
    stages.write_all_pictures(wanted, pictures)
    systems: list[System] = []
    cost: dict[str, dict[str, Any]] = {}
    for folder in trained:
        training = read_json(folder / "training.json", expected=RECORD)
        network, seed = network_of(folder), int(folder.name.rpartition("_seed")[2])
        name = seeds.name_of(GROUPS.get(network, network), seed)
        if network == FROM_SCRATCH:
            own[name] = (folder, training)
            continue
        systems.append(System(name, predictions / folder.name, "ranked" if network in WITH_MASKS else None))
        stages.predict(python, folder, pictures, systems[-1].folder, threads=1)
        cost[name] = {"parameters": training["parameters"], "training": training}
    for name, (model, training) in reversed(own.items()):
        systems.insert(0, System(name, predictions / name.replace(" ", "_"), "own"))
        n_parameters = stages.predict_with_somanet(model, wanted, systems[0].folder, threads=1)
        cost = {name: {"parameters": n_parameters, "training": training}} | cost
    cost["SomaNet"]["training"] = {"wall_s": somanet_seconds(arguments.somanet_training)}
    for system in systems:
        cost[system.name] |= movie_cost(system, pictures)
    movie = arguments.data / sets.MOVIE
    found = {"machine": {"processors": available_processors(), "kind": platform.machine()}, "cost": cost}
    found |= stages.score(systems, wanted, movie, output)
    if not arguments.no_trackers:
        cuts = {name: one["cut"] for name, one in found["cuts"].items()}
        followed = [system for system in systems if "boxes_per_frame" not in found["tracking"][system.name]]
        found["trackers"] = linkers.compare(followed, cuts, movie, pictures / sets.MOVIE, output, python=python)
    write_json(output / "yolo.json", found)
    write_page(found, output, arguments.docs)
    return found


def write_page(found: dict[str, Any], output: Path, docs: Path | None) -> None:
    """The tables as ``yolo.md``, and into the page of a documentation folder with its figure."""
    tables = {
        "detection": page.detection_table(found["detection"]),
        "masks": page.mask_table(found["masks"]),
        "tracking": page.tracking_table(found["tracking"]),
        "cost": f"{page.cost_table(found['cost'])}\n\n{page.how_trained(found['cost'], found['machine'])}",
        "cuts": page.cuts_text(found["cuts"]),
    }
    if "trackers" in found:
        tables["trackers"] = tracker_table.as_table(found["trackers"])
        tables["settings"] = tracker_table.settings_text(found["trackers"])
    text = "\n\n".join(f"## {name.capitalize()}\n\n{table}" for name, table in tables.items())
    write_text(output / "yolo.md", f"{text}\n")
    if docs is not None:
        place = docs / "yolo.md"
        picture = {"picture": f"![Ground truth boxes, SomaNet's and the detectors']({PICTURE})"}
        write_text(place, fill(place.read_text(encoding="utf-8"), {**tables, **picture}))
        make_folder((docs / PICTURE).parent)
        shutil.copyfile(output / "panels.png", docs / PICTURE)


def main() -> None:
    """Run, or print an error in one line."""
    arguments = parse(None)
    try:
        run(arguments)
    except SomaNetError as error:
        sys.exit(f"error: {error}")
    print(f"Written: {arguments.output}/yolo.md, yolo.json, panels.png")


if __name__ == "__main__":
    main()
