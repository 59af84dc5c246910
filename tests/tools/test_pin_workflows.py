"""Pinning actions to commits, with tags that were made up."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from tools import pin_workflows
from tools.pin_workflows import pin, remote_tags, unpinned

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40
TAGS = {"v6": NEW, "v6.0.9": OLD, "v6.0.10": NEW, "v60.0.0": OTHER, "v6-beta": OTHER}


def tags(repository: str) -> Mapping[str, str]:
    assert repository == "owner/action"
    return TAGS


def test_a_major_version_becomes_the_commit_of_its_newest_release() -> None:
    text = (
        "steps:\n  - uses: owner/action@v6\n  - name: b\n    uses: owner/action/part@v6.0.9  # old\n"
        "  - run: uses: x@v1\n"
    )
    assert pin(text, tags) == (
        f"steps:\n  - uses: owner/action@{NEW} # v6.0.10\n  - name: b\n    uses: owner/action/part@{OLD} # v6.0.9\n"
        "  - run: uses: x@v1\n"
    )


def test_what_is_pinned_stays() -> None:
    text = f"  - uses: owner/action@{OLD} # v6.0.9\n  - uses: ./local\n"
    assert pin(text, tags) == text
    assert unpinned(text) == []


@pytest.mark.parametrize(
    "line", ["owner/action@v6", "owner/action@main", f"owner/action@{OLD}", f"owner/action@{OLD[:12]} # v6.0.9"]
)
def test_what_is_not_pinned_is_named(line: str) -> None:
    assert unpinned(f"  - uses: {line}\n") == [line.partition(" ")[0]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"owner/action@{NEW} # v6.0.9", "is not v6.0.9, which is aaaaaaaaaaaa"),
        (f"owner/action@{NEW}", "has no release"),
        ("owner/action@v7", "has no release 'v7'"),
        ("owner/action@main", "has no release 'main'"),
    ],
)
def test_a_commit_that_is_not_its_tag_s_is_refused(line: str, words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        pin(f"  - uses: {line}\n", tags)


def test_files_are_changed_in_place_and_only_where_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pin_workflows, "remote_tags", tags)
    (tmp_path / "a.yml").write_text("  - uses: owner/action@v6\n")
    pin_workflows.main([str(tmp_path / "a.yml")])
    pin_workflows.main([str(tmp_path / "a.yml")])
    assert [path.name for path in tmp_path.iterdir()] == ["a.yml"]
    assert (tmp_path / "a.yml").read_text() == f"  - uses: owner/action@{NEW} # v6.0.10\n"


def test_tags_are_read_with_their_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An annotated tag has a hash of its own; the commit is what counts. A local repository stands for GitHub's."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
        ["tag", "v1.0.0"],
        ["tag", "-am", "x", "v1"],
    ):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{tmp_path.as_uri()}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/owner/action")
    assert remote_tags("owner/action") == {"v1": commit, "v1.0.0": commit}
