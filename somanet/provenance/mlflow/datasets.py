"""The data sets of a run, identified by DVC's hashes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.core.errors import SomaNetError
from somanet.io.movies import movie_exists, sha256_movie
from somanet.provenance.dvc_records import dvc_digest
from somanet.provenance.mlflow.collisions import insert_rows

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_DIGEST = 36
"""MLflow's limit; DVC's digest of a folder (32 hexadecimal digits and ``.dir``) just fits."""


@dataclass(frozen=True)
class DatasetRef:
    """A data set as a run used it.

    Attributes:
        name: its name, for example ``nuclei``.
        path: file or folder, absolute or relative to the project.
        digest: its hash; by default DVC's record is used, else the SHA-256 of the content is computed.
        context: its role: ``training``, ``validation``, ``test``.
        n_images: number of images used.
        profile: further numbers that describe it.
    """

    name: str
    path: Path | str
    digest: str | None = None
    context: str = "training"
    n_images: int | None = None
    profile: Mapping[str, Any] | None = None

    def resolve_digest(self, root: Path) -> tuple[str, str]:
        """The digest, at most 36 characters, and its kind: ``given``, ``dvc-md5`` or ``sha256-36``.

        Raises:
            SomaNetError: there is neither a DVC record nor a file.
        """
        if self.digest:
            return self.digest[:MAX_DIGEST], "given"
        if recorded := dvc_digest(self.path, root):
            return recorded, "dvc-md5"
        path = root / self.path
        if not movie_exists(path):
            raise SomaNetError(
                f"The data set {self.name!r} is neither at {self.path} nor known to DVC. "
                "Is the path right? `dvc pull` or `dvc repro` restores the data."
            )
        return sha256_movie(path)[:MAX_DIGEST], "sha256-36"


def log_datasets(client: MlflowClient, run_id: str, datasets: Sequence[DatasetRef], root: Path) -> None:
    """Record the data sets that a run does not have yet (a resumed run has them already)."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs_so_far = client.get_run(run_id).inputs
    present = {
        (old.dataset.name, old.dataset.digest, tag.value)
        for old in (inputs_so_far.dataset_inputs if inputs_so_far else ())
        for tag in old.tags
        if tag.key == "mlflow.data.context"
    }
    inputs = []
    for ref in datasets:
        digest, kind = ref.resolve_digest(root)
        if (ref.name, digest, ref.context) in present:
            continue
        profile = dict(ref.profile or {}) | ({} if ref.n_images is None else {"n_images": ref.n_images})
        source = {"uri": _relative(ref.path, root), "digest_kind": kind}
        dataset = Dataset(ref.name, digest, "local", json.dumps(source), profile=json.dumps(profile, default=str))
        tags = [InputTag("mlflow.data.context", ref.context), InputTag("somanet.digest_kind", kind)]
        inputs.append(DatasetInput(dataset, tags))
    if inputs:
        insert_rows(lambda: client.log_inputs(run_id, datasets=inputs), n_rows=len(inputs))


def _relative(path: Path | str, root: Path) -> str:
    """The path relative to the project, which is valid on other machines too; only the name if outside."""
    target = Path(os.path.normpath(root / path))
    return target.relative_to(root).as_posix() if target.is_relative_to(root) else target.name
