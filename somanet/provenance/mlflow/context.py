"""Provenance as MLflow tags; also a plug-in, so that runs started by other code have them too.

MLflow itself looks for the git commit beside the main script, which for a console script lies in the virtual
environment, and it never records whether the tree was dirty.
"""

from __future__ import annotations

from pathlib import Path

from somanet.provenance.code import Provenance, collect, project_root, working_tree


def provenance_tags(provenance: Provenance) -> dict[str, str]:
    """The provenance of a result as tags; unknown values are left out."""
    found = {
        "mlflow.source.git.commit": provenance.git_commit,
        "mlflow.source.git.branch": provenance.git_branch,
        "git.dirty": None if provenance.git_dirty is None else str(provenance.git_dirty).lower(),
        "dvc.stage": provenance.dvc_stage,
        "dvc.experiment": provenance.dvc_experiment,
        "dvc.lock_sha256": provenance.dvc_lock_sha256,
        "params.sha256": provenance.params_sha256,
        "platform": provenance.platform,
        "n_cpus": str(provenance.n_cpus),
        "device": provenance.device,
        "provenance.notes": "; ".join(provenance.notes) or None,
    } | {f"version.{name}": version for name, version in provenance.versions.items()}
    return {key: value for key, value in found.items() if value is not None}


def project_tags(root: Path) -> dict[str, str]:
    """The tags of the current code: the working tree of a DVC experiment, else ``root``."""
    return provenance_tags(collect(working_tree(root)))


class SomaNetRunContext:
    """MLflow's ``run_context_provider`` plug-in (it needs these two methods, but no base class)."""

    def in_context(self) -> bool:
        """Only inside a project: elsewhere MLflow's own tags suffice."""
        root = project_root()
        return (root / "dvc.yaml").is_file() or (root / ".git").exists()

    def tags(self) -> dict[str, str]:
        """The tags for a run that is about to be created."""
        return project_tags(project_root())
