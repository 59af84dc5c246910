"""The README's commands exist as written, and its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from somanet.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    """The command lines of a text's bash blocks: continued lines joined, comments and prompts left out."""
    lines: list[str] = []
    for block in re.findall(r"^```(?:bash|sh|shell|console)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words:  # `a && b` and `a; b` are two commands
                cut = next((i for i, word in enumerate(words) if word in ("&&", ";", "|")), len(words))
                lines.append(shlex.join(words[:cut]))
                words = words[cut + 1 :]
    return lines


def somanet_arguments(command: str) -> list[str] | None:
    """The arguments of `somanet` in a command, whatever precedes it; None for other commands."""
    words = shlex.split(command)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[:3] == ["python", "-m", "somanet"]:
        return words[3:]
    return words[1:] if words and Path(words[0]).name == "somanet" else None


def problem_with(arguments: list[str]) -> str | None:
    """Why a command line would be refused, without running anything of it."""
    command: Any = typer.main.get_command(app)
    context: Any = None
    try:
        while True:
            context = command.make_context(command.name, list(arguments), parent=context)
            if not hasattr(command, "resolve_command"):
                return None
            rest = [*getattr(context, "_protected_args", ()), *context.args]
            _, command, arguments = command.resolve_command(context, rest)
    except typer.Exit:
        return None  # --help
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer has a click of its own, or the installed one
            raise
        return str(error.format_message())


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def local_links(text: str) -> set[str]:
    """Where Markdown and HTML links and images lead, those to other sites left out."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", prose)
    found += re.findall(r"(?:src|href|srcset)=\"([^\"]+)\"", prose)
    found += re.findall(r"^\[[^\]]+\]:\s*(\S+)", prose, flags=re.MULTILINE)
    return {link for link in found if not re.match(r"[a-z]+:", link)}


def test_every_somanet_command_is_accepted() -> None:
    given = {command: somanet_arguments(command) for command in commands(README)}
    problems = {
        command: problem for command, arguments in given.items() if arguments and (problem := problem_with(arguments))
    }
    assert problems == {}


def test_every_make_target_exists() -> None:
    words = [shlex.split(command) for command in commands(README)]
    named = {w for line in words if line and line[0] == "make" for w in line[1:] if re.fullmatch(r"[a-z][a-z-]*", w)}
    named |= set(re.findall(r"`make ([a-z][a-z-]*)", README))
    assert named - make_targets() == set()


def test_every_somanet_word_in_prose_is_a_command() -> None:
    command: Any = typer.main.get_command(app)
    known = set(command.commands)
    named = set(re.findall(r"`somanet ([a-z]+)", README))
    assert named - known == set()


def test_every_local_link_leads_somewhere() -> None:
    headings = {slug(h) for h in re.findall(r"^#+ (.+)$", README, flags=re.MULTILINE)}
    missing = []
    for link in local_links(README):
        path, _, anchor = link.partition("#")
        if (path and not (ROOT / path).exists()) or (not path and anchor not in headings):
            missing.append(link)
    assert missing == []


# The checks can fail


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("predict a.png --model m --output out", None),
        ("data check set.zip --strict", None),
        ("train set.zip --output m --set training.epochs=3", None),
        ("--help", None),
        ("predict --help", None),
        ("predcit a.png", "No such command"),
        ("predict a.png --model m", "output"),
        ("predict a.png --models m --output out", "No such option"),
        ("simulate --output x --frames many", "--frames"),
    ],
)
def test_a_wrong_command_is_noticed(arguments: str, words: str | None) -> None:
    problem = problem_with(shlex.split(arguments))
    if words is None:
        assert problem is None
    else:
        assert problem is not None
        assert words in problem


def test_commands_are_found_in_blocks() -> None:
    block = "# first\n$ make demo && make ui\nsomanet predict a.png \\\n  --model m  # labels\n"
    text = f"```bash\n{block}```\n\n```\nnot me\n```\n"
    assert commands(text) == ["make demo", "make ui", "somanet predict a.png --model m"]


def test_links_are_found() -> None:
    text = '[a](docs/a.md) ![b](b.png "title") <img src="c.png"> [d](https://x.org)\n```\n[no](no.md)\n```\n[r]: r.md\n'
    assert local_links(text) == {"docs/a.md", "b.png", "c.png", "r.md"}
