"""The two commands: `record` and `compare`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tools.same_numbers import workload
from tools.same_numbers.comparing import differences, read_numbers
from tools.same_numbers.recording import FILES, NUMBERS, RecordingRun, fail, write_numbers

PARTS = {
    "simulation": workload.simulation,
    "pipeline": workload.pipeline,
    "trainings": workload.trainings,
    "labels": workload.labels,
    "movies": workload.movies,
}

app = typer.Typer(
    help="Prove that a code change changed no number.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def record(
    output: Annotated[Path, typer.Argument(help="Folder to write: numbers.json, and the files with the numbers.")],
    checkout: Annotated[Path, typer.Option(help="The tree whose code runs.")] = Path(),
    data: Annotated[
        Path | None, typer.Option(envvar="SOMANET_DATA", help="Real data, with soma/val and neuritetracker.")
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option(help=f"Only these of {', '.join(PARTS)}; the first always runs.")
    ] = None,
) -> None:
    """Run a checkout's own commands on seeded data; keep every number they write, with its hash."""
    if unknown := sorted(set(part or ()) - set(PARTS)):
        fail(f"there is no part {unknown[0]!r} to record; use some of {', '.join(PARTS)}.")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        fail(f"{output} already exists. Choose another folder, or remove it.")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="same_numbers.") as scratch:
        recording = RecordingRun(checkout.resolve(), Path(scratch).resolve(), data)
        recording.check_code()
        (recording.scratch / ".dvc").mkdir()  # makes the folder a project with its own MLflow store
        for name, run in PARTS.items():
            if part is None or name in (*part, "simulation"):
                run(recording)
        recording.keep(output / FILES)
    n_files = write_numbers(output, left_out=recording.left_out)
    for note in recording.left_out:
        typer.echo(f"left out: {note}")
    typer.echo(f"Written: {output / NUMBERS}, {n_files} files, {time.perf_counter() - start:.0f} s")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Recording of the old code.")],
    after: Annotated[Path, typer.Argument(help="Recording of the new code.")],
    excepted: Annotated[
        list[str] | None,
        typer.Option("--except", metavar="FILE[:PART]", help="Intended differences; * stands for anything."),
    ] = None,
    because: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="The reason, one for each --except.")
    ] = None,
) -> None:
    """Print a line for each difference; the status is 1 if any is not covered by --except."""
    patterns, reasons = excepted or [], because or []
    if len(patterns) != len(reasons):
        fail(f"found {len(patterns)} --except and {len(reasons)} --because: give a reason for each exception.")
    exceptions = dict(zip(patterns, reasons, strict=True))
    old, new = read_numbers(before), read_numbers(after)
    for name in old.about:
        if old.about[name] != new.about.get(name):
            typer.echo(f"note: {name} {old.about[name]} → {new.about.get(name)}, which can change numbers by itself")
    for note in sorted({*old.left_out, *new.left_out}):
        typer.echo(f"left out: {note}")
    found = list(differences(old, new))
    n_meant = 0
    for one in found:
        pattern = next((pattern for pattern in exceptions if one.matches(pattern)), None)
        n_meant += pattern is not None
        typer.echo(f"{one.place}: {one.text}" + ("" if pattern is None else f" (meant: {exceptions[pattern]})"))
    for pattern in exceptions:
        if not any(one.matches(pattern) for one in found):
            typer.echo(f"note: no difference matches --except {pattern!r}; leave it out")
    total = sum(len(file["parts"]) for file in old.files.values())
    typer.echo(f"{len(found)} differences in {len(old.files)} files of {total} parts, {n_meant} of them meant")
    raise typer.Exit(len(found) > n_meant)


if __name__ == "__main__":
    app()
