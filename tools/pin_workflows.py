"""The actions of GitHub workflows, pinned to commits: a tag can be moved to other code, a commit cannot.

`python -m tools.pin_workflows FILE …` replaces `uses: owner/action@v6` by the commit of its newest release of that
major version, with the tag as a comment, which Dependabot raises together with the commit. What is pinned already is
checked: the commit must be that of the tag in its comment.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from tools.command_line import run

USES = re.compile(
    r"^(?P<before>\s*(?:- )?uses: )(?P<action>[\w.-]+/[\w./-]+)@(?P<ref>\S+)(?P<comment>[ \t]*#.*)?$", re.MULTILINE
)
"""A step that runs an action of another repository."""
COMMIT = re.compile(r"[0-9a-f]{40}")
_TAG = re.compile(r"v\d+(?:\.\d+){0,2}")

Tags = Callable[[str], Mapping[str, str]]
"""`owner/repository` → the commit of each tag."""


def unpinned(text: str) -> list[str]:
    """The actions of a workflow that are not pinned to a commit with a version as its comment."""
    return [
        f"{found['action']}@{found['ref']}"
        for found in USES.finditer(text)
        if not (COMMIT.fullmatch(found["ref"]) and _TAG.fullmatch(_comment(found)))
    ]


def pin(text: str, tags: Tags) -> str:
    """A workflow with every action pinned.

    Raises:
        SomaNetError: a version does not exist, or a commit is not that of the tag in its comment.
    """

    def pinned(found: re.Match[str]) -> str:
        action, ref = found["action"], found["ref"]
        known = tags("/".join(action.split("/")[:2]))
        tag = _comment(found) if COMMIT.fullmatch(ref) else _newest(ref, known)
        commit = known.get(tag)
        if commit is None:
            raise SomaNetError(f"{action} has no release {tag or ref!r}. Name one as its version: {action}@v6.")
        if COMMIT.fullmatch(ref) and ref != commit:
            raise SomaNetError(
                f"{action}@{ref[:12]}… is not {tag}, which is {commit[:12]}…. Was the tag moved? Compare the two "
                "before you choose one."
            )
        return f"{found['before']}{action}@{commit} # {tag}"

    return USES.sub(pinned, text)


def remote_tags(repository: str) -> dict[str, str]:
    """The tags of a repository on GitHub with the commits they point to.

    Raises:
        SomaNetError: GitHub or the repository cannot be reached.
    """
    address = f"https://github.com/{repository}"
    done = subprocess.run(["git", "ls-remote", "--tags", address], capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise SomaNetError(f"{address} cannot be read: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        commit, _, name = line.partition("\t")
        tag, peeled, _ = name.removeprefix("refs/tags/").partition("^{}")
        if peeled or tag not in found:  # an annotated tag is an object of its own; its peeled line names the commit
            found[tag] = commit
    return found


def _comment(found: re.Match[str]) -> str:
    return (found["comment"] or "").strip().removeprefix("#").strip()


def _newest(version: str, known: Mapping[str, str]) -> str:
    """The newest full version, such as v6.0.2, of a major one, such as v6."""
    of = [tag for tag in known if _TAG.fullmatch(tag) and (tag == version or tag.startswith(f"{version}."))]
    return max(of, key=lambda tag: [int(part) for part in tag[1:].split(".")], default="")


def main(files: Sequence[str]) -> None:
    """Pin the actions in these files, and say what was changed."""
    tags: dict[str, Mapping[str, str]] = {}

    def of(repository: str) -> Mapping[str, str]:
        if repository not in tags:
            tags[repository] = remote_tags(repository)
        return tags[repository]

    for file in map(Path, files):
        text = file.read_text(encoding="utf-8")
        changed = pin(text, of)
        if changed != text:
            with atomic_path(file, updates=True) as temporary:
                temporary.write_text(changed, encoding="utf-8", newline="\n")
        typer.echo(f"{file}: {len(USES.findall(text))} actions, {'pinned' if changed != text else 'as they were'}")


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
