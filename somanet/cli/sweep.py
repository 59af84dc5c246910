"""`somanet sweep`: search hyperparameters over a space declared in params.yaml."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from somanet.cli.options import PARAMETER_FILE, ParameterFile
from somanet.core.errors import SomaNetError
from somanet.core.typed import quoted, typed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from distributed import Client

    from somanet.config import Params
    from somanet.training.sweep.report import Report
    from somanet.training.sweep.settings import SweepParams

_PACKED, _STARTS = Path("data/packed/target_train"), Path("models/pretrain")


def sweep(
    name: Annotated[str, typer.Argument(help="A sweep in params.yaml's `sweep` section.")],
    params: ParameterFile = PARAMETER_FILE,
    trials: Annotated[int | None, typer.Option(min=1, help="Total number of trials, instead of the file's.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Start no trial after this many minutes.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Parallel trials: processes on this computer, or on --scheduler's.")
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler to use: tls://host:8786.")] = None,
    tls_ca_file: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) of the authority that signed the cluster's.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="The sweep's certificate (PEM) for the cluster.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM) of that certificate.")] = None,
    unencrypted: Annotated[
        bool, typer.Option(help="Allow a scheduler on another computer without encryption: trust the whole network.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="A labelled set instead of the pipeline's training neurons.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Network to start from, instead of the pipeline's.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the report; default: reports/sweeps/NAME.")] = None,
    write_back: Annotated[
        str | None, typer.Option(help="Write the best settings into the file as this variant.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Let --write-back replace another variant with that name.")] = False,
    restart: Annotated[
        bool, typer.Option(help="Delete the search's trials and begin again; MLflow keeps their runs.")
    ] = False,
) -> None:
    """Search hyperparameters: each trial is a training and an MLflow run. The same command resumes after a kill."""
    from somanet.config import load_params, profile_of
    from somanet.core.extras import require
    from somanet.core.names import check_name
    from somanet.core.settings import read_yaml

    require("sweeps", purpose="somanet sweep")
    if workers is not None or scheduler is not None:
        require("cluster", purpose="A cluster (--workers, --scheduler)")
    from somanet.core.cluster import certificates_of, check_address

    certificates = certificates_of(tls_ca_file, tls_cert, tls_key)
    if scheduler is not None:
        check_address(scheduler, certificates, unencrypted=unencrypted)
    elif certificates is not None:
        raise SomaNetError("Certificates are for --scheduler, which is missing. Give its address: tls://host:8786.")
    loaded = load_params(params)
    if name not in loaded.sweep:
        known = ", ".join(sorted(loaded.sweep)) or "none: declare one in a `sweep:` section"
        raise SomaNetError(f"{params} has no sweep.{name}; it has {known}.")
    chosen = loaded.sweep[name]
    base = read_yaml(params)["finetune"][chosen.base]
    if write_back is not None:
        check_name(write_back, "--write-back")
    folder = params.resolve().parent
    from somanet.provenance.code import project_root

    root = project_root(folder)
    source = f"{params}: sweep.{name}.space"
    from somanet.training.sweep.plan import plan_sweep
    from somanet.training.sweep.space import read_space

    read_space(chosen, base, source=source)  # mistakes in the file are reported before missing files
    job = plan_sweep(
        name,
        chosen,
        base,
        starts=_starts(chosen, loaded, folder, start),
        data=_labelled(folder, data),
        seed=loaded.seed,
        thresholds=loaded.evaluate.thresholds,
        root=root,
        source=source,
        profile=profile_of(loaded, folder),
    )
    from somanet.core.files import check_outputs
    from somanet.training.sweep.report import FILES
    from somanet.training.sweep.run import run_sweep

    place = output or folder / "reports" / "sweeps" / name
    check_outputs(*(place / file for file in FILES))
    go = partial(
        run_sweep,
        job,
        place,
        trials=trials or chosen.trials,
        minutes=chosen.minutes if minutes is None else minutes,
        restart=restart,
    )
    if scheduler is not None:
        from somanet.core.cluster import existing_cluster

        open_cluster = partial(existing_cluster, scheduler, certificates=certificates, unencrypted=unencrypted)
        report = _run(go, workers, open_cluster)
    elif workers is not None:
        from somanet.training.sweep.cluster import local_cluster

        report = _run(go, workers, partial(local_cluster, workers, root))
    else:
        report = go()
    _print_report(report)
    if write_back is not None:
        from somanet.training.sweep.winner import winning_variant, write_variant

        assert report.best is not None  # _tell has checked it
        changed = write_variant(
            params,
            write_back,
            winning_variant(base, report, job.space),
            comment=f"`somanet sweep {name}`: {report.metric} {report.best.value:.4f} on held-out training neurons",
            check=load_params,
            force=force,
        )
        typer.echo(f"{'Written' if changed else 'Already there'}: finetune.{write_back} in {params}")
    only_seeds = set(chosen.space) == {"seed"}
    typer.echo(f"Next: {_next_step(name, params, folder, write_back, data, start, only_seeds=only_seeds)}")


def _run(
    go: Callable[..., Report], workers: int | None, open_cluster: Callable[[], AbstractContextManager[Client]]
) -> Report:
    from somanet.training.sweep.cluster import run_on_cluster

    with open_cluster() as client:
        return go(execute=partial(run_on_cluster, client, at_once=workers))


def _starts(sweep: SweepParams, params: Params, folder: Path, given: str | None) -> dict[str, Path]:
    """Name -> checkpoint of each start that a trial may use."""
    base = params.finetune[sweep.base]
    axis = sweep.space.get("start")
    if given is not None:
        from somanet.analysis.network import network_folder

        if axis is not None:
            raise SomaNetError("--start names one network, but the space varies `start`. Leave one of them out.")
        return {base.start: network_folder(given)}
    names = [base.start] if axis is None else [str(choice) for choice in axis.choices or ()]
    unknown = sorted(set(names) - set(params.pretrain))
    if unknown:
        raise SomaNetError(
            f"The space's start {unknown[0]!r} is not a network; pretrain has {sorted(params.pretrain)}."
        )
    folders = {name: folder / _STARTS / name for name in names}
    missing = [name for name, place in folders.items() if not (place / "config.json").is_file()]
    if missing:
        stages = " ".join(f"pretrain@{name}" for name in missing)
        raise SomaNetError(
            f"{folders[missing[0]]} not found: the sweep starts from that network. Run `dvc repro manifest {stages}` "
            "first, or name one with --start."
        )
    return folders


def _labelled(folder: Path, given: Path | None) -> Path:
    if given is None and not (folder / _PACKED).is_dir():
        raise SomaNetError(
            f"{folder / _PACKED} not found: the sweep trains on these neurons. Run `dvc repro manifest` first, or name "
            "a labelled set with --data."
        )
    return given or folder / _PACKED


def _print_report(report: Report) -> None:
    counts = ", ".join(f"{number} {word}" for word, number in report.counts.items() if number)
    if report.best is None:
        why = f" Latest failure: {report.problem}" if report.problem else ""
        raise SomaNetError(f"No trial is complete ({counts or 'none was started'}), see {report.folder}.{why}")
    settings = "\n".join(f"  {name}: {value}" for name, value in report.best.values.items())
    one = report.best
    which = f"trial {one.trials[0]}" if one.spread is None else f"mean of trials {', '.join(map(str, one.trials))}"
    spread = f", standard deviation {one.spread:.4f}" if one.spread is not None else ""
    typer.echo(
        f"Best: {which}, {report.metric} {one.value:.4f}{spread} on held-out training neurons ({counts})\n"
        f"{settings}{chr(10) if settings else ''}"
        f"Written: {report.folder} (trials.csv, sweep.json, figures)\nMLflow run: {report.parent_run_id}"
    )


def _next_step(
    name: str,
    params: Path,
    folder: Path,
    variant: str | None,
    data: Path | None,
    start: str | None,
    *,
    only_seeds: bool,
) -> str:
    """The command that confirms the winner, or keeps it."""
    if variant is None:
        where = ("--params", params) if params != PARAMETER_FILE else ()
        outside = (*(("--data", data) if data else ()), *(("--start", start) if start else ()))
        again = typed("sweep", name, *where, *outside, "--write-back", "NAME")
        return "somanet ui" if only_seeds else f"{again}, or somanet ui"
    if data is not None or start is not None:
        asked = ("--start", start or "NETWORK", "--params", params, "--variant", variant)
        return typed("finetune", data or "CROPS", *asked, "--output", f"models/{variant}")
    there = "" if folder == Path.cwd() else f"{quoted('cd', params.parent)} && "
    return f"{there}dvc repro finetune@{variant} evaluate@{variant} compare"
