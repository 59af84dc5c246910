"""The page about installing: its commands, extras and versions are those of the project."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer

from somanet.cli import app
from tests.test_imports import ANALYSIS
from tests.test_readme import commands, problem_with, somanet_arguments

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_command_of_somanet_is_accepted() -> None:
    given = [arguments for line in commands(PAGE) if (arguments := somanet_arguments(line))]
    inside_docker = [line.partition(" somanet ")[2].split() for line in commands(PAGE) if line.startswith("docker run")]
    assert given == [["doctor"]]
    assert [problem_with(arguments) for arguments in (*given, *inside_docker)] == [None, None]


def test_every_extra_exists_and_none_for_users_is_left_out() -> None:
    named = set(re.findall(r"`([a-z-]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))))
    named |= {extra for group in re.findall(r"somanet\[([a-z,-]+)\]", PAGE) for extra in group.split(",")}
    extras = set(PROJECT["optional-dependencies"])
    assert named <= extras
    # parts of `formats`; what is always installed; for contributors; measures of other programs
    assert extras - named <= {"czi", "lif", "nd2", "onnx", "dev", "docs"}


def test_the_classifiers_name_only_systems_that_were_run_on() -> None:
    """docs/install.md says which; a job of CI that has run is what makes another one true."""
    systems = {line for line in PROJECT["classifiers"] if line.startswith("Operating System")}
    assert systems == {"Operating System :: POSIX :: Linux"}
    assert "| Linux, x86-64 | where everything is measured and tested |" in PAGE


@pytest.mark.parametrize("words", ["It was never built", "Never run"])
def test_what_never_ran_is_said_to(words: str) -> None:
    assert words in PAGE


def test_the_libraries_of_analyses_are_those_that_they_load() -> None:
    [line] = [one for one in commands(PAGE) if one.startswith("pip install av ")]
    assert set(line.split()[2:]) == ANALYSIS
    assert f"need [{len(ANALYSIS)} of the {len(PROJECT['dependencies'])} dependencies]" in " ".join(PAGE.split())


def test_options_of_the_program_itself_exist() -> None:
    options = {word for one in typer.main.get_command(app).params for word in one.opts}
    named = set(re.findall(r"`somanet (--[a-z-]+)`", PAGE))
    assert {"--version", "--install-completion", "--show-completion"} == named <= options
