"""The walk from a file to the data: what made it, what that was made from, and so on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from somanet.errors import SomaNetError
from somanet.files import sha256_tree
from somanet.lineage.beside import Beside
from somanet.lineage.chain import Chain, Link
from somanet.lineage.hashes import Hashes
from somanet.lineage.pipeline import Stage, changes_of, makers_of, recorded_md5, stages_around
from somanet.lineage.runs import RunLinks
from somanet.mlops import run_id_from
from somanet.provenance import collect, dvc_digest, project_root


def trace(path: Path | str, *, root: Path | None = None) -> Chain:
    """Everything that is known here of a file's origin, back to the hashes of the data.

    Args:
        path: a file or folder that this project made: a table, figure, network, report, manifest, scores.
        root: the project; else the one that the file lies in, else that of the working folder.

    Raises:
        SomaNetError: there is no such file, or nothing here knows where it comes from.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - a link stays a link: DVC records paths as they are written
    walk = _Walk(root.resolve() if root is not None else project_root(path.parent), path)
    first = walk.file(path)
    links = (first, *(link for link in walk.links.values() if link.id != first.id))
    return Chain(_in_order(links), walk.code)


def _in_order(links: tuple[Link, ...]) -> tuple[Link, ...]:
    """Each link before those that it was made from, the file first."""
    by_id = {link.id: link for link in links}
    done: dict[str, Link] = {}

    def visit(link: Link) -> None:
        if link.id in done:
            return
        for origin in link.made_from:
            if origin in by_id:
                visit(by_id[origin])
        done[link.id] = link

    visit(links[0])
    return tuple(reversed(done.values()))


class _Walk:
    """Collects links, each once."""

    def __init__(self, root: Path, asked: Path) -> None:
        self.root, self.asked = root, asked
        self.links: dict[str, Link] = {}
        self.hashes = Hashes(root)
        now = collect(root)
        self.code: dict[str, Any] = {
            "commit": now.git_commit,
            "uncommitted_changes": now.git_dirty,
            "versions": dict(now.versions),
            "notes": list(now.notes),
        }
        self.runs = RunLinks(root, now.git_commit, self.hashes, self.keep, self.stages_of)
        self._open: set[str] = set()

    def keep(self, link: Link) -> str:
        self.links.setdefault(link.id, link)
        return link.id

    def file(self, path: Path) -> Link:
        """The link of the file itself, and with it everything behind it."""
        stages = stages_around(path, self.root)
        made_by = makers_of(path, stages)
        name = self.runs.shown(path)
        beside = Beside(self.runs, self.keep)
        origins = beside.origins(path) if path.exists() else []
        origins += [self._stage(stage, stages) for stage in made_by]
        facts = {"sha256": sha256_tree(path)} if path.exists() else {}
        pointer = dvc_digest(path, self.root)
        if not origins and pointer is None:
            if not path.exists():
                raise SomaNetError(f"{path} not found, and no dvc.lock names it. Check the path.")
            raise SomaNetError(
                f"Nothing here tells where {name} comes from: it is no output in dvc.lock, no network, and in no "
                "folder with a manifest.json or predictions.json. Was it moved away from them, or did another program "
                "make it?"
            )
        missing = () if path.exists() else ("the file is not here: `dvc pull` or `dvc checkout` brings it",)
        changed = [text for stage in made_by if (text := self._changed(path, stage))] if path.exists() else []
        if not made_by and pointer and path.exists() and (now := self.hashes.md5(path)) not in (pointer, None):
            changed.append(f"its md5 is now {now}, DVC has {pointer}")
        facts |= {"dvc_md5": pointer} if pointer else {}
        facts |= {} if origins else {"origin": "DVC knows its hash, and nothing here made it: the chain begins here"}
        return Link("file", name, facts, tuple(dict.fromkeys(origins)), missing, (*beside.changed, *changed))

    def _changed(self, path: Path, stage: Stage) -> str | None:
        """What the file no longer is; the folder that it lies in is compared as a whole at its stage."""
        recorded = recorded_md5(path, stage, self.root)
        now = self.hashes.md5(path) if recorded else None
        return f"its md5 is now {now}, dvc.lock has {recorded}" if now and recorded != now else None

    def stages_of(self, path: Path) -> list[str]:
        """The stages that made a path, with all that is behind them; their ids."""
        stages = stages_around(path, self.root)
        return [self._stage(stage, stages) for stage in makers_of(path, stages)]

    def _stage(self, stage: Stage, stages: list[Stage]) -> str:
        profile = self.runs.shown(stage.folder)
        name = stage.name if profile == "." else f"{stage.name} in {profile}"
        known = f"stage {name}"
        if known in self._open:
            return known
        self._open.add(known)
        made = {dep.path: [one for one in makers_of(dep.path, stages) if one.name != stage.name] for dep in stage.deps}
        origins = [self._stage(maker, stages) for makers in made.values() for maker in makers]
        if not origins:  # the beginning: what it wrote are the raw data
            origins += [
                self.keep(Link("data", out.shown, {"md5": out.md5, "at": self.runs.shown(out.path)}))
                for out in stage.outs
            ]
        origins += [self.runs.run(run_id_from(file)) for file in stage.run_files()]
        made_elsewhere = [path for path, makers in made.items() if makers]
        changed, missing = changes_of(stage, self.hashes, made_elsewhere=made_elsewhere, skip=self.asked)
        facts = {
            "command": stage.command,
            "deps": {entry.shown: entry.md5 for entry in stage.deps},
            "outs": {entry.shown: entry.md5 for entry in stage.outs},
            "params": {key: value for values in stage.params.values() for key, value in values.items()},
        }
        return self.keep(Link("stage", name, facts, tuple(dict.fromkeys(origins)), tuple(missing), tuple(changed)))
