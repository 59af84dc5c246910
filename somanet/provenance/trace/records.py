"""What the walk to a file's origin goes over: nodes, what the records hold of each, and who reads the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from somanet.provenance.mlflow import RunInput


@dataclass(frozen=True)
class Record:
    """What is recorded of a node.

    Attributes:
        facts: hashes, parameters, versions, commit.
        origins: what it was made from, in this order.
        unless_visited: what it was also made from, left out where the chain has it already.
        missing: what should be here and is not.
        changed: what is no longer as it was recorded.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    origins: tuple[Node, ...] = ()
    unless_visited: tuple[Node, ...] = ()
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __or__(self, more: Record) -> Record:
        """Both records of one node, this one's part first."""
        return Record(
            {**self.facts, **more.facts},
            (*self.origins, *more.origins),
            (*self.unless_visited, *more.unless_visited),
            (*self.missing, *more.missing),
            (*self.changed, *more.changed),
        )


@dataclass(frozen=True)
class Node:
    """Something that a chain can hold: its kind, its name, and what the record that names it holds of it.

    Attributes:
        what: ``file``, ``analysis``, ``predictions``, ``scores``, ``stage``, ``network``, ``run`` or ``data``.
        name: tells it from others of its kind.
        record: what needs no further reading.
    """

    what: str
    name: str
    record: Record = field(default_factory=Record, kw_only=True)

    @property
    def id(self) -> str:
        """How the chain names it."""
        return f"{self.what} {self.name}"


@dataclass(frozen=True)
class FileNode(Node):
    """The file or folder that is traced; its name is for people."""

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
        called: the network's name for people.
        run_id: the run that a file names; taken where the store knows the weights of none.
        start: SHA-256 of the weights that its training began with, where a file has it.
    """

    what: str = field(default="network", init=False)
    called: str = field(default="", kw_only=True)
    run_id: str | None = field(default=None, kw_only=True)
    start: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class DatasetNode(Node):
    """A data set that a run used.

    Attributes:
        used: what the run recorded of it.
    """

    what: str = field(default="data", init=False)
    used: RunInput = field(kw_only=True)


class Reader(Protocol):
    """Reads one kind of record."""

    def read(self, node: Node) -> Record:
        """What its records hold of a node; an empty record if they hold nothing."""


def shown(path: Path, root: Path) -> str:
    """A path for people and other machines: from the project on; only the name if outside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
