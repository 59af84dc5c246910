"""Networks and their MLflow runs: from the hash of the weights to the run, its data, and its starting weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import PARENT, STUDY, RunInput, RunRecord, read_run, training_of, version_of_run
from somanet.provenance.trace.records import DatasetNode, NetworkNode, Node, Record, RunNode

ELSEWHERE = "in this project's store (MLFLOW_TRACKING_URI names another)"
TAGS = {
    "commit": "mlflow.source.git.commit",
    "uncommitted_changes": "git.dirty",
    "dvc_stage": "dvc.stage",
    "dvc_lock_sha256": "dvc.lock_sha256",
    "params_sha256": "params.sha256",
    "weights_sha256": "weights_sha256",
    "started_from": "start_weights_sha256",
    "network_sha256": "network_sha256",
    "movie_sha256": "movie_sha256",
}


@dataclass
class RunReader:
    """Reader of MLflow's store.

    Attributes:
        root: the project whose store is read.
        commit: present commit of the code.
    """

    root: Path
    commit: str | None
    _runs: dict[str, RunRecord | None] = field(default_factory=dict)

    def read(self, node: Node) -> Record:
        """The run that trained a network and the network that it started from; a run with its data."""
        match node:
            case NetworkNode():
                return self._network(node)
            case RunNode(name=run_id):
                return self._run(run_id)
        return Record()

    def _network(self, node: NetworkNode) -> Record:
        run_id = self._training_of(node)
        run = self._find(run_id) if run_id else None
        start = node.start or (run.tags.get("start_weights_sha256") if run else None)
        # The last comes first in the chain: a network's own run and data, then the network that it started from.
        origins: list[Node] = [NetworkNode(start)] if start and start != "random" else []
        origins += [RunNode(run_id)] if run_id else []
        return Record(
            {"called": node.called or None, "started_from": start},
            tuple(origins),
            missing=() if run_id else (f"no run that trained these weights is {ELSEWHERE}",),
        )

    def _run(self, run_id: str) -> Record:
        """Parameters, code and data of a run; one that is not in the store is missing."""
        run = self._find(run_id)
        if run is None:
            return Record(missing=(f"the run is not {ELSEWHERE}",))
        missing = [f"the run is {run.status}, not finished"] if run.status != "FINISHED" else []
        missing += ["the run was deleted in MLflow"] if run.deleted else []
        moved = []
        then = run.tags.get("mlflow.source.git.commit")
        if then and self.commit and then != self.commit:
            moved.append(f"it ran the code of commit {then}; the project is now at {self.commit}")
        parent, weights = self._parent(run), run.tags.get("network_sha256")
        return Record(
            self._metadata(run),
            (*map(_dataset, run.inputs), *([RunNode(parent)] if parent else [])),
            # A trace that came from the network need not return to it.
            (NetworkNode(weights),) if weights else (),
            tuple(missing),
            moved=tuple(moved),
        )

    def _training_of(self, node: NetworkNode) -> str | None:
        """The run that trained a network: that named in a file, if the store has it, else one with its weights."""
        named = self._find(node.run_id) if node.run_id else None
        if named is not None and named.tags.get("weights_sha256", node.name) == node.name:
            return named.run_id
        return training_of(node.name, root=self.root) or node.run_id

    def _parent(self, run: RunRecord) -> str | None:
        """The run's parent, unless it is a study: earlier versions made studies the parents of older trainings."""
        parent = run.tags.get(PARENT)
        found = self._find(parent) if parent else None
        return None if found is not None and STUDY in found.tags else parent

    def _metadata(self, run: RunRecord) -> Mapping[str, Any]:
        metadata: dict[str, Any] = {
            "called": run.name,
            "experiment": run.experiment,
            "status": run.status,
            "started": run.started.isoformat(timespec="seconds"),
            **{key: run.tags.get(tag) for key, tag in TAGS.items()},
            "versions": {key[8:]: value for key, value in run.tags.items() if key.startswith("version.")},
            "params": dict(run.params),
        }
        if version := version_of_run(run.run_id, self.root):
            metadata["registered"] = ", ".join([f"version {version.number}", *version.aliases])
            metadata["promoted_because"] = version.tags.get("promotion.reason")
        return metadata

    def _find(self, run_id: str) -> RunRecord | None:
        if run_id not in self._runs:
            try:
                self._runs[run_id] = read_run(run_id, root=self.root)
            except SomaNetError:
                self._runs[run_id] = None
        return self._runs[run_id]


def _dataset(used: RunInput) -> DatasetNode:
    metadata = {"digest": used.digest, "kind": used.kind, "used_for": used.context, "at": used.uri}
    return DatasetNode(f"{used.name} {used.digest}", record=Record(metadata), used=used)
