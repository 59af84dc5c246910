"""Where numbers come from: entries of JSON, YAML and TOML, sizes of files, values of the code, defaults of options."""

from __future__ import annotations

import importlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sized
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from somanet.core.errors import SomaNetError
from tools.page_numbers.printed import numbers_in

KINDS = ("entry", "bytes", "python", "option", "count")
_READERS: Mapping[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".yaml": yaml.safe_load,
    ".lock": yaml.safe_load,
    ".cff": yaml.safe_load,
    ".toml": tomllib.loads,
}


def value_of(source: Any, root: Path) -> Decimal:
    """The number that a source has now.

    Args:
        source: `FILE#/KEY/KEY` (as a JSON pointer), or a mapping with one of :data:`KINDS`, and `times`, a factor.
        root: the checkout.

    Raises:
        SomaNetError: there is no such file, entry or option, or it is no number.
    """
    if isinstance(source, str):
        source = {"entry": source}
    kinds = [kind for kind in KINDS if kind in source] if isinstance(source, Mapping) else []
    if len(kinds) != 1 or not set(source) <= {kinds[0], "times"}:
        raise SomaNetError(
            f"docs/numbers.yaml: {source!r} is no source; expected one of {', '.join(KINDS)}, and `times`."
        )
    name = str(source[kinds[0]])
    found = {"entry": _entry, "bytes": _bytes, "python": _python, "option": _option, "count": _count}[kinds[0]](
        name, root
    )
    return _number(found, name) * Decimal(str(source.get("times", 1)))


def _entry(name: str, root: Path) -> Any:
    file, _, pointer = name.partition("#")
    path = root / file
    if path.suffix not in _READERS or not path.is_file():
        raise SomaNetError(f"{file}: no such JSON, YAML or TOML file. Was it moved? Correct docs/numbers.yaml.")
    found: Any = _READERS[path.suffix](path.read_text(encoding="utf-8"))
    for part in pointer.removeprefix("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, TypeError, ValueError):
            raise SomaNetError(f"{file} has no entry {pointer} (at {key!r}). Correct docs/numbers.yaml.") from None
    return found


def _bytes(name: str, root: Path) -> int:
    try:
        return (root / name).stat().st_size
    except OSError:
        raise SomaNetError(f"{name}: no such file. Was it moved? Correct docs/numbers.yaml.") from None


def _python(name: str, _root: Path) -> Any:
    """`module:NAME.attribute`, also `NAME.0`; of a collection its length."""
    module, _, attributes = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for attribute in attributes.split("."):
            found = found[int(attribute)] if attribute.isdecimal() else getattr(found, attribute)
    except (ImportError, AttributeError, IndexError):
        raise SomaNetError(f"{name}: the code has no such name. Correct docs/numbers.yaml.") from None
    return len(found) if isinstance(found, Sized) and not isinstance(found, str) else found


def _option(name: str, _root: Path) -> Any:
    """`predict --diameter`: the default of an option."""
    from tools.page_numbers.named import options_of

    *command, option = name.split()
    known = options_of(command)
    if option not in known:
        raise SomaNetError(f"`somanet {' '.join(command)}` has no option {option}. Correct docs/numbers.yaml.")
    return known[option]


def _count(name: str, root: Path) -> int:
    """The files that a pattern names."""
    found = sorted(root.glob(name))
    if not found:
        raise SomaNetError(f"{name}: no such files. Were they moved? Correct docs/numbers.yaml.")
    return len(found)


def _number(found: Any, name: str) -> Decimal:
    if isinstance(found, str) and len(numbers := numbers_in(found)) == 1:
        return numbers[0].value
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise SomaNetError(f"{name} is {found!r}, no number. Name an entry that is one in docs/numbers.yaml.")
    return Decimal(str(found))
