"""What a lab's server runs, on loopback: PostgreSQL, and files over SSH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
SUPERUSER = "postgres"


def postgres_programs() -> Path | None:
    """The folder with initdb and pg_ctl, which Debian does not put on the path; None if PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Postgres:
    """A PostgreSQL with an empty cluster of its own; as root it runs as `nobody`, since it refuses root.

    Attributes:
        folder: its files; outside pytest's folder, which other users may not enter.
        port: on loopback; there is no socket in the file system.
    """

    def __init__(self, programs: Path) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="somanet-postgres-"))
        self._programs = programs
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(self.folder, "nobody", "nogroup")
        self._run("initdb", "--username", SUPERUSER, "--auth", "trust", "--no-sync", "--pgdata", self.folder / "data")

    @property
    def variables(self) -> dict[str, str]:
        """How its own programs reach it."""
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": SUPERUSER}

    def start(self) -> None:
        """Start it, or start it again; returns once it accepts connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = self.folder / "log"
        self._run("pg_ctl", "--pgdata", self.folder / "data", "-w", "-o", options, "--log", log, "start")

    def kill(self) -> None:
        """End it as a crash does: connections are cut, and the next start recovers from the log."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "--pgdata", self.folder / "data", "-m", "immediate", "stop")

    def remove(self) -> None:
        """Stop it and delete its files."""
        try:
            self.kill()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: object) -> None:
        # Into a file: a server that is started here keeps what it inherits open, and a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            command = [str(self._programs / program), *map(str, arguments)]
            status = subprocess.run(
                command, cwd=self.folder, stdout=output, stderr=output, check=False, **self._as
            ).returncode
            output.seek(0)
            assert status == 0, f"{program}: {output.read()}"


class SshServer:
    """An SSH server with a file service, for one key.

    Attributes:
        port: on loopback.
        key: the file of the private key that it accepts, from whichever user.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.key = folder / "id_ed25519"
        command = [sys.executable, "-m", "tests.team.ssh_server", str(self.port), str(self.key)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
