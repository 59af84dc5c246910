"""Whether the committed `dvc.lock` and scores are those of the committed code and parameters: `make committed`.

Run after the pipeline has run here. Its lock must name the same commands, parameters, code and inputs as the committed
one: results that do not belong to the code are found. Outputs have other hashes on another kind of processor, where a
training ends slightly differently, so the scores are compared instead, within :data:`TOLERANCE`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from somanet.core.documents import parse_yaml
from somanet.core.errors import SomaNetError
from somanet.training.experiments import SCORES_OF
from tools.command_line import run
from tools.locks.locked import LOCK
from tools.pull_request.dvc_state import overlap
from tools.pull_request.revisions import export_results

app = typer.Typer(name="tools.committed", pretty_exceptions_enable=False)

SHARES = ("iou", "precision", "accuracy", "mean_ap", "HOTA", "coverage")
TOLERANCE = {"share": 0.2, "other": 0.5}
"""How far a number may be from the committed one: a share (0–1) by 0.2; a count or a speed by half of the larger one.

Wide, as a short training on few images ends elsewhere with other bits, and is scored on 8: it is to find results that
are empty, broken or of another recipe."""
UNCOMPARED = ("least_p",)
"""Values that say nothing about agreement: a p-value may be anything where there is no effect."""


def differing_stages(committed: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """A line for everything that the two locks do not have in common, outputs of stages excepted.

    Args:
        committed, now: content of `dvc.lock`.
    """
    old, new = committed.get("stages", {}), now.get("stages", {})
    made = {out["path"] for stage in (*old.values(), *new.values()) for out in stage.get("outs", [])}
    for name in dict.fromkeys([*new, *old]):
        if name not in old or name not in new:
            yield f"stage {name} is only in {'the lock of this run' if name in new else 'the committed lock'}"
            continue
        then, here = (_decided_by(stage, made) for stage in (old[name], new[name]))
        for what in dict.fromkeys([*here, *then]):
            if then.get(what) != here.get(what):
                yield f"stage {name}: {what} differs from the committed lock"


def _decided_by(stage: Mapping[str, Any], made: set[str]) -> dict[str, Any]:
    """What a stage runs with, but for what other stages make, each under its name."""
    params = {
        f"{key} in {file}": value for file, keys in stage.get("params", {}).items() for key, value in keys.items()
    }
    inputs = [dep for dep in stage.get("deps", []) if not any(overlap(dep["path"], out) for out in made)]
    return {"its command": stage.get("cmd"), **params, **{dep["path"]: dep.get("md5") for dep in inputs}}


def differing_scores(committed: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for every score that is missing, or further from the committed one than :data:`TOLERANCE`.

    Args:
        committed, now: file → name → value, None where it is undefined.
    """
    for file in dict.fromkeys([*now, *committed]):
        old, new = committed.get(file), now.get(file)
        if old is None or new is None:
            yield f"{file} is {'not committed' if old is None else 'committed, and this run has not made it'}"
            continue
        for name in dict.fromkeys([*new, *old]):
            if name not in UNCOMPARED and not _agree(name, old.get(name), new.get(name)):
                yield f"{file}: {name} is {new.get(name)}, committed is {old.get(name)}"


def _agree(name: str, old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    allowed = TOLERANCE["share"] if name in SHARES else TOLERANCE["other"] * max(abs(old), abs(new))
    return abs(old - new) <= allowed


def check(root: Path) -> list[str]:
    """Compare the pipeline's lock and scores in a working tree with those of its last commit; a line per difference.

    Raises:
        SomaNetError: there is no commit, it has no results, or the pipeline has not run here.
    """
    if not (root / LOCK).is_file():
        raise SomaNetError(f"{root / LOCK} not found: there is no run to compare with. `make repro` makes one.")
    with tempfile.TemporaryDirectory(prefix="somanet-") as scratch:
        committed = Path(scratch)
        export_results(root, "HEAD", committed)
        if not (committed / LOCK).is_file() or not (committed / SCORES_OF).is_dir():
            raise SomaNetError(
                f"The last commit has no {LOCK} or no {SCORES_OF}: run the pipeline (`make repro`) and commit its "
                "results."
            )
        then, now = _results(committed), _results(root)
    return [*differing_stages(then[0], now[0]), *differing_scores(then[1], now[1])]


def _results(folder: Path) -> tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]:
    """The content of a folder's lock, and of its files of scores."""
    lock = parse_yaml((folder / LOCK).read_text(encoding="utf-8"), folder / LOCK)
    files = sorted((folder / SCORES_OF).rglob("*.json"))
    scores = {file.relative_to(folder).as_posix(): json.loads(file.read_text(encoding="utf-8")) for file in files}
    return lock, scores


@app.command()
def main() -> None:
    """Compare the results of a run here with the committed ones; fails if they differ."""
    found = check(Path.cwd())
    for line in found:
        typer.echo(line)
    if found:
        raise SomaNetError(
            f"{len(found)} difference{'s' * (len(found) > 1)} from the committed results. Expected those of this code "
            "and these parameters: run `make repro` and commit dvc.lock and reports/. If it is only a score, did the "
            "change make it worse?"
        )
    typer.echo("The committed lock and scores are those of this code and these parameters.")


if __name__ == "__main__":
    run(app)
