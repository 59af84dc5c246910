"""The command line: parse, read, call one function, write. Heavy libraries are imported inside commands."""

from __future__ import annotations

import sys

import typer

from somanet.cli import (
    analyze,
    calibration,
    compare,
    data,
    lineage,
    models,
    predictions,
    project,
    promotion,
    study,
    sweep,
    tracks,
    training,
)
from somanet.errors import SomaNetError

app = typer.Typer(
    name="somanet",
    help="From microscope images to somas, scores and, with a movie, migration statistics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("analyze")(analyze.analyze)
app.command("simulate")(data.simulate)
app.add_typer(data.app, name="data")
app.command("train")(training.train)
app.command("finetune")(training.finetune)
app.command("sweep")(sweep.sweep)
app.command("export")(models.export)
app.command("calibrate")(calibration.calibrate)
app.command("predict")(predictions.predict)
app.command("evaluate")(predictions.evaluate)
app.command("compare")(compare.compare)
app.add_typer(tracks.app, name="tracks")
app.command("study")(study.study)
app.command("trace")(lineage.trace)
app.command("promote")(promotion.promote)
app.command("ui")(project.ui)
app.command("sync")(project.sync)
app.command("doctor")(project.doctor)


def main() -> None:
    """Run the command line; a problem the user can mend is one line on stderr and exit status 1."""
    try:
        app()
    except SomaNetError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
