"""Reasons in a few words, from the errors that the libraries really raise."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from somanet.provenance.mlflow.outages import outage_reason
from tests.servers import free_port


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def reason(address: str) -> str:
    with pytest.raises(MlflowException) as error:
        MlflowClient(address).search_experiments()
    return outage_reason(error.value)


@pytest.fixture
def answering() -> Iterator[dict[str, object]]:
    """A server with one answer to everything: its status and body."""
    answer: dict[str, object] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(str(answer["status"])))
            self.end_headers()
            self.wfile.write(str(answer["body"]).encode())

        do_POST = do_GET

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer["url"] = f"http://127.0.0.1:{server.server_port}"
    yield answer
    server.shutdown()
    server.server_close()


def test_nothing_listens() -> None:
    assert reason(f"http://127.0.0.1:{free_port()}") == "nothing listens at that address."


def test_no_such_name() -> None:
    assert reason("http://nowhere.invalid:5000") == "no computer has that name."


def test_no_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert reason(f"http://127.0.0.1:{silent.getsockname()[1]}") == "no answer in time."


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "You are not authenticated.", "it wants a user name and a password. Set MLFLOW_TRACKING_USERNAME"),
        (403, "Permission denied", "this user may not do so: "),
        (404, "<h1>Not found</h1>", "what answers there is not an MLflow server."),
        (200, "<h1>Welcome to the lab</h1>", "what answers there is not an MLflow server."),
    ],
)
def test_what_a_server_answers(answering: dict[str, object], status: int, body: str, words: str) -> None:
    answering |= {"status": status, "body": body}
    assert reason(str(answering["url"])).startswith(words)


def test_other_errors_keep_their_words() -> None:
    assert outage_reason(OSError("database is locked")) == "database is locked."
