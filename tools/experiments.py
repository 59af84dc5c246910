"""`dvc exp show` for a screen: a row for each parameter and score that differs, a column for each experiment."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import typer

from somanet.core.errors import SomaNetError
from somanet.provenance.dvc_records import dvc_command
from tools.command_line import run

app = typer.Typer(name="tools.experiments", pretty_exceptions_enable=False)

WIDEST = 200
"""Characters of a wide screen, and of a table that goes elsewhere."""
ONE_OF_EACH = ("--only-changed", "--drop", "^(?!reports/scores/)[^:]*/", "--drop", "^reports/scores/.*:(?!iou$)")
"""What `dvc exp show` leaves out: what is equal everywhere, dependencies, and all scores of networks but the IoU."""
_NAMES = ("Experiment", "rev")
_HIDDEN = (*_NAMES, "typ", "parent", "Executor")


def tables(shown: str, width: int) -> str:
    """The experiments side by side, in several tables if one would be too wide.

    Args:
        shown: what `dvc exp show --csv` prints, a row for each experiment.
        width: characters of a line; it is kept if the names and a single experiment fit.
    """
    experiments = list(csv.DictReader(shown.splitlines()))
    rows = [name for name in (experiments[0] if experiments else {}) if name not in _HIDDEN]
    labels = ["", *rows]
    columns = [[one.get("Experiment") or one["rev"], *(_cell(name, one[name]) for name in rows)] for one in experiments]
    blocks: list[list[list[str]]] = []
    for column in columns:
        if not blocks or _width([labels, *blocks[-1], column]) > width:
            blocks.append([])
        blocks[-1].append(column)
    return "\n\n".join(_table([labels, *block]) for block in blocks)


def _cell(name: str, value: str) -> str:
    return (value.replace("T", " ")[:16] if name == "Created" else value) or "-"


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) + 2 for column in columns) - 2


def _table(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(wide) if i else cell.ljust(wide) for i, (cell, wide) in enumerate(zip(line, widths, strict=True))
        )
        for line in zip(*columns, strict=True)
    ]
    return "\n".join([lines[0], "-" * _width(columns), *lines[1:]])


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(arguments: typer.Context) -> None:
    """Compare experiments; arguments are further ones of `dvc exp show`."""
    command, environment = dvc_command(Path.cwd(), "exp", "show", "--csv", *ONE_OF_EACH, *arguments.args)
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    typer.echo(done.stderr, err=True, nl=False)
    if done.returncode:
        raise SomaNetError("`dvc exp show` failed, as it says above. Is this the folder of a dvc.yaml, in git?")
    typer.echo(tables(done.stdout, min(WIDEST, shutil.get_terminal_size((WIDEST, 0)).columns)))


if __name__ == "__main__":
    run(app)
