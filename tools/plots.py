"""`dvc plots show` as a page that needs no network: `make plots`. DVC's own page loads Vega from the internet."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from somanet.core.errors import SomaNetError
from somanet.core.files import write_text
from somanet.provenance.dvc_records import dvc_command
from tools.command_line import run

app = typer.Typer(name="tools.plots", pretty_exceptions_enable=False)

_WHOLE_PICTURES = "<style>img { max-width: calc(100vw - 60px); }</style>"
"""DVC cuts pictures that are wider than the window."""
_FROM_NETWORK = re.compile(
    r"""<script[^>]*\bsrc\s*=\s*["']https?://[^"']*/npm/(?P<name>vega[\w-]*)@[^"']*["'][^>]*></script>"""
)


def without_network(page: str) -> str:
    """DVC's page with Vega, Vega-Lite and Vega-Embed written into it, in place of the scripts that it would load.

    Pictures are no wider than the window.

    Raises:
        SomaNetError: the page loads something else from the internet: DVC has changed.
    """
    from vl_convert import javascript_bundle

    inlined, count = _FROM_NETWORK.subn("", page.replace("</head>", f"{_WHOLE_PICTURES}\n</head>", 1))
    if count:
        # A `</script>` within the code would end it early.
        code = javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version="5.20").replace("</script", "<\\/script")
        inlined = inlined.replace("</head>", f'<script type="text/javascript">{code}</script>\n</head>', 1)
    if left := re.search(r"""<(?:script|link|img)[^>]*(?:src|href)\s*=\s*["'](https?:[^"']*)""", inlined):
        raise SomaNetError(
            f"DVC's page loads {left[1]}, which this version of SomaNet does not know; expected Vega only."
        )
    return inlined


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    arguments: typer.Context,
    output: Annotated[Path, typer.Option(help="Folder to write the page to.")] = Path("build/plots"),
) -> None:
    """Draw the plots; further arguments are those of `dvc plots show`, or after `diff` of `dvc plots diff`."""
    what, *more = arguments.args if arguments.args[:1] == ["diff"] else ["show", *arguments.args]
    command, environment = dvc_command(Path.cwd(), "plots", what, "--out", str(output), *more)
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    lines = done.stderr.strip().splitlines()
    if done.returncode or not (output / "index.html").is_file():
        said = next((line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")), "no plot was drawn")
        raise SomaNetError(f"`dvc plots {what}` failed: {said} Has the pipeline run here? `make repro`.")
    for line in lines:
        typer.echo(line, err=True)
    page = output / "index.html"
    write_text(page, without_network(page.read_text(encoding="utf-8")))
    typer.echo(f"Written: {page}")


if __name__ == "__main__":
    run(app)
