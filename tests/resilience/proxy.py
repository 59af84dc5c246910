"""A door in front of an MLflow server that can be slow, stuck, refusing or shut, from a chosen request on."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

HANG_S = 60.0


class Proxy:
    """Passes requests to a server, until trouble is asked for.

    Attributes:
        url: what clients are given.
        held_s: for how long requests were kept waiting on purpose, in sum.
        n_troubled: how many requests met trouble.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._trouble: Callable[[], int | None] | None = None
        self._path, self._from = "", 0
        self._lock = threading.Lock()
        self.held_s = 0.0
        self.n_troubled = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, TimeoutError):  # a client that gave up waiting
                    self.close_connection = True

            def log_message(self, *_arguments: object) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = proxy._meet(self.path)
                if status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                if status is not None:
                    self.reply(status, b"no", {})
                    return
                try:
                    link = http.client.HTTPConnection("127.0.0.1", proxy._server_port, timeout=120)
                    headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                    link.request(self.command, self.path, body, headers)
                    reply = link.getresponse()
                    self.reply(reply.status, reply.read(), dict(reply.getheaders()))
                    link.close()
                except ConnectionRefusedError:
                    self.reply(503, b"no server", {})

            def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection", "server", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()

    def trouble(self, kind: Callable[[], int | None] | None, *, path: str = "log-batch", call: int = 1) -> None:
        """Make trouble from the n-th request on whose path holds this text; ``None`` ends it.

        Args:
            kind: what happens to a request: it returns the status to answer with, 0 to hang up, None to go on.
            path: part of the path.
            call: counted from now on.
        """
        with self._lock:
            self._trouble, self._path, self._from = kind, path, call

    def _meet(self, path: str) -> int | None:
        with self._lock:
            if self._trouble is None:
                return None
            if self._from > 0 and self._path in path:
                self._from -= 1
            if self._from > 0:
                return None
            trouble = self._trouble
            self.n_troubled += 1
        began = time.monotonic()
        try:
            return trouble()
        finally:
            with self._lock:
                self.held_s += time.monotonic() - began


def slow(seconds: float) -> Callable[[], None]:
    """Every request waits so long, and passes."""
    return lambda: time.sleep(seconds)


def stuck() -> int:
    """No answer within any client's patience."""
    time.sleep(HANG_S)
    return 0


def refusing(status: int) -> Callable[[], int]:
    """Every request is answered with this status."""
    return lambda: status
