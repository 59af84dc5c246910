"""A lab: its server, and users with a clone each, whose commands are real processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import Server
from tests.team.services import ROOT, SshServer
from tests.test_readme import commands

PAGE = ROOT / "docs" / "team.md"


def page_commands(heading: str) -> list[str]:
    """The commands below a heading of docs/team.md, up to the next heading."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return commands(dict(zip(parts[1::2], parts[2::2], strict=True))[heading])


def environment_for(home: Path, user: str, **variables: str) -> dict[str, str]:
    """The environment of a user: an own home, name and git identity, and this checkout's code."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "MLFLOW_"))}
    return {
        **inherited,
        "HOME": str(home),
        "USER": user,
        "LOGNAME": user,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **{f"GIT_{who}_NAME": user for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": f"{user}@example.org" for who in ("AUTHOR", "COMMITTER")},
        **variables,
    }


@dataclass
class User:
    """A person with a clone.

    Attributes:
        name: of the computer's user, as runs have it.
        clone: the working tree.
        environment: of every command.
    """

    name: str
    clone: Path
    environment: dict[str, str] = field(repr=False)

    def start(self, command: str) -> subprocess.Popen[str]:
        """A shell command that runs beside the test; its output is one stream."""
        # These are scripts of the environment, which may start another checkout's code.
        for script in ("somanet", "dvc", "mlflow"):
            command = re.sub(rf"^{script} ", f"{sys.executable} -m {script} ", command)
        return subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.clone, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def run(self, command: str, *, status: int = 0) -> str:
        """A shell command; gives everything it printed."""
        process = self.start(command)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == status, f"{self.name}: {command}\n{output[-4000:]}"
        return output


@dataclass
class Lab:
    """The lab's computer and its users.

    Attributes:
        server: MLflow, on PostgreSQL.
        ssh: where the DVC remote is reached.
        words: what stands for the page's addresses and folders here.
    """

    server: Server
    ssh: SshServer
    words: Mapping[str, str]

    def here(self, command: str) -> str:
        """A command of the page with this computer's addresses."""
        for word, meaning in self.words.items():
            command = command.replace(word, meaning)
        return command
