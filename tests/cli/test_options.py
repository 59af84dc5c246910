"""Options that several commands share: each has them in addition to its own, and gets them as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from somanet.cli.options import with_options


@dataclass(frozen=True, kw_only=True)
class Light:
    """A world of two shared options and an argument."""

    slide: Annotated[str, typer.Argument(metavar="SLIDE")]
    exposure_ms: Annotated[int, typer.Option(min=1)] = 20
    filters: Annotated[list[str] | None, typer.Option("--filter")] = None


def an_app() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_options(Light)
    def look(light: Light, *, zoom: Annotated[float, typer.Option()], dark: bool = False) -> None:
        """Look at a slide."""
        typer.echo(f"{light} {zoom} {dark}")

    @app.command()
    @with_options(Light)
    def snap(light: Light) -> None:
        """Take a picture."""
        typer.echo(f"{light}")

    return app


def said(*arguments: str) -> str:
    return CliRunner().invoke(an_app(), arguments, env={"COLUMNS": "200"}).output.strip()


def test_shared_and_own_options_reach_the_command() -> None:
    shared = Light(slide="s1", exposure_ms=5, filters=["red", "blue"])
    arguments = ("s1", "--exposure-ms", "5", "--filter", "red", "--filter", "blue")
    assert said("look", *arguments, "--zoom", "2", "--dark") == f"{shared} 2.0 True"
    assert said("snap", *arguments) == f"{shared}"
    assert said("snap", "s1") == f"{Light(slide='s1')}"


def test_ranges_and_what_must_be_said_are_checked() -> None:
    assert "Invalid value for '--exposure-ms'" in said("snap", "s1", "--exposure-ms", "0")
    assert "Missing option '--zoom'" in said("look", "s1")
    assert "Missing argument 'SLIDE'" in said("snap")
    assert "No such option" in said("snap", "s1", "--zoom", "2")


def test_help_has_the_commands_words_and_its_own_options_before_the_shared() -> None:
    text = said("look", "--help")
    assert "Look at a slide." in text
    assert text.index("SLIDE") < text.index("--zoom") < text.index("--exposure-ms") < text.index("--filter")
    assert "--zoom" not in said("snap", "--help")
