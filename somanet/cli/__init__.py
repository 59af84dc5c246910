"""The command line: parse, read, call one function, write. Heavy libraries are imported inside commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from somanet.cli import (
    analyze,
    calibrate,
    cohort,
    compare,
    correct,
    data,
    label,
    lineage,
    models,
    napari,
    predictions,
    processes,
    project,
    promotion,
    simulate,
    study,
    sweep,
    tracks,
    training,
    videos,
)
from somanet.cli.guarding import guarding
from somanet.cli.screen import open_standard_streams, show_notes
from somanet.core.ending import end_with
from somanet.core.environment import check_environment, ignore_settings_here
from somanet.core.errors import SomaNetError, first_line
from somanet.core.foreign import quiet_libraries
from somanet.core.mending import library_trouble, missing_library
from somanet.core.text import printable
from somanet.core.typed import typed

app = typer.Typer(
    name="somanet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"color": True},  # else typer drops names' escapes on their way into a pipe
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from somanet.cli.version import version_line

        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version, and the commit if it is known."
        ),
    ] = False,
) -> None:
    """From microscope images to somas, scores and, with a movie, migration statistics."""


app.command("analyze")(guarding(analyze.analyze, shallow=("movies",)))
app.command("correct")(guarding(correct.correct, renewed=("result",)))
app.command("cohort")(guarding(cohort.cohort))
app.command("napari")(guarding(napari.napari))
app.command("simulate")(guarding(simulate.simulate))
app.add_typer(data.app, name="data")
app.add_typer(label.app, name="label")
app.command("train")(guarding(training.train, extra_outputs=("_report",)))
app.command("finetune")(guarding(training.finetune, extra_outputs=("_report",)))
app.command("sweep")(guarding(sweep.sweep))
app.command("export")(guarding(models.export))
app.command("import")(guarding(models.import_network))
app.command("calibrate")(guarding(calibrate.calibrate))
app.command("predict")(guarding(predictions.predict))
app.command("evaluate")(guarding(predictions.evaluate))
app.command("compare")(guarding(compare.compare))
app.add_typer(tracks.app, name="tracks")
app.command("export-video")(guarding(videos.export_video))
app.command("processes")(guarding(processes.processes))
app.command("study")(guarding(study.study))
app.command("trace")(guarding(lineage.trace))
app.command("promote")(guarding(promotion.promote))
app.command("ui")(guarding(project.ui))
app.command("sync")(guarding(project.sync))
app.command("doctor")(guarding(project.doctor))

_COMMANDS = {one.name for one in app.registered_commands} | {one.name for one in app.registered_groups}

_NO_MEMORY = "error: The memory does not suffice. Close other programs, use a larger computer, or smaller input."
_OUT_OF_MEMORY = (
    "std::bad_alloc",
    "an't allocate memory",
    "Failed to allocate memory",
    "Insufficient memory",
    "out of memory",
    "can't start new thread",
)
"""How compiled libraries (PyTorch, ONNX Runtime, OpenCV, CUDA) word it that memory or threads do not suffice."""


INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of the signal."""


def main() -> None:
    """Run the command line; an error the user can fix becomes one line on stderr and exit status 1."""
    open_standard_streams()
    quiet_libraries()
    show_notes()
    try:
        check_environment()
        ignore_settings_here()
        _want_a_command(sys.argv[1:])
        app()
    except SomaNetError as error:
        sys.exit(f"error: {printable(str(error))}")
    except OSError as error:
        if trouble := library_trouble(error):
            sys.exit(f"error: {printable(trouble.line)}")
        if _folder_is_gone():
            sys.exit("error: The current folder no longer exists. Change to another one (`cd`), then run again.")
        # Of the system, the standard output, or a library's own files: no traceback helps.
        place = error.filename or ("what this command prints" if error.errno is not None else "a library")
        reason = error.strerror or first_line(error).removesuffix(".")
        sys.exit(f"error: {printable(str(place))}: {reason}. Check its permissions and the free space, then run again.")
    except MemoryError:
        sys.exit(_NO_MEMORY)
    except ImportError as error:
        if trouble := library_trouble(error) or missing_library(error):
            sys.exit(f"error: {printable(trouble.line)}")
        sys.exit(
            f"error: A library cannot be loaded ({printable(first_line(error).removesuffix('.'))}). Does the memory "
            "suffice (`ulimit -v`)? If so, the installation is damaged: install somanet again, and check it with "
            "`somanet doctor`."
        )
    except (KeyboardInterrupt, SystemExit) as ended:  # Typer makes one into the other
        if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:
            raise
        print("\nInterrupted: what was finished stays.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if any(words in str(error) for words in _OUT_OF_MEMORY):
            sys.exit(_NO_MEMORY)
        raise


def _want_a_command(words: Sequence[str]) -> None:
    """Refuse a file or folder in a command's place, with the commands that take one."""
    if words and words[0] not in _COMMANDS and not words[0].startswith("-") and Path(words[0]).exists():
        raise SomaNetError(
            f"Expected a command, found {words[0]}. `{typed('predict', words[0], '--output', 'FOLDER')}` segments "
            f"images, `{typed('analyze', words[0], '--output', 'FOLDER')}` a movie."
        )


def _folder_is_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is this
    except OSError:
        return True
    return False


def script() -> None:
    """:func:`main` as a process of its own."""
    end_with(main)
