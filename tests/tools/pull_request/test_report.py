"""The whole report on a small project in git and DVC: both sides, DVC's output, the page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from somanet.core.errors import SomaNetError
from tests.markdown_tables import unpadded
from tests.tools.pull_request.worlds import commit, git, repro
from tools.pull_request.report import write_report

ROOT = Path(__file__).resolve().parents[3]


def report(project: Path, base: str = "HEAD~1") -> str:
    output = project / "build" / "report.md"
    write_report(project, base=base, output=output)
    return unpadded(output.read_text(encoding="utf-8"))


def row(page: str, name: str) -> str:
    [line] = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    return line


def test_a_branch_against_its_base(project: Path) -> None:
    """`tuned` gains 0.2 on each of six images: p = 2/2^6 = 0.031; mean IoU 0.35 and 0.55. `kept` is untouched."""
    page = report(project)
    assert "**1 of 4 networks changed; better: tuned; unchanged: kept; new: born; removed: gone.**" in page
    assert row(page, "kept").startswith("| kept | 0.65 | same |")
    assert row(page, "tuned").startswith("| tuned | 0.35 → 0.55 | **+0.20 [+0.20, +0.20], p 0.031** |")
    assert row(page, "born").startswith("| born | 0.65 | new |")
    assert row(page, "gone").startswith("| gone | 0.30 | removed |")
    assert row(page, "finetune.tuned.rate") == "| finetune.tuned.rate | 1 | 3 |"
    assert row(page, "finetune.gone.rate") == "| finetune.gone.rate | 1 | – |"
    assert "| tuned/tuned | iou | 0.35 | 0.55 | +0.2 |" in page
    assert "evaluate/kept" not in page
    assert "All of them: born, gone, kept, tuned" in page
    assert "its committed ones" in page


@pytest.mark.slow
def test_nothing_of_it_stays_behind(project: Path) -> None:
    """The report leaves the repository as it was: no commit, no branch, no changed file, and one file in build/."""

    def state() -> tuple[str, set[str]]:
        return git(project, "rev-list", "--all"), set(git(project, "status", "--porcelain", "--ignored").split("\n"))

    commits, files = state()
    report(project)
    assert state() == (commits, files | {"!! build/"})
    assert [path.name for path in (project / "build").iterdir()] == ["report.md"]


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_base_without_a_cache_is_not_paired(project: Path, damage: str) -> None:
    """The base's per-image scores are only in DVC's cache: if gone or damaged, they are not made up."""
    lock = yaml.safe_load(git(project, "show", "HEAD~1:dvc.lock"))
    [digest] = [out["md5"] for out in lock["stages"]["evaluate@tuned"]["outs"] if out["path"].endswith(".csv")]
    cached = project / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    text = cached.read_text(encoding="utf-8")
    cached.unlink()
    if damage == "altered":
        cached.write_text(text.replace("image00", "image99"), encoding="utf-8")
    page = report(project)
    assert row(page, "tuned").startswith("| tuned | 0.35 → 0.55 | – |")
    assert "- tuned: base has no per-image scores" in page


@pytest.mark.slow
def test_the_commit_itself_as_base(project: Path) -> None:
    page = report(project, base="HEAD")
    assert "Head and base are the same commit" in page
    assert "**All 3 networks score the same on every image.**" in page
    assert "Parameters: none changed." in page
    assert "Metrics: none changed." in page


@pytest.mark.slow
def test_a_base_without_a_pipeline(project: Path) -> None:
    """A branch that brings the pipeline: everything is new."""
    git(project, "checkout", "--quiet", "--orphan", "empty")
    git(project, "rm", "--quiet", "-r", "--cached", ".")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "empty")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "pipeline")
    page = report(project)
    assert "**New: kept, tuned, born.**" in page
    assert "| finetune.kept.rate | – | 1 |" in page


@pytest.mark.slow
def test_what_main_gained_since_is_not_compared(project: Path) -> None:
    """The branch has parted from main two commits ago: compared is that commit, not main's newest."""
    parting = git(project, "rev-parse", "HEAD")
    (project / "params.yaml").write_text("finetune: {}\n", encoding="utf-8")
    commit(project, "main goes on")
    git(project, "branch", "newer")
    git(project, "checkout", "--quiet", "-b", "side", parting)
    assert f"Base: `{parting[:9]}`." in report(project, base="newer")


@pytest.mark.slow
def test_a_pull_requests_merge_is_named_by_its_sides(project: Path) -> None:
    main, branch = git(project, "rev-parse", "HEAD~1"), git(project, "rev-parse", "HEAD")
    git(project, "checkout", "--quiet", "--detach", main)
    git(project, "merge", "--quiet", "--no-ff", "--no-edit", branch)
    repro(project)
    page = report(project, base="HEAD^1")
    assert f"Head: `{branch[:9]}` merged into `{main[:9]}`. Base: `{main[:9]}`." in page
    assert row(page, "tuned").startswith("| tuned | 0.35 → 0.55 | **+0.20")


def test_old_results_are_not_taken_for_new_ones(project: Path) -> None:
    """A changed parameter that has not run: the network, and the comparison that follows from it, are left out."""
    params = project / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("rate: 3", "rate: 4"), encoding="utf-8")
    page = report(project)
    assert "with uncommitted changes" in page
    assert "**Head is not reproduced**: `evaluate@tuned`, `compare` would run." in page
    assert row(page, "tuned").startswith("| tuned | 0.35 → – | – |")
    assert "- tuned: head: has not run" in page
    assert "Metrics: not compared" in page
    assert "All of them" not in page
    assert row(page, "finetune.tuned.rate") == "| finetune.tuned.rate | 1 | 4 |"


@pytest.mark.slow
def test_a_pipeline_that_dvc_cannot_read(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages: [no, graph]\n", encoding="utf-8")
    page = report(project)
    assert "**Head's pipeline cannot be read.**" in page
    assert "- tuned: head: has not run" in page


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("nowhere", "There is no revision 'nowhere' to compare with. Expected a branch, tag or commit"),
        ("--output=x", "There is no revision '--output=x'"),
    ],
)
def test_an_unknown_base_is_one_clear_line(project: Path, base: str, words: str) -> None:
    with pytest.raises(SomaNetError, match=words) as raised:
        report(project, base=base)
    assert "\n" not in str(raised.value)


def test_histories_without_a_common_commit(project: Path) -> None:
    git(project, "branch", "other")
    git(project, "checkout", "--quiet", "--orphan", "alone")
    commit(project, "alone")
    with pytest.raises(SomaNetError, match=r"HEAD and other have no commit in common.*--unshallow"):
        report(project, base="other")


@pytest.mark.slow
def test_the_command_line(project: Path) -> None:
    """As `make report` calls it: a file and a line, or one line of error and status 1."""
    command = [sys.executable, "-m", "tools.pull_request", "report", "--output", "build/report.md", "--base"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(project.parent)}

    def run(base: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, base], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    done = run("HEAD~1")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "Written: build/report.md", "")
    assert "better: tuned" in (project / "build" / "report.md").read_text(encoding="utf-8")
    done = run("nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no revision 'nowhere'")
    assert len(done.stderr.splitlines()) == 1
