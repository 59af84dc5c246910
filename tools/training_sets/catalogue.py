"""The catalogue of data sets, `somanet/model/sets.yaml`: what a network may be trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from somanet.core.errors import SomaNetError
from somanet.core.markdown import table
from somanet.core.settings import Settings, parse, read_yaml

CATALOGUE = Path(__file__).parents[2] / "somanet" / "model" / "sets.yaml"
SHIPPABLE = frozenset({"MIT", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0"})
"""Licences of data that let a network trained on them be shipped under MIT."""


class KnownSet(Settings):
    """One data set: its licence, and whether networks are trained on it or only measured."""

    what: str
    use: Literal["train", "measure", "held_out"]
    licence: str
    source: str


def read_catalogue(path: Path = CATALOGUE) -> dict[str, KnownSet]:
    """The data sets by name.

    Raises:
        SomaNetError: an entry is incomplete, or one of another licence is for training.
    """
    known = {str(name): parse(KnownSet, dict(one), source=f"{path}: {name}") for name, one in read_yaml(path).items()}
    for name, one in known.items():
        if one.use == "train" and one.licence not in SHIPPABLE:
            raise SomaNetError(
                f"{path}: {name} is for training, but its licence is {one.licence[:60]!r}; expected one of "
                f"{', '.join(sorted(SHIPPABLE))}. Set its use to measure."
            )
    return known


def check_trained_on(trained_on: Iterable[Mapping[str, Any]], known: Mapping[str, KnownSet]) -> None:
    """Refuse a network that was trained on anything but sets for training.

    Args:
        trained_on: section of a checkpoint's configuration.
        known: the catalogue.

    Raises:
        SomaNetError: the network names no sets, or one that is not for training.
    """
    sets = list(trained_on)
    if not sets:
        raise SomaNetError(
            "The network's config.json does not say what it was trained on. Train it with `somanet train` and "
            "`finetune` on sets that `python -m tools.training_sets` built."
        )
    for one in sets:
        name = _name(one)
        if name not in known or known[name].use != "train":
            use = known[name].use if name in known else "in no catalogue"
            raise SomaNetError(f"The network was trained on {name!r}, which is {use}. It may not be shipped.")


def card_table(trained_on: Iterable[Mapping[str, Any]], known: Mapping[str, KnownSet]) -> str:
    """What a network was trained on, as Markdown: a row per set, counts from its configuration, licences from here."""
    rows = [
        (
            _name(one),
            known[_name(one)].what,
            str(one["images"]),
            str(one["objects"]),
            _range(one.get("diameter_px")),
            str(one["ignored_px"]),
            known[_name(one)].licence,
            known[_name(one)].source,
        )
        for one in trained_on
    ]
    return table(("set", "what", "images", "objects", "diameter (px)", "ignored px", "licence", "source"), rows)


def catalogue_table(known: Mapping[str, KnownSet]) -> str:
    """The catalogue as Markdown."""
    uses = {"train": "trained on", "measure": "measuring only", "held_out": "never trained on"}
    return table(
        ("set", "what", "use", "licence", "source"),
        [(name, one.what, uses[one.use], one.licence, one.source) for name, one in known.items()],
    )


def _name(one: Mapping[str, Any]) -> str:
    return Path(str(one["name"])).stem


def _range(bounds: Any) -> str:
    return "–" if not bounds else f"{bounds[0]:g}–{bounds[1]:g}"
