"""Write the graph of a checkpoint beside its weights: `python -m tools.stored_graph somanet/model`.

`make bundled-export` does it; analyses with the bundled network then begin without torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import typer

from somanet.segmentation.export.stored import store_graph
from tools.command_line import run


def main() -> None:
    """Write it and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the checkpoint")
    typer.echo(f"Written: {store_graph(parser.parse_args().folder)}")


if __name__ == "__main__":
    run(main)
