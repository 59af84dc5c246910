"""Sidecar files: a manifest, a network's config, the record of predictions or of scores."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.hashing import sha256_file
from somanet.core.installation import CODE
from somanet.core.names import is_entry
from somanet.core.result_records import MANIFEST
from somanet.io.movie_files import movie_bytes, movie_exists, movie_places, sha256_movie
from somanet.provenance.code import collect
from somanet.provenance.mlflow import RUN_FILE, names_a_run, run_id_from, run_of_results
from somanet.provenance.trace.hashes import LARGEST_BYTES
from somanet.provenance.trace.records import FileNode, NetworkNode, Node, Record, RunNode, shown

COHORT, PREDICTIONS, CONFIG = "cohort.json", "predictions.json", "config.json"
TABLES = (".csv", ".json")


@dataclass(frozen=True)
class SidecarReader:
    """Reader of the sidecar files that the commands write beside their results.

    Attributes:
        root: the project, above which no records are searched for.
    """

    root: Path

    def read(self, node: Node) -> Record:
        """What a file was made from, and whether it still matches its record."""
        if not isinstance(node, FileNode) or not node.path.exists():
            return Record()
        path, found = node.path, None
        for folder in (path, *path.parents):
            if folder.is_dir():
                found = (
                    self._analysis(path, folder)
                    or self._cohort(path, folder)
                    or self._predictions(folder)
                    or self._network(path, folder)
                )
            if found or folder == self.root:
                break
        record = found or Record()
        if path.suffix == ".json" and path.is_file():
            record |= self._scores(path) or Record()
            record |= Record(origins=(RunNode(run_id_from(path)),)) if names_a_run(path) else Record()
        return record

    def _analysis(self, path: Path, folder: Path) -> Record | None:
        """The record of the results folder of a movie, or of a file in it."""
        manifest = json_object(folder / MANIFEST)
        if not {"somanet", "input", "files", "code"} <= set(manifest):
            return None
        files: dict[str, str] = manifest["files"]
        names = list(files) if path == folder else [path.relative_to(folder).parts[0]]
        if names[0] not in (*files, MANIFEST, RUN_FILE):
            return None  # something else that was put into the folder
        changed = (_change(folder / name, files[name], MANIFEST) for name in names if name in files)
        return Record(origins=(self._movie(folder, manifest),), changed=tuple(filter(None, changed)))

    def _movie(self, folder: Path, manifest: Mapping[str, Any], *, changed: tuple[str, ...] = ()) -> Node:
        """The analysis of a movie: its data, corrected tracks, networks, run and code, and which files are changed."""
        movie, model, code = manifest["input"], manifest.get("model") or {}, manifest["code"]
        metadata = {key: value for key, value in movie.items() if key != "movie"}
        now = self._movie_now(folder, movie, manifest["files"])
        origins = [Node("data", str(movie.get("movie")), record=Record(metadata) | now)]
        if corrected := manifest.get("tracks_from"):
            about = {"sha256": manifest.get("tracks_sha256"), "used_for": f"corrected tracks of {movie.get('movie')}"}
            origins.append(Node("data", f"{corrected} of {movie.get('movie')}", record=Record(about)))
        if edits := manifest.get("corrections"):
            applied = ", ".join(f"{count} {kind}" for kind, count in edits["applied"].items())
            about = {"sha256": edits["sha256"], "edits": applied, "not_fitting": edits["n_unfit"]}
            about["used_for"] = f"corrections of {movie.get('movie')} by a person"
            origins.append(Node("data", f"{edits['file']} of {movie.get('movie')}", record=Record(about)))
        if model.get("sha256"):
            origins += [_described(model), *_others(model)]
        if run_id := run_of_results(folder, MANIFEST, root=self.root):
            origins.append(RunNode(run_id))
        metadata = {key: manifest.get(key) for key in ("somanet", "parameters", "tracks_from", "blank_frames")}
        record = Record({**metadata, **code}, tuple(origins), changed=changed, moved=_moved(code))
        return Node("analysis", shown(folder / MANIFEST, self.root), record=record)

    def _movie_now(self, folder: Path, movie: Mapping[str, Any], own: Collection[str]) -> Record:
        """Whether the movie of results is still what it was, where it is found by its name; else that nobody knows."""
        file, recorded = str(movie.get("file")), movie.get("sha256")
        places = movie_places(folder, file) if is_entry(file) else []
        found = {
            os.path.realpath(path): Path(os.path.abspath(path))  # noqa: PTH100 - a link is shown as it is named
            for path in places
            if movie_exists(path) and not (path.parent == folder and file in own)
        }
        if not found:
            places_in_words = "beside the results, in them or in the current folder"
            return Record(missing=(f"{file} is not {places_in_words}, and was not compared with its hash",))
        others, unread = [], []
        for path in found.values():
            try:
                now = sha256_movie(path) if movie_bytes(path) <= LARGEST_BYTES else None
            except (OSError, SomaNetError):
                now = None
            if now is not None and now == recorded:
                return Record()
            if now is None:
                unread.append(f"{shown(path, self.root)} was not compared with its hash: it is large or cannot be read")
            else:
                others.append(f"{shown(path, self.root)} is now {now}, {MANIFEST} has {recorded}")
        if unread or movie.get("tracks_only"):  # a table of tracks has a common name, which says little
            return Record(missing=(*unread, *others))
        return Record(changed=tuple(others))

    def _cohort(self, path: Path, folder: Path) -> Record | None:
        """The record of the results of a cohort, or of a file among them; its movies' folders have their own."""
        written = json_object(folder / COHORT)
        if not {"somanet", "movies", "files", "code"} <= set(written) or not _complete(written["movies"]):
            return None
        files: dict[str, str] = written["files"]
        names = list(files) if path == folder else [path.relative_to(folder).parts[0]]
        if names[0] not in (*files, COHORT, RUN_FILE):
            return None
        origins, missing, changed = [], [], []
        if conditions := written.get("conditions"):
            about = {"sha256": conditions["sha256"], "used_for": "donors and groups of the movies"}
            origins.append(Node("data", str(conditions["file"]), record=Record(about)))
        for movie, about in written["movies"].items():
            results = Path(os.path.normpath(folder / about["results"]))
            manifest = json_object(results / MANIFEST)
            if not {"input", "code", "files"} <= set(manifest):
                missing.append(f"the results of the movie {movie} are no longer in {shown(results, self.root)}")
                continue
            if sha256_file(results / MANIFEST) != about["manifest_sha256"]:
                changed.append(f"the movie {movie} was analysed again since")
            origins.append(self._movie(results, manifest, changed=_changed_tables(results, manifest["files"])))
        if run_id := run_of_results(folder, COHORT, root=self.root):
            origins.append(RunNode(run_id))
        metadata = {key: written.get(key) for key in ("somanet", "reference", "paired")}
        record = Record(
            {**metadata, "n_movies": len(written["movies"]), **written["code"]},
            tuple(origins),
            missing=tuple(missing),
            changed=tuple(changed),
            moved=_moved(written["code"]),
        )
        cohort = Node("cohort", shown(folder / COHORT, self.root), record=record)
        differing = (_change(folder / name, files[name], COHORT) for name in names if name in files)
        return Record(origins=(cohort,), changed=tuple(filter(None, differing)))

    def _predictions(self, folder: Path) -> Record | None:
        """The record of label images from `somanet predict`, their pictures, or their folder."""
        written = json_object(folder / PREDICTIONS)
        if not {"somanet", "model_sha256", "labels", "inputs_sha256"} <= set(written):
            return None
        inputs = written["inputs_sha256"].items()
        origins = (
            NetworkNode(written["model_sha256"]),
            *_others(written, key="model_sha256"),
            *(Node("data", str(name), record=Record({"sha256": sha256})) for name, sha256 in inputs),
        )
        record = Record({"somanet": written["somanet"], "n_images": len(written["labels"])}, origins)
        return Record(origins=(Node("predictions", shown(folder / PREDICTIONS, self.root), record=record),))

    def _network(self, path: Path, folder: Path) -> Record | None:
        """The record of a checkpoint folder or a file in it."""
        if folder not in (path, path.parent):
            return None
        config = json_object(folder / CONFIG)
        weights = config.get("weights")
        if not isinstance(weights, dict) or not isinstance(weights.get("sha256"), str):
            return None
        if path != folder and path.name not in (CONFIG, weights.get("file")):
            return None
        sha256, source = weights["sha256"], weights.get("exported_from")
        metadata = {
            **{key: config.get(key) for key in ("model", "training", "trainable_blocks", "best_epoch", "best_val_iou")},
            "exported_from": source,
            "precision": weights.get("precision"),
        }
        start, run_id = config.get("start_weights_sha256"), config.get("mlflow_run")
        network: Node
        if source:
            trained = NetworkNode(source, run_id=run_id, start=start)
            network = Node("network", sha256, record=Record({"called": folder.name, **metadata}, (trained,)))
        else:
            run_id = run_id or _sidecar_run(folder)
            network = NetworkNode(sha256, called=folder.name, run_id=run_id, start=start, record=Record(metadata))
        change = _change(folder / str(weights.get("file")), sha256, CONFIG)
        return Record(origins=(network,), changed=(change,) if change else ())

    def _scores(self, path: Path) -> Record | None:
        """The record of scores from `somanet evaluate`."""
        written = json_object(path).get("provenance")
        if not isinstance(written, dict) or not {"somanet", "model_sha256", "truth"} <= set(written):
            return None
        origins: list[Node] = [NetworkNode(written["model_sha256"])] if written["model_sha256"] else []
        origins += _others(written, key="model_sha256")
        for used_for in ("truth", "predictions"):
            if about := written.get(used_for):
                metadata = {"sha256": about["sha256"], "used_for": used_for}
                origins.append(Node("data", str(about["name"]), record=Record(metadata)))
        missing = () if written["model_sha256"] else ("the label images have no record of the network",)
        record = Record({"somanet": written["somanet"]}, tuple(origins), missing=missing)
        return Record(origins=(Node("scores", shown(path, self.root), record=record),))


def _complete(movies: Any) -> bool:
    """Whether a cohort's record names the results of every movie."""
    keys = {"results", "manifest_sha256"}
    return isinstance(movies, dict) and all(isinstance(one, dict) and keys <= set(one) for one in movies.values())


def _changed_tables(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """The tables and summaries of a movie that are not as its manifest has them: a cohort's numbers rest on these."""
    tables = (name for name in files if Path(name).suffix in TABLES)
    return tuple(filter(None, (_change(folder / name, files[name], MANIFEST) for name in tables)))


def _moved(code: Mapping[str, Any]) -> tuple[str, ...]:
    """Whether the code is at another commit than the one that made a result."""
    now = collect(CODE).git_commit
    if code.get("commit") and now and code["commit"] != now:
        return (f"it ran the code of commit {code['commit']}; the code is now at {now}",)
    return ()


def _described(written: dict[str, Any], key: str = "sha256") -> NetworkNode:
    """A network as described in a record."""
    return NetworkNode(
        written[key],
        called=str(written.get("name") or ""),
        run_id=written.get("mlflow_run"),
        start=written.get("start_weights_sha256"),
    )


def _others(written: dict[str, Any], key: str = "sha256") -> list[NetworkNode]:
    """The networks of an ensemble after its first."""
    return [_described(one, key) for one in written.get("ensemble", [])[1:]]


def _change(path: Path, recorded: str, where: str) -> str | None:
    now = sha256_movie(path) if movie_exists(path) else "gone"
    return None if now == recorded else f"{path.name} is now {now}, {where} has {recorded}"


def _sidecar_run(checkpoint: Path) -> str | None:
    """The run that `somanet train` named in the report folder beside the network."""
    file = checkpoint.with_name(f"{checkpoint.name}_report") / RUN_FILE
    return run_id_from(file) if file.is_file() and names_a_run(file) else None
