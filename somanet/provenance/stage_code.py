"""The code that a stage of the pipeline runs with."""

from __future__ import annotations

from somanet.core.installation import CODE
from somanet.core.settings import read_yaml
from somanet.provenance.dvc_guard import LINKED
from somanet.provenance.trace.hashes import Hashes


def code_of_stage(name: str) -> dict[str, str | None]:
    """DVC's hash of each file and folder of code that a stage depends on, by its path in the project.

    A training leaves them in its outputs. So a run with other code has other outputs, even where the weights are the
    same, and a lock whose hashes of code were edited can be told from one that a run wrote.

    Args:
        name: of the stage in `dvc.yaml`, without `@KEY`.

    Raises:
        KeyError: there is no such stage.
    """
    stage = read_yaml(CODE / "dvc.yaml")["stages"][name]
    hashes = Hashes(CODE)
    deps = stage.get("do", stage)["deps"]
    return {path: hashes.md5(CODE / path) for path in deps if path.startswith(tuple(f"{one}/" for one in LINKED))}
