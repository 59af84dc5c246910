"""Rows that several processes add to the store at the same moment, such as the data set of trainings started together.

MLflow looks which rows are there and inserts the others. Of two processes that insert the same row, the database
refuses the later one, and undoes all of its call: nothing is half-written, and the same call can be made again.
"""

from __future__ import annotations

from collections.abc import Callable

_REFUSED = "BAD_REQUEST"
"""MLflow's code for what the database refuses; of a server it is all that comes through."""


def insert_rows(call: Callable[[], object], *, n_rows: int) -> None:
    """Make a call to MLflow that inserts the rows which are not there yet, again while other processes insert them too.

    A refusal means that another process has inserted one of the rows in the meantime. Starting runs removes no row, so
    that after as many refusals as rows all of them are there, and one more refusal has another reason.

    Args:
        call: of MLflow's client; it must leave alone what is there already.
        n_rows: how many rows other processes may be inserting.

    Raises:
        MlflowException: the store does not answer, or refuses for another reason.
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
