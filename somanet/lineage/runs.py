"""Networks and the MLflow runs behind them: from the hash of weights to the run, its data, and where it started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from somanet.errors import SomaNetError
from somanet.files import sha256_tree
from somanet.lineage.chain import Link
from somanet.lineage.hashes import LARGEST_BYTES, Hashes
from somanet.mlops import PARENT, RunInput, RunRecord, find_run, read_run, version_of_run
from somanet.provenance import dvc_digest

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
class RunLinks:
    """Adds networks, runs and their data to a chain.

    Attributes:
        root: the project, whose store is asked.
        commit: of the code now.
        hashes: of the project's files.
        keep: adds a link to the chain, once, and gives its id.
        made: gives the ids of the stages that made a path.
    """

    root: Path
    commit: str | None
    hashes: Hashes
    keep: Callable[[Link], str]
    made: Callable[[Path], list[str]]
    _seen: set[str] = field(default_factory=set)

    def network(
        self,
        sha256: str,
        *,
        name: str = "",
        run_id: str | None = None,
        start: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> str:
        """The network with these weights, the run that trained it and what that started from; gives its id.

        Args:
            sha256: of the weights.
            name: what it is called.
            run_id: the run that a file names; taken where the store knows the weights of none.
            start: the weights that its training began with, where a file says so.
            facts: more of it.
        """
        known = f"network {sha256}"
        if known in self._seen:
            return known
        self._seen.add(known)
        found = find_run({"weights_sha256": sha256}, root=self.root) or run_id
        origins = [self.run(found)] if found else []
        record = self._record(found) if found else None
        start = start or (record.tags.get("start_weights_sha256") if record else None)
        if start and start != "random":
            origins.append(self.network(start))
        missing = () if found else (f"no run that trained these weights is {ELSEWHERE}",)
        about = {"called": name or None, "started_from": start, **(facts or {})}
        return self.keep(Link("network", sha256, about, tuple(dict.fromkeys(origins)), missing))

    def run(self, run_id: str) -> str:
        """A run with its parameters, code and data; gives its id. A run that is not here is said to be missing."""
        known = f"run {run_id}"
        if known in self._seen:
            return known
        self._seen.add(known)
        record = self._record(run_id)
        if record is None:
            return self.keep(Link("run", run_id, missing=(f"the run is not {ELSEWHERE}",)))
        tags = record.tags
        facts: dict[str, Any] = {
            "called": record.name,
            "experiment": record.experiment,
            "status": record.status,
            "started": record.started.isoformat(timespec="seconds"),
            **{key: tags.get(tag) for key, tag in TAGS.items()},
            "versions": {key[8:]: value for key, value in tags.items() if key.startswith("version.")},
            "params": dict(record.params),
        }
        if version := version_of_run(run_id, self.root):
            facts["registered"] = ", ".join([f"version {version.number}", *version.aliases])
            facts["promoted_because"] = version.tags.get("promotion.reason")
        missing = [f"the run is {record.status}, not finished"] if record.status != "FINISHED" else []
        missing += ["the run was deleted in MLflow"] if record.deleted else []
        changed = []
        then = tags.get("mlflow.source.git.commit")
        if then and self.commit and then != self.commit:
            changed.append(f"it ran the code of commit {then}; the project is now at {self.commit}")
        origins = [self._data(one) for one in record.inputs]
        if parent := tags.get(PARENT):
            origins.append(self.run(parent))
        if (weights := tags.get("network_sha256")) and f"network {weights}" not in self._seen:
            origins.append(self.network(weights))
        return self.keep(Link("run", run_id, facts, tuple(dict.fromkeys(origins)), tuple(missing), tuple(changed)))

    def shown(self, path: Path) -> str:
        """A path for people and other machines: from the project on; only the name if outside."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name

    def _record(self, run_id: str) -> RunRecord | None:
        try:
            return read_run(run_id, root=self.root)
        except SomaNetError:
            return None

    def _data(self, data: RunInput) -> str:
        """A data set that a run used, compared with what lies at its place now."""
        place = self.root / data.uri
        changed, missing = [], []
        now = self._digest_now(place, data.kind)
        if not data.uri or not place.exists():
            missing.append(f"it is not at {data.uri or 'a known place'} now")
        elif now is None:
            missing.append("it was not compared with its hash")
        elif now != data.digest:
            changed.append(f"{data.uri} is now {now}, the run used {data.digest}")
        facts = {"digest": data.digest, "kind": data.kind, "used_for": data.context, "at": data.uri}
        made_from = tuple(self.made(place)) if data.uri else ()
        name = f"{data.name} {data.digest}"
        return self.keep(Link("data", name, facts, made_from, tuple(missing), tuple(changed)))

    def _digest_now(self, place: Path, kind: str) -> str | None:
        try:
            if kind == "dvc-md5":
                return self.hashes.md5(place) or dvc_digest(place, self.root)
            if kind == "sha256-36" and (place.is_dir() or place.stat().st_size <= LARGEST_BYTES):
                return sha256_tree(place)[:36]
        except OSError:
            return None
        return None
