"""Run the notebooks of examples/ and keep in them what their cells print and draw: `make notebooks`.

Cells run in order in one namespace, as after Jupyter's "Restart and run all". Kept are standard output, the value of a
cell's last line as text, and figures of matplotlib as small PNG files; no times, no counts of earlier runs, no path of
the machine. Jupyter is not needed.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from somanet.core.errors import SomaNetError, first_line
from somanet.core.files import write_text
from tools.command_line import run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

app = typer.Typer(name="tools.notebooks", pretty_exceptions_enable=False)

DPI, COLOURS = 80, 256
"""Of kept figures: readable on a page, and a few ten kilobytes."""


def code_of(cell: dict[str, Any]) -> str:
    """The source of a cell as one text."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def run_cells(notebook: dict[str, Any], *, name: str) -> dict[str, Any]:
    """The notebook with the outputs of its code cells, run in the current folder.

    Args:
        notebook: content of an .ipynb file, format 4.
        name: for tracebacks.

    Raises:
        Exception: whatever a cell raises.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = []
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        outputs = _run(code_of(cell), namespace, f"{name}, cell {number}")
        cells.append({**cell, "execution_count": len([one for one in cells if one["cell_type"] == "code"]) + 1})
        cells[-1]["outputs"] = [_numbered(output, cells[-1]["execution_count"]) for output in outputs]
    return {**notebook, "cells": cells}


def _numbered(output: dict[str, Any], count: int) -> dict[str, Any]:
    return output | ({"execution_count": count} if output["output_type"] == "execute_result" else {})


def _run(code: str, namespace: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Run a cell; its outputs in Jupyter's format."""
    tree = ast.parse(code, name)
    last = tree.body[-1] if tree.body else None
    value, printed = None, io.StringIO()
    with contextlib.redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(tree.body[:-1], []), name, "exec"), namespace)  # noqa: S102 - a notebook is code
            value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)  # noqa: S307
        else:
            exec(compile(tree, name, "exec"), namespace)  # noqa: S102
    outputs: list[dict[str, Any]] = []
    if text := printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)})
    if value is not None:
        shown = {"text/plain": repr(value).splitlines(keepends=True)}
        outputs.append({"output_type": "execute_result", "metadata": {}, "data": shown})
    return [*outputs, *_figures()]


def _figures() -> list[dict[str, Any]]:
    """The figures that a cell has drawn, as Jupyter shows them; they are closed."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return []
    outputs = []
    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        size = "x".join(str(round(inches * DPI)) for inches in figure.get_size_inches())
        data = {"image/png": base64.b64encode(_small_png(figure)).decode(), "text/plain": [f"<Figure size {size}>"]}
        outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
        pyplot.close(figure)
    return outputs


def _small_png(figure: Figure) -> bytes:
    """A picture of a few colours: a fifth of the bytes, and lines keep their colours."""
    from PIL import Image

    drawn, picture = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, bbox_inches="tight")
    few = Image.open(drawn).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(picture, format="png", optimize=True)
    return picture.getvalue()


def run_file(path: Path, output: Path) -> None:
    """Run a notebook in a folder of its own, which is removed, and write it with its outputs.

    Raises:
        SomaNetError: it is no notebook of format 4.
    """
    import matplotlib as mpl
    import pandas as pd

    mpl.use("Agg")
    for name, value in (("display.width", 140), ("display.max_columns", 12), ("display.max_colwidth", 70)):
        pd.set_option(name, value)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SomaNetError(
            f"{path}: expected a Jupyter notebook, found something else ({first_line(error)}) Name an .ipynb file."
        ) from error
    if notebook.get("nbformat") != 4 or not isinstance(cells, list):
        raise SomaNetError(f"{path}: expected a notebook of format 4, found {notebook.get('nbformat')}. Save it anew.")
    with TemporaryDirectory(prefix="notebook_") as folder, contextlib.chdir(folder):
        done = run_cells(notebook, name=path.name)
    write_text(output, json.dumps(done, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


@app.command()
def notebooks(
    files: Annotated[list[Path], typer.Argument(metavar="NOTEBOOK...", help="Notebooks (.ipynb) to run.")],
    output: Annotated[Path | None, typer.Option(help="Folder to write to; by default in place of each.")] = None,
) -> None:
    """Run notebooks, one after the other, and keep what they print and draw."""
    for path in files:
        place = path if output is None else output / path.name
        run_file(path, place.absolute())
        typer.echo(f"Written: {place}")


if __name__ == "__main__":
    run(app)
