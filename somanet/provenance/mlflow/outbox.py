"""A run's channel to the tracking store: records are sent, or kept for later if sending would delay the work."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from somanet.core.errors import SomaNetError, first_line
from somanet.provenance.mlflow.client import outage_errors
from somanet.provenance.mlflow.missing import get_run, why_not_active
from somanet.provenance.mlflow.models import NotSaved
from somanet.provenance.mlflow.outages import outage_reason
from somanet.provenance.mlflow.spool import keep, replay_run, send, waiting

if TYPE_CHECKING:
    from mlflow import MlflowClient

FREE_S = 5.0
SHARE = 0.02
"""Sending may take 5 s plus 2 % of the time since the run was opened; beyond that, records wait in the spool."""
FLUSH_S = 60.0
"""Maximum time for sending pending records at the end of a run; `somanet sync` sends the rest."""

Outcome = Literal["sent", "kept", "lost"]
_log = logging.getLogger(__name__)


class Outbox:
    """Sends the records of one run, in order. Thread-safe."""

    def __init__(self, client: MlflowClient, root: Path, run_id: str) -> None:
        self.root = root
        self.run_id = run_id
        self._client = client
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._spent_s = 0.0
        self._warned: set[str] = set()
        self._busy = False

    def deliver(self, record: Mapping[str, Any]) -> Outcome:
        """Send a record, or keep it; older pending records go first.

        Raises:
            SomaNetError: the store responds and rejects the record.
            NotSaved: the network of a record cannot be stored as an MLflow model.
        """
        record = {"run_id": self.run_id, **record}
        if self._over_budget() or not self._lock.acquire(blocking=False):
            return self._keep(record)
        began = time.monotonic()
        try:
            return self._send(record)
        finally:
            self._spent_s += time.monotonic() - began
            self._lock.release()

    def close(self, record: Mapping[str, Any]) -> None:
        """Deliver the last record and all pending ones."""
        record = {"run_id": self.run_id, **record}
        well = not self._warned
        # If the store is failing, the record is kept first, so that a kill while sending loses nothing.
        outcome = self.deliver(record) if well else self._keep(record)
        away = well and bool(self._warned) and not self._busy
        if outcome != "sent" and not away and self._lock.acquire(timeout=FLUSH_S):
            try:
                self._send_waiting()
                if outcome == "lost":
                    send(self._client, record)
            except outage_errors(SomaNetError) as error:
                self._warn_unreachable(error)
            finally:
                self._lock.release()
        if n := len(waiting(self.root, self.run_id)):
            _log.warning(
                "%d records of run %s wait in mlruns/spool: `somanet sync` sends them when the tracking store is back.",
                n,
                self.run_id,
            )

    def _send_waiting(self) -> None:
        """Send what waits; a database that others write to is tried again, as it serves waiting writers in no order."""
        ends = time.monotonic() + FLUSH_S
        while True:
            try:
                replay_run(self._client, self.root, self.run_id, limit_s=FLUSH_S)
                return
            except outage_errors(SomaNetError) as error:
                if not _is_busy(error) or time.monotonic() > ends:
                    raise
                time.sleep(random.uniform(0.1, 1))

    def _over_budget(self) -> bool:
        return self._spent_s > FREE_S + SHARE * (time.monotonic() - self._began)

    def _send(self, record: Mapping[str, Any]) -> Outcome:
        try:
            if waiting(self.root, self.run_id):
                replay_run(self._client, self.root, self.run_id, limit_s=FREE_S)
                if waiting(self.root, self.run_id):
                    return self._keep(record)
            send(self._client, record)
        except NotSaved:
            raise
        except outage_errors(SomaNetError) as error:
            if getattr(error, "error_code", None) != "INVALID_PARAMETER_VALUE":
                self._warn_unreachable(error)
            elif reason := self._why_not_active():
                self._warn(
                    "unreachable", f"{reason} The run continues; records wait in mlruns/spool for `somanet sync`."
                )
            else:
                raise SomaNetError(f"MLflow refuses a record of run {self.run_id}: {first_line(error)}") from error
            return self._keep(record)
        except BaseException:  # a signal: the record may or may not have arrived, and may be sent twice
            self._keep(record)
            raise
        return "sent"

    def _why_not_active(self) -> str | None:
        """Why the run cannot be written to; None if it can. MLflow reports a deleted run like an invalid record."""
        try:
            run = get_run(self._client, self.run_id)
            if run is None:
                return f"The run {self.run_id} is no longer in the tracking store."
            return why_not_active(self._client, run, self.root)
        except outage_errors() as error:
            return f"The tracking store does not respond: {outage_reason(error)}"

    def _keep(self, record: Mapping[str, Any]) -> Outcome:
        try:
            keep(self.root, record)
        except (SomaNetError, OSError) as error:  # the disk is full as well: still no reason to stop the work
            self._warn(
                "lost",
                f"Records of run {self.run_id} cannot be kept either: {first_line(error)} Metrics of epochs are sent "
                "again from the training's own state when it ends or is resumed.",
            )
            return "lost"
        return "kept"

    def _warn_unreachable(self, error: Exception) -> None:
        self._busy = _is_busy(error)
        self._warn(
            "unreachable",
            f"The tracking store does not respond or refuses: {outage_reason(error)} The run continues; records wait "
            "in mlruns/spool and are sent when it is back, or by `somanet sync`.",
        )

    def _warn(self, what: str, line: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning(line)


def _is_busy(error: Exception) -> bool:
    """Whether other processes were writing to the database for longer than MLflow waits (20 s)."""
    return "database is locked" in f"{error} {error.__cause__}"
