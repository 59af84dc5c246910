"""What a store says, checked as it comes: a database that another program wrote, or a forged one, may hold anything."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from somanet.core.errors import SomaNetError, first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

_GLOBAL = ("models:", "runs:")
"""Addresses that MLflow looks up in its global store, which it creates in the current folder, not in the project's."""
IMPOSSIBLE = "it has recorded what cannot be"
_LATEST_MS = 253_402_300_799_000
"""The end of the year 9999, the last that Python's times know."""


def checked_client(client: MlflowClient) -> MlflowClient:
    """The client, which raises one of MLflow's own exceptions where the store has what cannot be.

    Columns of SQLite take values of any type, and MLflow hands them on or fails in the middle.
    """
    return cast("MlflowClient", _Checked(client))


class _Checked:
    """Passes everything on; what is no exception of MLflow, the system or SomaNet becomes one of MLflow."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def called(*arguments: Any, **named: Any) -> Any:
            from mlflow.exceptions import MlflowException

            try:
                value = found(*arguments, **named)
            except (SomaNetError, MlflowException, OSError, MemoryError):
                raise
            except Exception as error:
                raise _impossible(first_line(error).removesuffix(".")) from error
            check_entity(value)
            return value

        return called


def check_entity(value: Any) -> None:
    """Refuse texts that are bytes, times that are no numbers, and places of files in another store.

    Args:
        value: what a method of MLflow's client returned: an entity, a page of them, or anything else, which passes.

    Raises:
        MlflowException: naming what is wrong.
    """
    if isinstance(value, list):
        for one in value:
            check_entity(one)
        return
    for part in (value, getattr(value, "info", None), getattr(value, "data", None)):
        if hasattr(part, "to_proto") and isinstance(part, Iterable):
            _check_values(dict(cast("Iterable[tuple[str, Any]]", part)))


def _check_values(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        texts = [*value, *value.values()] if isinstance(value, dict) else [value]
        if any(isinstance(text, bytes) for text in texts):
            raise _impossible(f"{name} is not text")
        if name in ("start_time", "creation_time") and value is not None and not _is_time(value):
            raise _impossible(f"{name} is {value!r:.40}, which is no time")
        if name in ("artifact_uri", "artifact_location") and str(value or "").startswith(_GLOBAL):
            raise _impossible(f"{name} is {value!r:.80}, which is no place of files")


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= _LATEST_MS


def _impossible(what: str) -> Exception:
    from mlflow.exceptions import MlflowException

    return MlflowException(f"{IMPOSSIBLE}: {what}.")
