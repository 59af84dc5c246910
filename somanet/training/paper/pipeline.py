"""Running a study's profile with DVC: finished stages are skipped, and a stopped study resumes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.provenance.dvc_guard import check_pipeline
from somanet.provenance.dvc_records import dvc_command

SIMULATED, REAL = Path("profiles/study"), Path("profiles/real")


def choose_profile(root: Path, data: Path | None) -> Path:
    """The profile to run: the simulated study, or the real one with its `input` linked to a data folder.

    Args:
        root: the project's checkout.
        data: folder of real data with the layout in the real profile's `data.folders`; None simulates.

    Raises:
        SomaNetError: `root` is not a checkout with these profiles, or the data folder is missing.
    """
    profile = root / (SIMULATED if data is None else REAL)
    if not (profile / "dvc.yaml").exists():
        raise SomaNetError(
            f"{profile} has no dvc.yaml: the study runs the pipeline of a checkout of the project. Clone it, and start "
            "there."
        )
    if data is not None:
        if not data.is_dir():
            raise SomaNetError(f"There is no folder {data}. --data takes the folder that holds dsb2018/ and soma/.")
        _link(profile / "input", data.resolve())
    return profile


def _link(link: Path, target: Path) -> None:
    if link.exists() and not link.is_symlink():
        raise SomaNetError(f"{link} is not a link: expected nothing there, or a link to a data folder. Move it away.")
    new = link.with_name(f".{link.name}.part")
    new.unlink(missing_ok=True)
    new.symlink_to(target, target_is_directory=True)
    new.replace(link)


def run_profile(root: Path, profile: Path, *, stage: str = "study") -> None:
    """`dvc repro` of a profile's stage and its dependencies; output goes to the terminal.

    Args:
        root: the project's checkout, whose code runs.
        profile: a profile in it, which is a DVC project of its own.
        stage: the stage.

    Raises:
        SomaNetError: a parameter would become shell text, or a stage failed or was stopped; finished stages are kept.
    """
    check_pipeline(profile / "dvc.yaml", code=root)
    command, environment = dvc_command(root, "repro", stage)
    done = subprocess.run(command, cwd=profile, env=environment, check=False)
    if done.returncode != 0:
        raise SomaNetError(
            f"The study stopped at the stage named above (exit status {done.returncode}). The same command resumes "
            "there: finished trainings, and the epochs of the unfinished one, are kept."
        )
