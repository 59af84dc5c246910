"""A parameter file cannot run commands: DVC makes its values part of shell commands, so they are checked before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.provenance import dvc_guard
from somanet.provenance.dvc_guard import CHECKED, LINKED, check_pipeline
from somanet.training.paper.pipeline import run_profile
from tools.pull_request.runs import run_pipeline

ROOT = Path(__file__).resolve().parents[2]
GRAPH = """\
vars: [params.yaml]
stages:
  names:
    cmd: python -m pipelines.names
    always_changed: true
    params: [trained]
    outs: [reports/names.json]
  data:
    cmd: python pipelines/stage.py data
    deps: [reports/names.json]
    outs: [data]
  train:
    foreach: ${trained}
    do:
      cmd: python pipelines/stage.py ${key} ${item.start}
      deps: [data]
      outs: ["models_${key}"]
"""
STAGE = "import sys, pathlib\npathlib.Path(sys.argv[1] if sys.argv[1] == 'data' else 'models_' + sys.argv[1]).touch()\n"
PLAIN = "trained:\n  paper: {start: nuclei}\n  small_2: {start: nuclei}\n"

EVIL = {
    "a second command": ("paper:", '"x; touch pwned":'),
    "a substitution": ("paper:", '"x$(touch pwned)":'),
    "backticks": ("paper:", '"x`touch pwned`":'),
    "a redirection": ("paper:", '"x>pwned":'),
    "a second line": ("paper:", r'"x\ntouch pwned":'),
    "another folder": ("paper:", '"../../x":'),
    "an option": ("paper:", '"--help":'),
    "no name": ("paper:", "null:"),
    "a value of an item": ("paper: {start: nuclei}", 'paper: {start: "n; touch pwned"}'),
    "another script": ("small_2:", '"é; touch pwned":'),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "params.yaml").write_text(PLAIN)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/stage.py").write_text(STAGE)
    shutil.copy(ROOT / "pipelines/names.py", tmp_path / "pipelines")
    return tmp_path


def spoil(project: Path, old: str, new: str) -> None:
    assert old in PLAIN
    (project / "params.yaml").write_text(PLAIN.replace(old, new, 1), encoding="utf-8")


def dvc(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    if not (project / "somanet").exists():  # the check allows the code of its own checkout only
        shutil.copytree(ROOT / "somanet", project / "somanet", ignore=shutil.ignore_patterns("__pycache__", "model"))
    environment |= {"PATH": path, "PYTHONPATH": str(project), "DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_plain_names_pass(project: Path) -> None:
    check_pipeline(project / "dvc.yaml", code=project)


def test_code_comes_from_the_checkout_that_runs(project: Path) -> None:
    """A profile's links lead to the packages of the running code, as does the folder around; all else is refused."""
    with pytest.raises(SomaNetError, match=r"somanet: expected the running code") as caught:
        check_pipeline(project / "dvc.yaml")
    assert str(caught.value).isprintable()
    profile = project / "profiles/own"
    profile.mkdir(parents=True)
    (profile / "dvc.yaml").write_text(GRAPH)
    (profile / "params.yaml").write_text(PLAIN)
    with pytest.raises(SomaNetError, match=r"somanet: expected the running code, .* found nothing\. .*make profiles"):
        check_pipeline(profile / "dvc.yaml", code=project)
    (project / "somanet").mkdir()
    for name in LINKED:
        (profile / name).symlink_to(f"../../{name}")
    check_pipeline(profile / "dvc.yaml", code=project)
    (profile / "pipelines").unlink()
    (profile / "pipelines").write_text("../../pipelines")  # as git writes links where the system has none
    with pytest.raises(SomaNetError, match=r"pipelines: expected .* found a file"):
        check_pipeline(profile / "dvc.yaml", code=project)
    (profile / "pipelines").unlink()
    shutil.copytree(project / "pipelines", project / "other")
    (profile / "pipelines").symlink_to("../../other")
    with pytest.raises(SomaNetError, match=r"pipelines: expected the running code, .* found .*other\."):
        check_pipeline(profile / "dvc.yaml", code=project)


@pytest.mark.parametrize(("old", "new"), EVIL.values(), ids=EVIL)
def test_what_is_not_plain_is_refused_with_one_line(project: Path, old: str, new: str) -> None:
    spoil(project, old, new)
    with pytest.raises(SomaNetError, match=r"params\.yaml: .* part of the command of stage") as caught:
        check_pipeline(project / "dvc.yaml", code=project)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("profile", [ROOT, *sorted((ROOT / "profiles").iterdir())], ids=lambda path: path.name)
def test_the_project_s_own_parameters_are_plain(profile: Path) -> None:
    check_pipeline(profile / "dvc.yaml")


@pytest.mark.parametrize(("old", "new"), [EVIL["a second command"], EVIL["a substitution"]])
def test_the_project_s_graph_is_guarded(tmp_path: Path, old: str, new: str) -> None:
    """Its own dvc.yaml with a parameter file of which one name is spoilt."""
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SomaNetError, match=r"touch pwned"):
        check_pipeline(tmp_path / "dvc.yaml", code=tmp_path)


def test_every_stage_of_the_project_waits_for_the_check() -> None:
    """Following the dependencies from any stage leads to `names`; only a network from outside may be a dead end."""
    from dvc.utils.serialize import load_yaml

    stages = {name: stage.get("do", stage) for name, stage in load_yaml(str(ROOT / "dvc.yaml"))["stages"].items()}

    def outs(stage: dict[str, list[object]]) -> list[str]:
        listed = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
        return [next(iter(one)) if isinstance(one, dict) else str(one) for one in listed]

    makers = {out: name for name, stage in stages.items() for out in outs(stage)}

    def waits(name: str) -> bool:
        if name == "names":
            return True
        needed = [str(dep) for dep in stages[name]["deps"]]
        before = {maker for dep in needed for out, maker in makers.items() if out == dep or out.startswith(f"{dep}/")}
        return any(waits(earlier) for earlier in before)

    assert makers[str(CHECKED)] == "names"
    assert [name for name in stages if not waits(name)] == []
    assert "${" not in str(stages["names"]["cmd"])
    assert stages["names"]["always_changed"] is True  # else a forged dvc.lock would skip it


def test_files_that_cannot_be_read_are_one_line(project: Path) -> None:
    for text, words in (("a: [", "cannot be read as YAML"), ("- a\n", "must hold"), ("a: &a [*a, *b]", "YAML")):
        (project / "params.yaml").write_text(text)
        with pytest.raises(SomaNetError, match=words) as caught:
            check_pipeline(project / "dvc.yaml")
        assert str(caught.value).isprintable()
    with pytest.raises(SomaNetError, match="not found"):
        check_pipeline(project / "nowhere" / "dvc.yaml")


def starts(project: Path) -> dict[str, Callable[[], object]]:
    """The commands of the project that start DVC."""
    return {
        "study": lambda: run_profile(project, project),
        "make repro TIMED=1, make base": lambda: run_pipeline(project, echo=lambda line: None),
        "make repro": lambda: dvc_guard.main([str(project / "dvc.yaml")]),
    }


@pytest.mark.parametrize("command", ["study", "make repro TIMED=1, make base", "make repro"])
def test_commands_that_start_dvc_check_before(project: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc_guard, "CODE", project)
    spoil(project, *EVIL["a second command"])
    with pytest.raises(SomaNetError, match="a key of trained is 'x; touch pwned'"):
        starts(project)[command]()
    assert not (project / "pwned").exists()


def test_make_checks_before_every_dvc_repro() -> None:
    """Of a target's recipe, the check comes first."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "repro", "demo", "repro-again"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    checks = [i for i, line in enumerate(lines) if "somanet.provenance.dvc_guard" in line]
    runs = [i for i, line in enumerate(lines) if re.search(r"bin/dvc (--cd \S+ )?repro", line)]
    assert len(runs) == len(checks) == 3
    assert all(check < run for check, run in zip(checks, runs, strict=True))
    real = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nreal:")[2].partition("\n\n")[0]
    assert 0 < real.find("$(GUARD)") < real.index("/dvc --cd profiles/real repro")


@pytest.mark.slow
def test_dvc_itself_runs_nothing_of_it(project: Path) -> None:
    """A project that is up to date, then a name like a command: plain `dvc repro` stops at the check."""
    assert dvc(project, "init", "--no-scm", "--quiet").returncode == 0
    done = dvc(project, "repro")
    assert done.returncode == 0, done.stderr
    assert (project / "models_paper").exists()

    spoil(project, *EVIL["a second command"])
    done = dvc(project, "repro")
    assert done.returncode != 0
    assert "a key of trained is 'x; touch pwned'" in done.stderr + done.stdout
    assert not (project / "pwned").exists()


@pytest.mark.slow
def test_without_the_check_the_name_is_run(project: Path) -> None:
    """What the other tests hold off: the same file, in a graph without the stage."""
    unguarded = GRAPH.replace("    deps: [reports/names.json]\n", "")
    (project / "dvc.yaml").write_text(unguarded)
    assert dvc(project, "init", "--no-scm", "--quiet").returncode == 0
    spoil(project, *EVIL["a second command"])
    dvc(project, "repro", "train")
    assert (project / "pwned").exists()


@pytest.mark.slow
def test_a_forged_lock_does_not_skip_the_check(project: Path) -> None:
    """The lock says that the check has run with the hostile parameters, and its output is there."""
    assert dvc(project, "init", "--no-scm", "--quiet").returncode == 0
    assert dvc(project, "repro").returncode == 0
    spoil(project, *EVIL["a second command"])
    assert dvc(project, "commit", "--force", "names").returncode == 0
    lock = (project / "dvc.lock").read_text()
    assert "x; touch pwned" in lock.partition("names:")[2]
    done = dvc(project, "repro")
    assert done.returncode != 0
    assert "a key of trained is 'x; touch pwned'" in done.stderr + done.stdout
    assert not (project / "pwned").exists()
    (project / "params.yaml").write_text(PLAIN)
    done = dvc(project, "repro")  # and nothing that follows runs again
    assert [line for line in done.stdout.splitlines() if line.startswith("Running stage")] == ["Running stage 'names':"]


@pytest.mark.parametrize("kind", ["a pipe", "a gigabyte", "a link to itself", "deep nesting"])
def test_a_parameter_file_that_is_none_is_one_line(tmp_path: Path, kind: str) -> None:
    """Neither waited for nor read as a whole."""
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    params = tmp_path / "params.yaml"
    if kind == "a pipe":
        os.mkfifo(params)
    elif kind == "a gigabyte":
        params.touch()
        os.truncate(params, 1 << 30)
    elif kind == "a link to itself":
        params.symlink_to(params)
    else:
        params.write_text("a: " + "[" * 10**5)
    with pytest.raises(SomaNetError) as error:
        check_pipeline(tmp_path / "dvc.yaml", code=tmp_path)
    assert "params.yaml" in str(error.value)
    assert len(str(error.value).splitlines()) == 1
