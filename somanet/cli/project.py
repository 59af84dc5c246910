"""`somanet ui`, `somanet sync` and `somanet doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this computer.")] = 5000) -> None:
    """Open the MLflow page with this project's runs, on this computer only; of a team's server print the addresses."""
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import page_of_server, serve_ui

    root = project_root()
    if page := page_of_server(root):
        _print_addresses(root, page)
        return
    typer.echo("Starting MLflow (takes some seconds); Ctrl-C stops it.")
    serve_ui(root, port=port, ready=lambda url: _print_addresses(root, url))


def _print_addresses(root: Path, url: str) -> None:
    """The page, and the scores of each experiment in MLflow's mode for training."""
    from somanet.provenance.mlflow import score_addresses

    typer.echo(f"Open {url}")
    found = score_addresses(root, url)
    if not found:
        typer.echo("There are no runs yet: `dvc repro` or `somanet train` makes the first.")
        return
    typer.echo("The scores, the newest experiment first:")
    width = max(map(len, found))
    for name, address in found.items():
        typer.echo(f"  {name:<{width}}  {address}")


def sync() -> None:
    """Send MLflow the records that were kept while the tracking server was unreachable."""
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import replay_spool

    sent = replay_spool(project_root())
    typer.echo("\n".join(f"{run}: {counted(n, 'record')}" for run, n in sent.items()) or "Nothing was waiting.")


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON, for an issue or a script.")
    ] = False,
) -> None:
    """Check this installation, machine and project; one line for each finding, with the command that mends it."""
    from somanet.cli.doctor import diagnose

    checks = diagnose()
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=1, ensure_ascii=False))
    else:
        marks = {"ok": "ok     ", "warn": "warning", "missing": "MISSING"}
        for check in checks:
            typer.echo(f"{marks[check.status]}  {check.name}: {check.line}")
    missing = [check.name for check in checks if check.status == "missing"]
    if missing:
        raise SomaNetError(f"Required but missing: {', '.join(missing)}. The lines above say what to do.")
