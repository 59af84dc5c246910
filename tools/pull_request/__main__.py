"""The commands behind `make base`, `make base-key`, `make report` and `make repro TIMED=1`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tools.command_line import run

app = typer.Typer(name="tools.pull_request", no_args_is_help=True, pretty_exceptions_enable=False)
BaseOption = Annotated[str, typer.Option("--base", help="Branch, tag or commit to compare with.")]


@app.command()
def repro() -> None:
    """Run `dvc repro` here and record how long each stage takes."""
    from tools.pull_request.runs import run_pipeline

    raise typer.Exit(run_pipeline(Path.cwd(), echo=typer.echo).status)


@app.command()
def base(base: BaseOption) -> None:
    """Run the base's pipeline in build/base, unless it has already run there on the same kind of machine."""
    from tools.pull_request.revisions import base_commit
    from tools.pull_request.sides import run_base

    root = Path.cwd()
    raise typer.Exit(run_base(root, base_commit(root, base), echo=typer.echo).status)


@app.command()
def key(base: BaseOption) -> None:
    """Print a key of everything the base's results depend on, as an output of a GitHub step."""
    from tools.pull_request.machine import this_machine
    from tools.pull_request.revisions import base_commit

    typer.echo(f"key=results-{this_machine()}-{base_commit(Path.cwd(), base)}")


@app.command()
def report(base: BaseOption, output: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Write this branch's effect on the pipeline's results, as Markdown."""
    from tools.pull_request.report import write_report

    write_report(Path.cwd(), base=base, output=output)
    typer.echo(f"Written: {output}")


if __name__ == "__main__":
    run(app)
