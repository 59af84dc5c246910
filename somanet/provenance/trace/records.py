"""The data of a trace: nodes, their records, and the interface of the readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from somanet.provenance.mlflow import RunInput


@dataclass(frozen=True)
class Record:
    """The record of a node.

    Attributes:
        metadata: metadata: hashes, parameters, versions, commit.
        origins: what it was made from, in this order.
        unless_visited: further origins, left out if they are already in the chain.
        missing: what should be here but is not.
        changed: what no longer matches its record.
        moved: at which other commit the code is.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)
    origins: tuple[Node, ...] = ()
    unless_visited: tuple[Node, ...] = ()
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    def __or__(self, more: Record) -> Record:
        """Combine two records of one node, this one first."""
        return Record(
            {**self.metadata, **more.metadata},
            (*self.origins, *more.origins),
            (*self.unless_visited, *more.unless_visited),
            (*self.missing, *more.missing),
            (*self.changed, *more.changed),
            (*self.moved, *more.moved),
        )


@dataclass(frozen=True)
class Node:
    """A node of a chain: its kind, its name, and what is known of it from the record that names it.

    Attributes:
        what: ``file``, ``analysis``, ``cohort``, ``predictions``, ``scores``, ``stage``, ``network``, ``run`` or
            ``data``.
        name: distinguishes it from others of its kind.
        record: the part of its record that is already known.
    """

    what: str
    name: str
    record: Record = field(default_factory=Record, kw_only=True)

    @property
    def id(self) -> str:
        """Its id in the chain."""
        return f"{self.what} {self.name}"


@dataclass(frozen=True)
class FileNode(Node):
    """The traced file or folder; its name is for display."""

    what: str = field(default="file", init=False)
    path: Path = field(kw_only=True)


@dataclass(frozen=True)
class RunNode(Node):
    """An MLflow run; its name is the run's id."""

    what: str = field(default="run", init=False)


@dataclass(frozen=True)
class NetworkNode(Node):
    """Trained weights; its name is their SHA-256.

    Attributes:
        called: the network's display name.
        run_id: the run named by a file; without it, one with these weights is looked for.
        start: SHA-256 of the weights that its training started from, if recorded in a file.
    """

    what: str = field(default="network", init=False)
    called: str = field(default="", kw_only=True)
    run_id: str | None = field(default=None, kw_only=True)
    start: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class DatasetNode(Node):
    """A data set that a run used.

    Attributes:
        used: the run's record of it.
    """

    what: str = field(default="data", init=False)
    used: RunInput = field(kw_only=True)


class Reader(Protocol):
    """Reads one kind of record."""

    def read(self, node: Node) -> Record:
        """The record of a node; empty if there is none."""


def shown(path: Path, root: Path) -> str:
    """A path for display and for other machines: relative to the project; only the name if outside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
