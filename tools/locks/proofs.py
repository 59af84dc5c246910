"""The proofs beside a lock: which hashes moved without a run, and what was computed to show that nothing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.core.files import read_json, write_json
from tools.locks.locked import LOCK, Move

PROOFS = f"{LOCK}.proofs.json"
_EXPECTED = "the proofs that `make bless` wrote"


@dataclass(frozen=True)
class Proof:
    """One run of `make bless`.

    Attributes:
        before: the commit with the code that the lock recorded.
        after: the commit whose code the lock records since.
        stages: stage → dependency → its md5 before and after.
        compared: file → SHA-256, the same with both.
        about: machine and versions.
    """

    before: str
    after: str
    stages: Mapping[str, Mapping[str, Mapping[str, str | None]]]
    compared: Mapping[str, str]
    about: Mapping[str, Any]

    def proves(self, move: Move) -> str | None:
        """The hash that a dependency moved to, if this proof took it from where it was; else None."""
        one = self.stages.get(move.stage, {}).get(move.path, {})
        return one.get("after") if one.get("before") == move.before else None


def read_proofs(folder: Path) -> list[Proof]:
    """The proofs of a project, oldest first.

    Raises:
        SomaNetError: the file is not what `make bless` wrote.
    """
    path = folder / PROOFS
    if not path.exists():
        return []
    try:
        proofs = [Proof(**one) for one in read_json(path, expected=_EXPECTED, keys=["proofs"])["proofs"]]
        if all(proof.compared for proof in proofs):
            return proofs
    except TypeError:
        pass
    raise SomaNetError(f"{path}: expected {_EXPECTED}, found something else. `git checkout` it.")


def add_proof(folder: Path, proof: Proof) -> None:
    """Write one more proof."""
    known = [vars(one) for one in read_proofs(folder)]
    write_json(folder / PROOFS, {"proofs": [*known, vars(proof)]}, updates=True)


def is_proven(move: Move, proofs: Sequence[Proof]) -> bool:
    """Whether proofs, one after the other, lead from the hash before to the one after."""
    for proof in proofs:
        if reached := proof.proves(move):
            move = Move(move.stage, move.path, reached, move.after)
    return move.before == move.after
