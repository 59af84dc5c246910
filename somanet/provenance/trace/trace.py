"""Trace a file back to its data: what made it, what that was made from, and so on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.foreign import parsing
from somanet.provenance.code import collect, project_root
from somanet.provenance.trace.chain import Chain, Link
from somanet.provenance.trace.digests import DigestReader
from somanet.provenance.trace.hashes import Hashes
from somanet.provenance.trace.pipeline import DVC_MD5, PipelineReader
from somanet.provenance.trace.records import FileNode, Node, Reader, Record, shown
from somanet.provenance.trace.runs import RunReader
from somanet.provenance.trace.sidecar import SidecarReader


def trace(path: Path | str, *, root: Path | None = None) -> Chain:
    """The known provenance of a file, back to the hashes of the data.

    Args:
        path: a file or folder that this project made: a table, figure, network, report, manifest, scores.
        root: the project; by default the one that contains the file, else that of the working folder.

    Raises:
        SomaNetError: there is no such file, or it has no record here.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - a link stays a link: DVC records paths as they are written
    root = root.resolve() if root is not None else project_root(path.parent)
    now, hashes = collect(root), Hashes(root)
    readers = (
        DigestReader(root, hashes),
        SidecarReader(root),
        RunReader(root, now.git_commit),
        PipelineReader(root, hashes, skip=path),
    )
    file, *others = Tracer(readers).links(FileNode(shown(path, root), path=path))
    if not file.made_from:
        file = _beginning(file, path)
    code = {
        "commit": now.git_commit,
        "uncommitted_changes": now.git_dirty,
        "versions": dict(now.versions),
        "notes": list(now.notes),
    }
    return Chain((file, *others), code)


class Tracer:
    """Walks from a node to everything that it was made from, and reads each node once.

    Args:
        readers: readers of the records; what several of them have on one node is combined in this order, and then with
            the record that named the node.
    """

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self._visited: set[str] = set()
        self._links: dict[str, Link] = {}

    def links(self, first: Node) -> tuple[Link, ...]:
        """The chain of a node: itself first, and each link before those that it was made from."""
        self._visit(first)
        return tuple(reversed(self._links.values()))

    def _visit(self, node: Node) -> None:
        """Add a node after everything that it was made from."""
        if node.id in self._visited:
            return
        self._visited.add(node.id)
        record = self._read(node)
        made_from = []
        others = (one for one in record.unless_visited if one.id not in self._visited)  # evaluated lazily, on purpose
        for origin in chain(record.origins, others):
            self._visit(origin)
            if origin.id in self._links:  # else a cycle: a training that changed no weight starts from itself
                made_from.append(origin.id)
        self._links[node.id] = Link(
            node.what,
            node.name,
            record.metadata,
            tuple(dict.fromkeys(made_from)),
            record.missing,
            record.changed,
            record.moved,
        )

    def _read(self, node: Node) -> Record:
        record = Record()
        expected = "the records of what it was made from (manifest.json, config.json, dvc.lock, …)"
        for reader in self._readers:
            with parsing(node.name, expected, remedy="Was one of them edited, or written by another version?"):
                record |= reader.read(node)
        return record | node.record


def _beginning(file: Link, path: Path) -> Link:
    """The link of a file without a recorded origin: at most DVC has its hash.

    Raises:
        SomaNetError: there is no record of it at all.
    """
    if DVC_MD5 in file.metadata:
        origin = "DVC has its hash, and nothing here made it: the chain begins here"
        return replace(file, metadata={**file.metadata, "origin": origin})
    if not path.exists():
        raise SomaNetError(f"{path} not found, and no dvc.lock names it. Check the path.")
    raise SomaNetError(
        f"The origin of {file.name} is not recorded here: it is no output in dvc.lock, no network, and in no "
        "folder with a manifest.json, cohort.json or predictions.json. Was it moved away from them, or did another "
        "program make it?"
    )
