"""Rows that several processes add to the store at once, such as the shared data set of trainings started together.

MLflow checks which rows exist and inserts the others. If two processes insert the same row, the database rejects the
later one and rolls back its whole call: nothing is half-written, and the same call can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable

_REFUSED = "BAD_REQUEST"
"""MLflow's code for rows that the database rejects; from a server nothing more specific arrives."""


def insert_rows(call: Callable[[], object], *, n_rows: int) -> None:
    """Make an MLflow call that inserts missing rows, and repeat it while other processes insert them too.

    A rejection means that another process has inserted one of the rows in the meantime. Starting runs removes no rows,
    so after as many rejections as rows all of them exist, and one more rejection has another reason.

    Args:
        call: a call of MLflow's client that leaves existing rows alone.
        n_rows: how many rows other processes may be inserting.

    Raises:
        MlflowException: the store does not respond, or rejects the call for another reason.
    """
    from mlflow.exceptions import MlflowException

    for _ in range(n_rows):
        try:
            call()
        except MlflowException as error:
            if error.error_code != _REFUSED:
                raise
        else:
            return
    call()
