"""The steps of the comment workflow, run with a fake `gh` that only records its arguments."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.test_workflows import ROOT, load, steps


def comment_step(name: str) -> str:
    """The script of a step of the comment workflow."""
    workflow = load((ROOT / ".github" / "workflows" / "pr-comment.yml").read_text(encoding="utf-8"))
    [script] = [step["run"] for step in steps(workflow) if step["name"] == name]
    return str(script)


def run_step(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does, with the `gh` in the folder."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", comment_step(name)],
        cwd=folder,
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def comment_text(folder: Path, report: bytes) -> str:
    """The part of a report that is kept."""
    (folder / "report").mkdir()
    (folder / "report" / "report.md").write_bytes(report)
    done = run_step("Keep only text and tables", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return (folder / "text.md").read_text(encoding="utf-8")


def test_a_report_of_ours_is_shown_as_it_is(tmp_path: Path) -> None:
    page = (
        "**1 of 2 networks changed; worse: `a`.**\n\n| network | IoU | Δ |\n| --- | --- | --- |\n"
        "| a | 0.65 → 0.55 | −0.10 [−0.20, 0.00], p 0.031 |\n\n"
        "<details>\n<summary>Time: 4 s</summary>\n\nreports/a: 1\n\n</details>\n"
    )
    assert comment_text(tmp_path, page.encode()).strip() == page.strip()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("@octocat", "@\u2060octocat"),
        ("see #12 and GH-12, not # 12", "see #\u206012 and GH\u2060-12, not # 12"),
        ("[click](https://evil.example)", "[click]\u2060(https:\u2060//evil.example)"),
        ("![](https://evil.example/x.png)", "![]\u2060(https:\u2060//evil.example/x.png)"),
        ("[x][1]\n[1]: //evil.example", "[x]\u2060[1]\n[1]\u2060: //evil.example"),
        ("www.evil.example", "www\u2060.evil.example"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y>"),
        ("<details open><summary>", "&lt;details open><summary>"),
        ("<!-- hidden", "&lt;!-- hidden"),
        ("&commat;octocat &#64;octocat", "&amp;commat;octocat &amp;#\u206064;octocat"),
        ("  /merge", "  \u2060/merge"),
        ("a\u202eb\u200bc\x1b[31m\x00\r", "abc[31m"),
        ("<details>\n<details>", "<details>\n<details>\n</details>\n</details>"),
    ],
)
def test_what_github_would_make_more_of_is_broken(tmp_path: Path, given: str, expected: str) -> None:
    assert comment_text(tmp_path, given.encode()).strip("\n ") == expected.strip(" ")


def test_bytes_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    assert comment_text(tmp_path, b"a\xff\xfe b\xc3") == "a b\n"


@pytest.mark.parametrize(
    "line", ["<" * 99, "@#1" * 33, "<details>" * 11, "word " * 20], ids=["tag", "mention", "fold", "word"]
)
def test_the_longest_report_fits_in_a_comment(tmp_path: Path, line: str) -> None:
    """20 MB of text, however much longer it gets by being made harmless, is cut at the end of a line."""
    text = comment_text(tmp_path, f"{line}\n".encode() * 200_000)
    assert len(text) < 65_536 - 500  # the line above it
    kept, end = text.strip().split("\n\n", 1)
    assert end.startswith("Cut here")
    assert len(set(kept.splitlines())) == 1


GH = """\
#!/bin/sh
echo "gh $*" >> asked
case "$1 $2" in
  "run download") {download} ;;
  "api --method") echo "{number}" ;;
esac
"""


def fake_gh(folder: Path, *, download: str = "exit 1", number: str = "") -> None:
    gh = folder / "gh"
    gh.write_text(GH.format(download=download, number=number), encoding="utf-8")
    gh.chmod(0o755)


@pytest.mark.parametrize(
    ("download", "found"),
    [
        ("mkdir report && echo text > report/report.md", True),
        ("exit 1", False),
        ("mkdir report", False),
        ("mkdir report && ln -s /etc/passwd report/report.md", False),
        ("mkdir -p report/report.md", False),
        ("mkdir elsewhere && echo text > elsewhere/report.md && ln -s elsewhere report", False),
    ],
)
def test_only_a_plain_file_is_taken_from_the_artifact(tmp_path: Path, download: str, found: bool) -> None:
    fake_gh(tmp_path, download=download)
    done = run_step("Fetch the report", tmp_path, RUN_ID="7", GITHUB_OUTPUT=str(tmp_path / "output"))
    assert done.returncode == 0
    assert (tmp_path / "output").exists() is found


def test_the_comment_goes_to_the_pull_request_of_the_commit_that_ran(tmp_path: Path) -> None:
    fake_gh(tmp_path, number="42")
    (tmp_path / "text.md").write_text("all of it\n", encoding="utf-8")
    environment = {
        "GH_REPO": "some/repo",
        "HEAD_OWNER": "anna",
        "HEAD_BRANCH": "a branch; echo x",
        "HEAD_SHA": "c0ffee",
        "RUN_ID": "7",
        "GITHUB_SERVER_URL": "https://github.com",
    }
    done = run_step("Post it", tmp_path, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert asked[0].startswith("gh api --method GET repos/some/repo/pulls -f state=open -f head=anna:a branch; echo x")
    assert asked[1] == "gh pr comment 42 --edit-last --create-if-none --body-file body.md"
    body = (tmp_path / "body.md").read_text(encoding="utf-8")
    first = "Pipeline on simulated data at `c0ffee` ([run](https://github.com/some/repo/actions/runs/7)), as written by"
    assert body == f"{first} this pull request's own code.\n\nall of it\n"
    # No open pull request with this commit: nothing is posted.
    (tmp_path / "asked").unlink()
    fake_gh(tmp_path, number="")
    done = run_step("Post it", tmp_path, **environment)
    assert "nothing to post" in done.stdout
    assert "comment" not in (tmp_path / "asked").read_text(encoding="utf-8")
