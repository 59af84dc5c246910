"""`somanet --version`, and the completion of commands by bash and zsh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import somanet
from somanet.cli import version
from somanet.cli.version import version_line

ROOT = Path(__file__).parents[2]


def run_somanet(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as its script starts it: completion goes by the name of the program."""
    start = "import sys; sys.argv[0] = 'somanet'; from somanet.__main__ import run; run()"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def git(*arguments: str, cwd: Path = ROOT) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()


def test_the_version_names_the_commit_that_runs() -> None:
    done = run_somanet("--version")
    found = re.fullmatch(
        r"somanet (\S+) \(commit ([0-9a-f]{12})( with uncommitted changes)?, Python ([\d.]+)\)\n", done.stdout
    )
    assert found, done
    assert found[1] == somanet.__version__
    assert git("rev-parse", "HEAD").startswith(found[2])
    assert done.returncode == 0


def test_uncommitted_changes_are_told_and_the_repository_around_a_package_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository of its own, then one whose folder `site-packages` holds the code."""
    git("init", "-q", cwd=tmp_path)
    (tmp_path / "a.txt").write_text("1")
    git("add", "a.txt", cwd=tmp_path)
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    git(*who, "commit", "-q", "-m", "one", cwd=tmp_path)
    commit = git("rev-parse", "HEAD", cwd=tmp_path)[:12]
    monkeypatch.setattr(version, "CODE", tmp_path)
    assert f"(commit {commit}, Python" in version_line()
    (tmp_path / "a.txt").write_text("2")
    assert f"(commit {commit} with uncommitted changes, Python" in version_line()
    (tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(version, "CODE", tmp_path / "site-packages")
    assert "commit" not in version_line()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_that_a_shell_reads(shell: str) -> None:
    done = run_somanet("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0, done.stderr
    assert f"_SOMANET_COMPLETE=complete_{shell}" in done.stdout
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=done.stdout, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("somanet ana", {"analyze"}), ("somanet tracks sc", {"score"}), ("somanet doctor --js", {"--json"})],
)
def test_commands_and_options_are_completed(typed: str, offered: set[str]) -> None:
    words = typed.split()
    done = run_somanet(_SOMANET_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    assert set(done.stdout.split()) == offered, done
    done = run_somanet(_SOMANET_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=typed)
    assert all(word in done.stdout for word in offered), done


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_with_the_installed_script(tmp_path: Path) -> None:
    """The script sourced by a bash that finds a program `somanet`, and its function called as a Tab calls it."""
    script = run_somanet("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    (tmp_path / "completion.sh").write_text(script)
    program = tmp_path / "somanet"
    start = "import sys; sys.argv[0] = 'somanet'; from somanet.__main__ import run; run()"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n')
    program.chmod(0o755)
    typed = "COMP_WORDS=(somanet exp); COMP_CWORD=1; _somanet_completion somanet"
    lines = f"source completion.sh; {typed}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", lines],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == {"export", "export-video"}, done
