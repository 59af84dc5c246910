"""What lies beside a file and tells of it: a manifest, a network's config, the record of predictions or of scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import somanet
from somanet.files import json_object, sha256_tree
from somanet.lineage.chain import Link
from somanet.lineage.pipeline import names_a_run
from somanet.lineage.runs import RunLinks
from somanet.mlops import run_id_from
from somanet.provenance import collect

MANIFEST, PREDICTIONS, CONFIG, RUN_FILE = "manifest.json", "predictions.json", "config.json", "mlflow_run.json"
CODE = Path(somanet.__file__).resolve().parents[1]


@dataclass
class Beside:
    """Adds to a chain what the records around a file tell.

    Attributes:
        runs: adds networks and runs.
        keep: adds a link, once, and gives its id.
        changed: what is no longer as the records say, for the file's own link.
    """

    runs: RunLinks
    keep: Callable[[Link], str]
    changed: list[str] = field(default_factory=list)

    def origins(self, path: Path) -> list[str]:
        """The links that the file was made from, as its neighbours tell."""
        found: list[str] = []
        for folder in (path, *path.parents):
            if folder.is_dir():
                found = self._analysis(path, folder) or self._predictions(path, folder) or self._network(path, folder)
            if found or folder == self.runs.root:
                break
        if path.suffix == ".json" and path.is_file():
            found += self._scores(path)
            found += [self.runs.run(run_id_from(path))] if names_a_run(path) else []
        return found

    def _analysis(self, path: Path, folder: Path) -> list[str]:
        """A folder of results of one movie, or a file of it."""
        manifest = json_object(folder / MANIFEST)
        if not {"somanet", "input", "files", "code"} <= set(manifest):
            return []
        files: dict[str, str] = manifest["files"]
        asked = list(files) if path == folder else [path.relative_to(folder).parts[0]]
        if asked[0] not in (*files, MANIFEST, RUN_FILE):
            return []  # something else that was put into the folder
        for name in (name for name in asked if name in files):
            self._compare(folder / name, files[name], "manifest.json")
        movie, model, code = manifest["input"], manifest.get("model") or {}, manifest["code"]
        facts = {key: value for key, value in movie.items() if key != "movie"}
        made_from = [self.keep(Link("data", str(movie.get("movie")), facts))]
        if model.get("sha256"):
            made_from.append(
                self.runs.network(
                    model["sha256"],
                    name=str(model.get("name") or ""),
                    run_id=model.get("mlflow_run"),
                    start=model.get("start_weights_sha256"),
                )
            )
            made_from += self._others(model, "sha256")
        if (folder / RUN_FILE).is_file():
            made_from.append(self.runs.run(run_id_from(folder / RUN_FILE)))
        now = collect(CODE).git_commit
        moved: tuple[str, ...] = ()
        if code.get("commit") and now and code["commit"] != now:
            moved = (f"it ran the code of commit {code['commit']}; the code is now at {now}",)
        facts = {key: manifest.get(key) for key in ("somanet", "parameters", "tracks_from", "blank_frames")} | dict(
            code
        )
        name = self.runs.shown(folder / MANIFEST)
        return [self.keep(Link("analysis", name, facts, tuple(made_from), (), moved))]

    def _predictions(self, path: Path, folder: Path) -> list[str]:
        """Label images that `somanet predict` wrote, their pictures, or their folder."""
        told = json_object(folder / PREDICTIONS)
        if not {"somanet", "model_sha256", "labels", "inputs_sha256"} <= set(told):
            return []
        made_from = [self.runs.network(told["model_sha256"]), *self._others(told, "model_sha256")]
        inputs = told["inputs_sha256"].items()
        made_from += [self.keep(Link("data", str(name), {"sha256": sha256})) for name, sha256 in inputs]
        facts = {"somanet": told["somanet"], "n_images": len(told["labels"])}
        return [self.keep(Link("predictions", self.runs.shown(folder / PREDICTIONS), facts, tuple(made_from)))]

    def _network(self, path: Path, folder: Path) -> list[str]:
        """A checkpoint folder or a file of it."""
        if folder not in (path, path.parent):
            return []
        config = json_object(folder / CONFIG)
        weights = config.get("weights")
        if not isinstance(weights, dict) or not isinstance(weights.get("sha256"), str):
            return []
        if path != folder and path.name not in (CONFIG, weights.get("file")):
            return []
        file = folder / str(weights.get("file"))
        self._compare(file, weights["sha256"], CONFIG)
        exported = weights.get("exported_from")
        facts = {
            **{key: config.get(key) for key in ("model", "training", "trainable_blocks", "best_epoch", "best_val_iou")},
            "exported_from": exported,
            "precision": weights.get("precision"),
        }
        start = config.get("start_weights_sha256")
        if exported:
            source = self.runs.network(exported, run_id=config.get("mlflow_run"), start=start)
            return [self.keep(Link("network", weights["sha256"], {"called": folder.name, **facts}, (source,)))]
        run_id = config.get("mlflow_run") or _run_beside(folder)
        return [self.runs.network(weights["sha256"], name=folder.name, run_id=run_id, start=start, facts=facts)]

    def _scores(self, path: Path) -> list[str]:
        """What `somanet evaluate` wrote."""
        told = json_object(path).get("provenance")
        if not isinstance(told, dict) or not {"somanet", "model_sha256", "truth"} <= set(told):
            return []
        made_from = [self.runs.network(told["model_sha256"])] if told["model_sha256"] else []
        made_from += self._others(told, "model_sha256")
        for used_for in ("truth", "predictions"):
            if about := told.get(used_for):
                facts = {"sha256": about["sha256"], "used_for": used_for}
                made_from.append(self.keep(Link("data", str(about["name"]), facts)))
        missing = () if told["model_sha256"] else ("the label images came without a record of the network",)
        facts = {"somanet": told["somanet"]}
        return [self.keep(Link("scores", self.runs.shown(path), facts, tuple(made_from), missing))]

    def _others(self, told: dict[str, Any], key: str) -> list[str]:
        """The networks that answered beside the first, where several did."""
        return [
            self.runs.network(
                one[key],
                name=str(one.get("name") or ""),
                run_id=one.get("mlflow_run"),
                start=one.get("start_weights_sha256"),
            )
            for one in told.get("ensemble", [])[1:]
        ]

    def _compare(self, path: Path, recorded: str, where: str) -> None:
        now = sha256_tree(path) if path.exists() else "gone"
        if now != recorded:
            self.changed.append(f"{path.name} is now {now}, {where} has {recorded}")


def _run_beside(checkpoint: Path) -> str | None:
    """The run that `somanet train` named in the report folder beside the network."""
    file = checkpoint.with_name(f"{checkpoint.name}_report") / RUN_FILE
    return run_id_from(file) if file.is_file() and names_a_run(file) else None
