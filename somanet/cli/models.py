"""`somanet train` and `somanet finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from somanet.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.data.layouts import LabelledImage

    LabelledSet = tuple[Path, list[LabelledImage]]

Data = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA...",
        help="Labelled images, one or more sets: Kaggle layout (folder or zip) or image and label pairs.",
    ),
]
Output = Annotated[Path, typer.Option(help="Checkpoint folder to write.")]
Val = Annotated[Path | None, typer.Option(help="Validation images; else --split, else a seeded fifth of DATA.")]
Split = Annotated[Path | None, typer.Option(help="CSV image_id,split with train and val.")]
ParamsFile = Annotated[Path, typer.Option("--params", help="Parameter file that --network or --variant refers to.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting: training.epochs=3, model.encoder=resnet18, …"),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same weights on a CPU.")]
Experiment = Annotated[str, typer.Option(help="MLflow experiment.")]


def train(
    data: Data,
    output: Output,
    val: Val = None,
    split: Split = None,
    network: Annotated[str | None, typer.Option(help="A network of params.yaml's `pretrain` section.")] = None,
    params: ParamsFile = Path("params.yaml"),
    assignments: Set = None,
    seed: Seed = 0,
    experiment: Experiment = "train",
) -> None:
    """Train a network on labelled images. Without --network: the paper's U-Net and default settings."""
    from somanet.config import PretrainParams, override, parse
    from somanet.experiments import start_network

    values = _section(params, "pretrain", network) if network else {"model": {}, "training": {}}
    chosen = parse(PretrainParams, override(values, assignments or ()), source="settings")
    model, spec, _ = start_network(chosen.model, seed=seed)
    _run(model, spec, chosen.training, data, val, split, output, seed, experiment, network or spec.architecture, None)


def finetune(
    data: Data,
    output: Output,
    start: Annotated[str, typer.Option(help="Network to begin with: folder, run id, alias (champion) or URI.")],
    val: Val = None,
    split: Split = None,
    variant: Annotated[str | None, typer.Option(help="A variant of params.yaml's `finetune` section.")] = None,
    params: ParamsFile = Path("params.yaml"),
    blocks: Annotated[str | None, typer.Option(help="Blocks from the output to retrain: a number or 'all'.")] = None,
    assignments: Set = None,
    seed: Seed = 0,
    experiment: Experiment = "finetune",
) -> None:
    """Retrain a network's last blocks, or all of it, on other labelled images."""
    from somanet.config import FinetuneParams, override, parse
    from somanet.experiments import start_network

    defaults: dict[str, Any] = {"start": "checkpoint", "weights": "pretrained", "training": {"trainable_blocks": 3}}
    values = _section(params, "finetune", variant) if variant else defaults
    extra = [f"training.trainable_blocks={blocks}"] if blocks is not None else []
    chosen = parse(FinetuneParams, override(values, [*(assignments or ()), *extra]), source="settings")
    from somanet.analysis.network import network_folder
    from somanet.segmentation.settings import ModelSpec

    checkpoint = network_folder(start)
    model, spec, sha256 = start_network(ModelSpec(), seed=seed, checkpoint=checkpoint, weights=chosen.weights)
    _run(
        model,
        chosen.adapt(spec),
        chosen.training,
        data,
        val,
        split,
        output,
        seed,
        experiment,
        variant or output.name,
        sha256,
    )


def export(
    output: Annotated[Path, typer.Option(help="Folder (safetensors, openvino) or file (.onnx; .zip of bioimageio).")],
    model: Annotated[
        str | None,
        typer.Argument(help="Checkpoint folder, run id, alias (champion) or URI; SomaNet's own network unless told."),
    ] = None,
    to: Annotated[
        Literal["safetensors", "onnx", "openvino", "bioimageio"],
        typer.Option("--format", help="A checkpoint of half the bytes; or a file for other programs."),
    ] = "safetensors",
    author: Annotated[list[str] | None, typer.Option(help="Of a bioimageio package; once for each.")] = None,
    licence: Annotated[str | None, typer.Option("--license", help="Of a bioimageio package: CC-BY-4.0, …")] = None,
) -> None:
    """Write a network for others, with the name of the run that trained it, and prove that it answers alike."""
    from somanet import exporting
    from somanet.analysis.network import BUNDLED, network_folder
    from somanet.mlops import find_run
    from somanet.provenance import project_root
    from somanet.segmentation.checkpoint import read_config

    checkpoint = network_folder(model)
    sha256 = read_config(checkpoint)["weights"]["sha256"]
    run = find_run({"weights_sha256": sha256}, root=project_root()) or read_config(checkpoint).get("mlflow_run")
    if to == "safetensors":
        exporting.export_half(checkpoint, output, mlflow_run=run)
        typer.echo(f"Written: {output} ({_megabytes(output):.1f} MB)")
        typer.echo(f"Next: somanet analyze MOVIE --model {output} --output results")
        return
    if to == "onnx":
        difference = exporting.export_onnx(checkpoint, output, mlflow_run=run)
    elif to == "openvino":
        difference = exporting.export_openvino(checkpoint, output, mlflow_run=run)
    else:
        own = checkpoint.resolve() == BUNDLED
        name = "SomaNet network" if own else f"SomaNet network {checkpoint.resolve().name}"
        author, licence = (author or ["SomaNet contributors"], licence or "MIT") if own else (author, licence)
        card = exporting.make_card(checkpoint, name=name, authors=author or (), licence=licence)
        difference = exporting.export_bioimageio(checkpoint, output, card=card, mlflow_run=run)
    typer.echo(f"Written: {output} ({_megabytes(output):.1f} MB); its answers differ from torch's by {difference:.1g}")


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def _section(params: Path, section: Literal["pretrain", "finetune"], name: str) -> dict[str, Any]:
    from somanet.config import read_yaml

    named = read_yaml(params).get(section, {})
    if name not in named:
        raise SomaNetError(f"{params} has no {section}.{name}; it has {', '.join(sorted(named))}.")
    return dict(named[name])


def _run(
    model: Any,
    spec: Any,
    settings: Any,
    data: list[Path],
    val: Path | None,
    split: Path | None,
    output: Path,
    seed: int,
    experiment: str,
    name: str,
    start_sha256: str | None,
) -> None:
    from somanet.experiments import (
        Recording,
        dataset_ref,
        is_main_process,
        run_training,
        several_trainings,
        write_training,
    )

    _check_replaceable(output)
    training, validation = _sets(data, val, split, seed)
    references = [dataset_ref(path, "training", items) for path, items in training]
    references += [dataset_ref(path, "validation", items) for path, items in validation]
    train_items, val_items = ([item for _, items in sets for item in items] for sets in (training, validation))
    report = output.parent / f"{output.name}_report"
    with several_trainings() as finished:  # so that a kill before the report is written costs no second training
        result = run_training(
            model,
            spec,
            train_items,
            val_items,
            settings,
            seed=seed,
            checkpoint=output,
            run_file=report / "mlflow_run.json",
            recording=Recording.here(experiment, name, references),
            start_sha256=start_sha256,
            finished=finished,
        )
        if not is_main_process():
            return
        write_training(report, {seed: result})
    typer.echo(
        f"Written: {output} (network), {output}_report/ (curves, history, MLflow run)\n"
        f"Next: somanet predict IMAGES --model {output} --output labels"
    )


def _check_replaceable(output: Path) -> None:
    """Refuse, before the training and not after it, an output that cannot be written or is no checkpoint's place."""
    from somanet.files import make_folder
    from somanet.segmentation.checkpoint import CONFIG, WEIGHTS

    if output.exists() and not (output.is_dir() and {p.name for p in output.iterdir()} <= {CONFIG, WEIGHTS}):
        raise SomaNetError(
            f"{output} holds other things than a checkpoint, which would replace it: choose another --output."
        )
    make_folder(output.parent)


def _sets(
    data: list[Path], val: Path | None, split: Path | None, seed: int
) -> tuple[list[LabelledSet], list[LabelledSet]]:
    """Training and validation images of each set: all of them and another set's, or a split of each."""
    from somanet.data.layouts import open_dataset
    from somanet.data.splits import make_split, read_split

    if val is not None and split is not None:
        raise SomaNetError("Give --val or --split, not both: each says which images validate.")
    if split is not None and len(data) > 1:
        raise SomaNetError(f"--split names the images of one set, found {len(data)}. Give --val, or neither.")
    sets = [(path, open_dataset(path)) for path in data]
    if val is not None:
        return [(path, list(dataset)) for path, dataset in sets], [(val, list(open_dataset(val)))]
    fractions = {"train": 0.8, "val": 0.2}
    training: list[LabelledSet] = []
    validation: list[LabelledSet] = []
    for path, dataset in sets:
        names = dataset.names
        parts = read_split(split, names=names) if split else make_split(names, fractions=fractions, seed=seed)
        training.append((path, [dataset.load(name) for name in parts.get("train", ())]))
        validation.append((path, [dataset.load(name) for name in parts.get("val", ())]))
    return training, validation
