"""Why a tracking server did not answer a request, in a few words: MLflow's own text is the whole chain of libraries."""

from __future__ import annotations

from collections.abc import Iterator

from somanet.core.errors import first_line

UNAUTHENTICATED, FORBIDDEN = "UNAUTHENTICATED", "PERMISSION_DENIED"
_NOT_MLFLOW = "what answers there is not an MLflow server."


def outage_reason(error: BaseException) -> str:
    """The reason as a sentence that begins in lower case where it is ours.

    Args:
        error: what a call of MLflow's client raised, with the errors that led to it.
    """
    code = getattr(error, "error_code", None)
    if code == UNAUTHENTICATED:
        return (
            "it wants a user name and a password. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; those "
            "that are set are wrong."
        )
    if code == FORBIDDEN:
        return f"this user may not do so: {first_line(error)}"
    names = {type(one).__name__ for one in _chain(error)}
    if "NameResolutionError" in names:
        return "no computer has that name."
    if names & {"ReadTimeout", "ConnectTimeout", "ReadTimeoutError", "ConnectTimeoutError"}:
        return "no answer in time."
    if "NewConnectionError" in names:
        return "nothing listens at that address."
    if names & {"BadStatusLine", "InvalidHeader", "SSLError"}:
        return _NOT_MLFLOW
    text = str(error)
    if "failed with error code 40" in text or "not in a valid JSON format" in text:
        return _NOT_MLFLOW
    return first_line(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it; libraries of HTTP also pass them on as arguments and reasons."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
