"""The commands behind `make locks` and `make bless`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tools.command_line import run

app = typer.Typer(name="tools.locks", no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def check(base: Annotated[str, typer.Option(help="Branch, tag or commit to compare with.")] = "HEAD") -> None:
    """Refuse a lock that is not of this tree, or of which a dependency moved without a run or a proof."""
    from tools.locks.checking import problems
    from tools.locks.locked import projects

    root = Path.cwd()
    found = problems(root, base=base)
    for line in found:
        typer.echo(f"error: {line}", err=True)
    if not found:
        typer.echo(f"{len(projects(root))} locks are of this tree; every hash in them was made by a run or is proven.")
    raise typer.Exit(bool(found))


@app.command()
def bless(
    profile: Annotated[Path, typer.Argument(help="The folder whose dvc.lock is to follow the code.")] = Path(),
) -> None:
    """Compute what can be with the locked and the present code; if all is equal, let the lock follow the code."""
    from tools.locks.blessing import bless_lock

    for line in bless_lock(Path.cwd(), profile.resolve(), echo=typer.echo):
        typer.echo(line)


if __name__ == "__main__":
    run(app)
