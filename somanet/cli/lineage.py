"""`somanet trace`: from a file back to the hashes of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError


def trace(
    file: Annotated[Path, typer.Argument(help="A table, figure, network, report, manifest or scores of this project.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show a file's provenance: stage or analysis, MLflow run, network, data; what is missing, what has changed.

    The exit status is 1 if anything has changed since its record.
    """
    import json

    from somanet.provenance.trace.chain import chain_text
    from somanet.provenance.trace.trace import trace as trace_file

    chain = trace_file(file)
    typer.echo(json.dumps(chain.as_dict(), indent=2) if as_json else chain_text(chain))
    if chain.changed:
        raise SomaNetError(
            f"{file}: {counted(len(chain.changed), 'thing has', 'things have')} changed since the record, marked ! (in "
            "JSON: changed). Put back what was, or make the file again from what is there now."
        )
