"""The lab that docs/team.md sets up, by the page's own commands."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server, free_port
from tests.team.lab import Lab, User, environment_for, page_commands
from tests.team.services import Postgres, SshServer, postgres_programs
from tests.worlds import mlflow_may_warn


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="its driver is not installed here: pip install 'somanet[team]'")
    one = Postgres(programs)
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture(scope="session")
def lab(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    pytest.importorskip("dvc_ssh", reason="DVC over SSH is not installed here: pip install 'somanet[team]'")
    folder = tmp_path_factory.mktemp("lab")
    ssh = SshServer(folder)
    port = free_port()
    words = {
        "127.0.0.1:5432": f"127.0.0.1:{postgres.port}",
        "127.0.0.1:5000": f"127.0.0.1:{port}",
        "--port 5000": f"--port {port}",
        "/srv/somanet": str(folder / "srv"),
        "lab.example.org": f"127.0.0.1:{ssh.port}",
    }
    _install, _extra, *databases, serve = page_commands("The server")
    for command in databases:
        words_of = shlex.split(command)
        assert words_of[:3] == ["sudo", "-u", "postgres"]
        subprocess.run(
            words_of[3:], env={**os.environ, **postgres.variables}, input="PASSWORD\nPASSWORD\n", text=True, check=True,
            capture_output=True, start_new_session=True,  # without a terminal it reads the password from its input
        )  # fmt: skip
    one = Lab(Server(folder, [], port), ssh, words)
    mlflow, *arguments = shlex.split(one.here(serve))
    assert mlflow == "mlflow"
    one.server = Server(folder, arguments, port)
    try:
        one.server.start()
        yield one
    finally:
        one.server.kill()
        ssh.stop()


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with a project that has parameters and DVC, and neither data nor remote."""
    folder = tmp_path_factory.mktemp("origin")
    maker = User("maker", folder / "first", environment_for(folder, "maker"))
    maker.clone.mkdir()
    (maker.clone / "params.yaml").write_text(
        "promote: {evaluation: neurons, metric: iou, min_images: 5, tolerances: {precision: 0.02}}\n"
    )
    (maker.clone / ".gitignore").write_text("/models\n/scores\n/comparison\n/mlruns\n/labels\n")
    for command in (
        "git init --quiet --initial-branch main", "dvc init --quiet", "git add --all", "git commit --quiet -m project",
        "git clone --quiet --bare . ../origin.git",
    ):  # fmt: skip
        maker.run(command)
    return folder / "origin.git"


@pytest.fixture(scope="session")
def users(lab: Lab, origin: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[User, User]:
    """Anna and Ben, each with a home and a clone; Anna has set up the remote, and Ben has pulled that."""
    [_tunnel, export, *remote] = page_commands("Each user")
    name, _, address = lab.here(export).removeprefix("export ").partition("=")
    people = []
    for person in ("anna", "ben"):
        home = tmp_path_factory.mktemp(person)
        one = User(person, home / "clone", environment_for(home, person, **{name: address}))
        subprocess.run(["git", "clone", "--quiet", origin, one.clone], check=True, env=one.environment)
        people.append(one)
    anna, ben = people
    for command in remote:
        anna.run(lab.here(command))
    ben.run("git pull --quiet")
    for one in people:
        one.run(f"dvc remote modify --local lab keyfile {lab.ssh.key}")
        one.run(f"dvc remote modify --local lab user {one.name}")
    return anna, ben
