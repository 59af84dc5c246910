"""Every network of both sides: same, changed (by how much, on the same images), new, removed or not scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import SCORES
from somanet.evaluation.paired import ALPHA, Difference, corrected, paired_differences, same_images
from somanet.training.comparison.networks import ComparedNetwork
from somanet.training.comparison.sources import BASELINE
from tools.pull_request.sides import SideResults

Status = Literal["same", "changed", "unpaired", "new", "removed", "absent"]


@dataclass(frozen=True)
class Change:
    """How a network changed from base to head.

    Attributes:
        name: the network's name.
        status: `same`: every image has the same scores; `changed`: see `differences`; `unpaired`: changed, but not
            comparable on the same images; `new`, `removed`: only in head's, only in the base's parameters;
            `absent`: a side has no scores for it.
        base, head: the two sides' scores, if any.
        differences: score -> head minus base on the same images; p corrected for the networks that changed.
        n_images: number of images compared.
        why: reason for `unpaired` and `absent`.
    """

    name: str
    status: Status
    base: ComparedNetwork | None = None
    head: ComparedNetwork | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    n_images: int = 0
    why: str = ""

    def verdict(self, scores: Sequence[str]) -> str:
        """`better`, `worse`, `mixed` or nothing, by the scores with corrected p below :data:`ALPHA`."""
        signs = {self.differences[score].value > 0 for score in scores if self._certain(score)}
        return {(): "", (True,): "better", (False,): "worse"}.get(tuple(signs), "mixed")

    def _certain(self, score: str) -> bool:
        return score in self.differences and self.differences[score].p_holm < ALPHA


def compare_sides(base: SideResults, head: SideResults) -> list[Change]:
    """The networks of both sides: first head's, in its order, then those that it no longer has."""
    names = list(dict.fromkeys([*_names(head), *_names(base)]))
    return _correct([_compare(name, base, head) for name in names])


def _names(side: SideResults) -> list[str]:
    return sorted([*side.networks, *side.absent], key=lambda name: not name.startswith(BASELINE))


def _compare(name: str, base: SideResults, head: SideResults) -> Change:
    old, new = base.networks.get(name), head.networks.get(name)
    if name not in _names(base):
        return Change(name, "new", head=new, why=head.absent.get(name, ""))
    if name not in _names(head):
        return Change(name, "removed", base=old)
    if old is None or new is None:
        whys = [f"{who}: {side.absent[name]}" for who, side in (("base", base), ("head", head)) if name in side.absent]
        return Change(name, "absent", base=old, head=new, why="; ".join(whys))
    return _compare_scored(name, old, new)


def _compare_scored(name: str, old: ComparedNetwork, new: ComparedNetwork) -> Change:
    if old.per_image is None or new.per_image is None:
        if all(old.metrics.get(score) == new.metrics.get(score) for score in SCORES):
            return Change(name, "same", old, new)
        lacking = "base" if old.per_image is None else "head"
        return Change(name, "unpaired", old, new, why=f"{lacking} has no per-image scores")
    if old.per_image.equals(new.per_image):
        return Change(name, "same", old, new, n_images=len(new.per_image))
    try:
        values = same_images({"base": old.per_image, "head": new.per_image})
    except SomaNetError as error:
        return Change(name, "unpaired", old, new, why=str(error))
    return Change(name, "changed", old, new, paired_differences(values, "base")["head"], len(values["base"].images))


def _correct(changes: Sequence[Change]) -> list[Change]:
    """P corrected over the networks that changed; unchanged ones do not count as tests."""
    found = corrected({change.name: change.differences for change in changes if change.status == "changed"})
    return [replace(change, differences=found.get(change.name, change.differences)) for change in changes]
