"""Commands in this process: what they print, and the one line with which they refuse."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from somanet.cli import app
from somanet.core.errors import SomaNetError


def run(*arguments: object) -> str:
    """What the command prints; its error as the `somanet` script would show it."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(done.exception, SomaNetError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def refusal(*arguments: object) -> str:
    """The line with which the command refuses."""
    with pytest.raises(SomaNetError) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)
