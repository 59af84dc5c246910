"""`somanet ui`, `somanet sync` and `somanet doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from somanet.core.errors import SomaNetError


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this computer.")] = 5000) -> None:
    """Open the MLflow page with this project's runs, on this computer only."""
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import serve_ui

    typer.echo("Starting MLflow (takes some seconds); Ctrl-C stops it.")
    hint = "The first time, switch to `Model training` at the top left, then choose an experiment (docs/mlflow.md)."
    serve_ui(project_root(), port=port, ready=lambda url: typer.echo(f"Open {url}\n{hint}"))


def sync() -> None:
    """Send MLflow the records that were kept while the tracking server was unreachable."""
    from somanet.provenance.code import project_root
    from somanet.provenance.mlflow import replay_spool

    sent = replay_spool(project_root())
    typer.echo("\n".join(f"{run}: {n} records" for run, n in sent.items()) or "Nothing was waiting.")


def doctor() -> None:
    """Check this installation, machine and project; list what is missing and what to do."""
    from somanet.cli.doctor import diagnose

    marks = {"ok": "ok     ", "warn": "warning", "missing": "MISSING"}
    checks = diagnose()
    for check in checks:
        typer.echo(f"{marks[check.status]}  {check.name}: {check.detail}")
        if check.remedy:
            typer.echo(f"         → {check.remedy}")
    missing = [check.name for check in checks if check.status == "missing"]
    if missing:
        raise SomaNetError(f"Required but missing: {', '.join(missing)}. The lines above say what to do.")
