"""One promotion at a time, by whoever shares the store, on whichever computer.

A promotion reads the champion, compares, and moves the alias. MLflow has no request that does so in one, and of two
at once the later would replace a champion that it was never compared with. But the name of a registered model is
unique in the store's database: whoever creates the entry ``somanet.promotion`` has the turn, and deletes it at the end.
"""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from somanet.core.errors import SomaNetError, first_line
from somanet.core.processes import mark_is_dead, process_mark
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.run import user_name
from somanet.provenance.mlflow.store import unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

TURN = "somanet.promotion"
"""The entry in the registry; it is there only during a promotion."""

WAIT_S = 60.0
LEFT_AFTER_S = 3600.0
"""After this time an entry of another computer counts as left behind; one of this computer as soon as its process is
gone."""

_POLL_S = 0.3
_TOKEN, _WHO, _PROCESS = "token", "who", "process"
_log = logging.getLogger(__name__)


@contextmanager
def promotion_turn(root: Path | str) -> Iterator[None]:
    """Let no other promotion change the registry during the block; wait for one that is under way.

    Raises:
        SomaNetError: another one does not end within a minute; or the store does not respond.
    """
    client = open_client(root)
    token = secrets.token_hex(8)
    try:
        left = _take(client, token)
    except outage_errors() as error:
        raise unreachable(root, error) from error
    try:
        yield
    finally:
        try:
            _give_back(client, token, left)
        except outage_errors() as error:
            # The next promotion on this computer clears it; what was promoted is recorded already.
            _log.warning("The entry %s stays in MLflow's registry: %s", TURN, first_line(error))


def _take(client: MlflowClient, token: str) -> list[str]:
    """Wait for the turn and take it; gives the names of entries that dead processes had left."""
    from mlflow.exceptions import MlflowException

    tags = {_TOKEN: token, _WHO: f"{user_name()} on {socket.gethostname()}", _PROCESS: process_mark()}
    left: list[str] = []
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            client.create_registered_model(TURN, tags=tags, description="A promotion is under way.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        else:
            return left
        holder = _holder(client)
        if holder is None:
            continue
        if holder.tags.get(_TOKEN) == token:  # the request arrived twice, since its first answer was lost
            return left
        if _is_left(holder):
            left += _move_away(client, holder)
        elif time.monotonic() > deadline:
            since = datetime.fromtimestamp(holder.creation_timestamp / 1000, UTC)
            raise SomaNetError(
                f"Another promotion is under way, by {holder.tags.get(_WHO, 'somebody')} since {since:%H:%M:%S} UTC; "
                f"waited {WAIT_S:.0f} s, and nothing was changed. Repeat when it has ended; if it was killed, delete "
                f"the registered model {TURN!r} on MLflow's page, or wait an hour."
            )
        else:
            time.sleep(_POLL_S)


def _holder(client: MlflowClient) -> RegisteredModel | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(TURN)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _is_left(holder: RegisteredModel) -> bool:
    age_s = time.time() - holder.creation_timestamp / 1000
    return mark_is_dead(holder.tags.get(_PROCESS, "")) or age_s > LEFT_AFTER_S


def _move_away(client: MlflowClient, holder: RegisteredModel) -> list[str]:
    """Rename an entry that was left. Of several processes that find it one succeeds: the new name is unique too.

    A plain deletion could hit the entry of another process that has cleared the way a moment earlier.
    """
    from mlflow.exceptions import MlflowException

    name = f"{TURN}.{holder.tags.get(_TOKEN, holder.creation_timestamp)}"
    try:
        client.rename_registered_model(TURN, name)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            raise
        return []
    return [name]


def _give_back(client: MlflowClient, token: str, left: list[str]) -> None:
    holder = _holder(client)
    if holder is not None and holder.tags.get(_TOKEN) == token:
        client.delete_registered_model(TURN)
    for name in left:
        client.delete_registered_model(name)
