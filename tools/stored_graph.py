"""Write the graphs of a checkpoint beside its weights: `python -m tools.stored_graph somanet/model`.

`make bundled-export` does it; analyses with the bundled network then begin without torch, and can compute in 8 bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import typer

from somanet.segmentation.export.stored import store_graphs
from tools.command_line import run


def main() -> None:
    """Write them and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the checkpoint")
    for path in store_graphs(parser.parse_args().folder):
        typer.echo(f"Written: {path}")


if __name__ == "__main__":
    run(main)
