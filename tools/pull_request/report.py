"""Gathers both sides of a pull request and writes the report."""

from __future__ import annotations

import tempfile
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.files import write_text
from tools.pull_request.changes import compare_sides
from tools.pull_request.dvc_state import Changed, diffs
from tools.pull_request.page import PullRequestReport, report_markdown
from tools.pull_request.revisions import base_commit, read_head, same_file, short
from tools.pull_request.sides import SideResults, base_side, head_side


def write_report(root: Path, *, base: str, output: Path) -> None:
    """Compare the working tree's results with those of its base, in Markdown.

    Args:
        root: the project, the top of a git working tree.
        base: branch, tag or commit; the merge base with it is compared.
        output: the file to write.

    Raises:
        SomaNetError: there is no such revision.
    """
    head, commit = read_head(root), base_commit(root, base)
    with tempfile.TemporaryDirectory(prefix="somanet-") as scratch:
        new, old = head_side(root), base_side(root, commit, Path(scratch))
        params, metrics = _differences(old, new)
        report = PullRequestReport(
            head_words=head.words,
            base_words=f"`{short(commit)}`",
            head=new,
            base=old,
            same_commit=commit == head.commit and not head.dirty,
            same_environment=same_file(root, commit, "pyproject.toml"),
            changes=compare_sides(old, new),
            params=params,
            metrics=metrics,
            comparison=_comparison(new),
        )
    write_text(output, report_markdown(report))


def _differences(base: SideResults, head: SideResults) -> tuple[list[Changed] | str, list[Changed] | str]:
    """Parameters and metrics that changed, or why that is unknown."""
    unfinished = [who for who, side in (("Head's", head), ("The base's", base)) if not side.whole]
    try:
        if unfinished:
            [params] = diffs(base.folder, head.folder, "params")
            return params, f"{unfinished[0]} pipeline has not run to its end."
        params, metrics = diffs(base.folder, head.folder, "params", "metrics")
    except SomaNetError as error:
        return str(error), str(error)
    return params, metrics


def _comparison(head: SideResults) -> str | None:
    page = head.folder / "reports" / "comparison.md"
    if "compare" in head.stale or head.problem is not None or not page.exists():
        return None
    return page.read_text(encoding="utf-8")
