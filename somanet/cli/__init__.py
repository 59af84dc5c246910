"""The command line: parse, read, call one function, write. Heavy libraries are imported inside commands."""

from __future__ import annotations

import sys

import typer

from somanet.cli import (
    analyze,
    calibrate,
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
from somanet.cli.guarding import guarding
from somanet.cli.screen import LINES
from somanet.core.errors import SomaNetError
from somanet.core.text import printable

app = typer.Typer(
    name="somanet",
    help="From microscope images to somas, scores and, with a movie, migration statistics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("analyze")(guarding(analyze.analyze, shallow=("movies",)))
app.command("simulate")(guarding(data.simulate))
app.add_typer(data.app, name="data")
app.command("train")(guarding(training.train, extra_outputs=("_report",)))
app.command("finetune")(guarding(training.finetune, extra_outputs=("_report",)))
app.command("sweep")(guarding(sweep.sweep))
app.command("export")(guarding(models.export))
app.command("calibrate")(guarding(calibrate.calibrate))
app.command("predict")(guarding(predictions.predict))
app.command("evaluate")(guarding(predictions.evaluate))
app.command("compare")(guarding(compare.compare))
app.add_typer(tracks.app, name="tracks")
app.command("study")(guarding(study.study))
app.command("trace")(guarding(lineage.trace))
app.command("promote")(guarding(promotion.promote))
app.command("ui")(guarding(project.ui))
app.command("sync")(guarding(project.sync))
app.command("doctor")(guarding(project.doctor))


def main() -> None:
    """Run the command line; an error the user can fix becomes one line on stderr and exit status 1."""
    try:
        app()
    except SomaNetError as error:
        sys.exit(f"error: {printable(str(error), keep=LINES)}")
    except KeyboardInterrupt:
        sys.exit(130)
