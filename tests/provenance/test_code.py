from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from somanet.provenance import code as provenance
from somanet.provenance.code import code_digest, collect, profile_owner, project_root, working_tree
from somanet.provenance.dvc_records import dvc_command, dvc_digest

MD5 = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "params.yaml").write_bytes(b"seed: 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "start")
    return tmp_path


def test_commit_branch_and_dirt(project: Path) -> None:
    """An untracked file does not count as dirty, a changed tracked one does."""
    (project / "new.txt").write_text("untracked")
    clean = collect(project)
    assert (clean.git_commit, clean.git_branch, clean.git_dirty) == (
        git(project, "rev-parse", "HEAD"),
        "trunk",
        False,
    )
    assert clean.notes == ()
    (project / "params.yaml").write_bytes(b"seed: 2\n")
    assert collect(project).git_dirty is True
    git(project, "add", "params.yaml")
    assert collect(project).git_dirty is True
    git(project, "checkout", "-q", "--detach")
    assert collect(project).git_branch is None


def test_before_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    found = collect(tmp_path)
    assert (found.git_commit, found.git_dirty) == (None, False)
    assert found.notes == ("git: no commit yet",)


def test_no_program_that_a_repository_names_is_run(project: Path) -> None:
    """One that came with the data: git itself would ask it which files have changed."""
    monitor = project / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {project / 'was_run'}\n", encoding="utf-8")
    monitor.chmod(0o755)
    git(project, "config", "core.fsmonitor", str(monitor))
    git(project, "status")
    assert (project / "was_run").exists()  # it would be
    (project / "was_run").unlink()
    assert collect(project).git_commit is not None
    assert not (project / "was_run").exists()


def test_outside_git(tmp_path: Path) -> None:
    found = collect(tmp_path)
    assert (found.git_commit, found.git_branch, found.git_dirty) == (None, None, None)
    assert "not a git repository" in found.notes[0]
    assert (found.params_sha256, found.dvc_lock_sha256) == (None, None)


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = collect(tmp_path)
    assert found.git_commit is None
    assert "git could not be run" in found.notes[0]


def test_what_dvc_tells_a_stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@paper")
    monkeypatch.setenv("DVC_EXP_NAME", "big-eyed-fox")
    found = collect(project, device="cpu")
    assert (found.dvc_stage, found.dvc_experiment, found.device) == ("train@paper", "big-eyed-fox", "cpu")
    assert found.params_sha256 == hashlib.sha256(b"seed: 1\n").hexdigest()
    assert json.loads(json.dumps(found.as_dict()))["versions"]["torch"]
    assert set(found.versions) == {"python", *provenance.PACKAGES}


def test_the_project_is_the_nearest_parent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a graph belongs to the project around it; a project within one has its own `.dvc`."""
    inner = project / "sub" / "deep"
    inner.mkdir(parents=True)
    assert project_root(inner) == project
    (project / "sub" / "dvc.yaml").write_text("")
    assert project_root(inner) == project
    (project / "sub" / ".dvc").mkdir()
    assert project_root(inner) == project / "sub"
    monkeypatch.chdir(inner)
    assert project_root() == project / "sub"


def test_a_profile_is_a_project_to_dvc_and_belongs_to_the_one_around(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where DVC runs a stage of it, which names the profile's folder in DVC_ROOT; a copy elsewhere is its own."""
    profile = project / "profiles" / "own"
    inner = profile / "reports" / "movies"
    for folder in (project, profile):
        (folder / ".dvc").mkdir(parents=True)
    inner.mkdir(parents=True)
    assert profile_owner(profile) == project
    assert [profile_owner(folder) for folder in (project, profile.parent, inner)] == [None, None, None]
    assert project_root(profile) == project_root(inner) == project
    alone = tmp_path / "elsewhere" / "profiles" / "own"
    (alone / ".dvc").mkdir(parents=True)
    assert project_root(alone) == alone
    monkeypatch.setenv("DVC_ROOT", str(profile))
    assert project_root() == project


def test_a_change_of_the_code_makes_a_profile_s_runs_dirty(project: Path) -> None:
    """The code is the project's, outside the profile's folder."""
    profile = project / "profiles" / "own"
    for folder in (project, profile):
        (folder / ".dvc").mkdir(parents=True)
    (project / "model.py").write_text("before\n")
    for command in (["add", "-f", "."], ["commit", "-qm", "code"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *command], cwd=project, check=True)
    assert collect(profile).git_dirty is False
    (project / "model.py").write_text("after\n")
    assert collect(profile).git_dirty is True


def test_a_graph_without_a_repository_is_a_project(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    assert project_root(tmp_path / "deep") == tmp_path / "deep"
    (tmp_path / "dvc.yaml").write_text("")
    assert project_root(tmp_path / "deep") == tmp_path


def test_a_dvc_experiment_runs_in_a_copy_but_belongs_to_the_project(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stores belong to the project (DVC_ROOT), code and parameters are those of the copy."""
    temporary = tmp_path_factory.mktemp("copy")
    (temporary / "dvc.yaml").write_text("")
    monkeypatch.chdir(temporary)
    assert working_tree(project) == project
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert project_root() == project
    assert working_tree(project) == temporary


def test_digests_from_locks_and_pointers(tmp_path: Path) -> None:
    def md5(n: int) -> str:
        return f"{n:032x}".replace("0", "a", 1)  # all digits would be a number in YAML

    (tmp_path / "dvc.yaml").write_text("stages:\n  deep:\n    cmd: x\n    wdir: sub\n")
    (tmp_path / "dvc.lock").write_text(f"""\
schema: '2.0'
stages:
  data:
    cmd: x
    deps:
    - {{path: raw.zip, hash: md5, md5: {md5(1)}, size: 3}}
    outs:
    - {{path: data/train, hash: md5, md5: {md5(2)}.dir, nfiles: 2}}
  train@paper:
    cmd: x
    deps:
    - {{path: data/train, md5: {md5(3)}.dir}}
  deep:
    cmd: x
    outs:
    - {{path: out.csv, md5: {md5(4)}}}
""")
    (tmp_path / "movies").mkdir()
    (tmp_path / "movies" / "a.tif.dvc").write_text(f"outs:\n- md5: {md5(5)}\n  path: a.tif\n")
    (tmp_path / "raw.zip").write_text("abc")
    assert dvc_digest("data/train", tmp_path) == md5(2) + ".dir"  # an output is more recent than a dependency
    assert len(md5(2) + ".dir") == 36
    assert dvc_digest(tmp_path / "data" / "train", tmp_path) == md5(2) + ".dir"
    assert dvc_digest("raw.zip", tmp_path) == md5(1)
    assert dvc_digest("sub/out.csv", tmp_path) == md5(4)
    assert dvc_digest("out.csv", tmp_path) is None
    assert dvc_digest("movies/a.tif", tmp_path) == md5(5)
    assert dvc_digest("unknown", tmp_path) is None
    (tmp_path / "raw.zip").write_text("abcd")
    assert dvc_digest("raw.zip", tmp_path) is None  # it changed since DVC looked


def test_a_lock_with_a_merge_conflict_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("<<<<<<< HEAD\nstages: {\n=======\n")
    assert dvc_digest("data", tmp_path) is None


def test_importing_and_collecting_load_nothing_heavy() -> None:
    """Both happen at the start of every command and stage."""
    heavy = {"torch", "mlflow", "dvc", "numpy", "pandas", "scipy", "matplotlib", "pydantic"}
    code = f"import sys; import somanet.provenance.code as p; p.collect('.'); print(*({heavy} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_results_that_a_pipeline_rewrites_do_not_make_the_code_dirty(project: Path) -> None:
    for name in ("dvc.lock", "profiles/real/dvc.lock", "reports/comparison.md", "data/.gitignore", "src/model.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("before\n")
    for command in (["add", "-f", "."], ["commit", "-qm", "results"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *command], cwd=project, check=True)
    assert collect(project).git_dirty is False
    for name in ("dvc.lock", "profiles/real/dvc.lock", "reports/comparison.md", "data/.gitignore"):
        (project / name).write_text("after\n")
    assert collect(project).git_dirty is False
    (project / "src/model.py").write_text("after\n")
    assert collect(project).git_dirty is True


def test_dvc_runs_with_this_python_and_the_folder_s_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's `python` is the one that runs this, `somanet` the folder's own; the rest is as it was."""
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("KEPT", "yes")
    (tmp_path / "somanet.py").write_text("")
    command, environment = dvc_command(tmp_path / "." / "..", "repro", "study")
    assert command == [sys.executable, "-P", "-m", "dvc", "repro", "study"]
    assert environment["PYTHONPATH"] == str(tmp_path.parent)
    assert (environment["KEPT"], environment["DVC_NO_ANALYTICS"]) == ("yes", "1")
    _, environment = dvc_command(tmp_path, "repro")
    code = "import sys, somanet; print(sys.executable); print(somanet.__file__)"
    done = subprocess.run(["python", "-c", code], env=environment, cwd="/", capture_output=True, text=True, check=True)
    python, package = done.stdout.splitlines()
    assert Path(python).parent == Path(sys.executable).parent
    assert package == str(tmp_path / "somanet.py")


def test_the_digest_of_code_is_that_of_its_python_files(tmp_path: Path) -> None:
    """A compiled file, a network or a page beside them changes nothing; a line, a name or another file does."""
    digests = []
    for number, change in enumerate(({}, {"a/__pycache__/b.pyc": "x"}, {"a/b.py": "y"}, {"c.py": ""})):
        folder = tmp_path / str(number)
        for name, text in ({"a/b.py": "x", "page.html": "1"} | change).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        digests.append(code_digest(folder))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
