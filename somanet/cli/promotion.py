"""`somanet promote`: which network is the champion, by a rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from somanet.cli.options import PARAMETER_FILE, ParameterFile
from somanet.core.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.training.promotion.champion import Promotion


def promote(
    run: Annotated[
        str | None, typer.Argument(help="Run id, mlflow_run.json or its folder, or an alias such as challenger.")
    ] = None,
    to: Annotated[Literal["champion", "challenger"], typer.Option(help="The alias to give.")] = "champion",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide without changing anything.")] = False,
    roll_back: Annotated[
        bool, typer.Option("--roll-back", help="Return the alias champion to the version before.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="With --roll-back: the reason.")] = None,
    params: ParameterFile = PARAMETER_FILE,
) -> None:
    """Register a run's network as champion, if the rule in params.yaml's `promote` section agrees.

    The rule compares it with the champion on the same images. A refusal gives the reason and exits with 1.
    """
    from somanet.provenance.code import project_root

    if roll_back:
        if run is not None or to != "champion":
            raise SomaNetError("--roll-back applies to the current champion: give it without RUN and --to.")
        _roll_back(project_root(), reason, dry_run)
        return
    if run is None:
        raise SomaNetError("Expected a RUN to promote, or --roll-back. `somanet ui` shows the runs.")
    if reason is not None:
        raise SomaNetError("--reason goes with --roll-back: a promotion's reason comes from the rule.")
    from somanet.config import PromoteParams
    from somanet.core.settings import parse, read_yaml
    from somanet.training.promotion.champion import promote as promote_run
    from somanet.training.promotion.rule import Rule

    chosen = parse(PromoteParams, read_yaml(params).get("promote") or {}, source=f"{params}, section promote")
    done = promote_run(run, root=project_root(), rule=Rule(**chosen.model_dump()), to=to, dry_run=dry_run)
    _print_outcome(done, dry_run=dry_run)


def _print_outcome(done: Promotion, *, dry_run: bool) -> None:
    for name, found in done.decision.differences.items():
        typer.echo(
            f"{name:>10}  {found.reference_score:.3f} → {found.score:.3f}  {found.value:+.3f} "
            f"[{found.low:+.3f}, {found.high:+.3f}]"
        )
    who = f"run {done.run.run_id} ({done.run.name})"
    if not done.decision.accepted:
        raise SomaNetError(f"Not promoted: {who}. {done.decision.reason}")
    typer.echo(done.decision.reason)
    if dry_run:
        typer.echo(f"Nothing was changed: {who} would become {done.to}.")
        return
    typer.echo(f"{who} is now {done.to}: version {done.version} of the registered model.")
    typer.echo(f"Next: somanet predict IMAGES --model {done.to} --output labels")


def _roll_back(root: Path, reason: str | None, dry_run: bool) -> None:
    from somanet.training.promotion.champion import roll_back

    now, before, text = roll_back(root=root, reason=reason, dry_run=dry_run)
    typer.echo(text)
    if dry_run:
        typer.echo(f"Nothing was changed: version {before.number} would be champion instead of {now.number}.")
    else:
        typer.echo(f"Champion is version {before.number} (run {before.run_id}).")
