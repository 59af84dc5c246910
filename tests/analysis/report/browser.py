"""A headless Chromium, controlled through two pipes in its own protocol: no further library is needed."""

from __future__ import annotations

import base64
import csv
import fcntl
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
PATIENCE_S = 60.0
BETWEEN_DOWNLOADS_S = 0.15
"""Chromium drops, without a word, what a page downloads beyond ten files a second."""
MOVE_AND_START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str | None:
    """Where a Chromium is installed, if it is."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page in its own Chromium; ``problems`` and ``requests`` collect its messages and what it loads.

    Use it as a context manager.
    """

    def __init__(self, program: str, *, width: int = 1440, height: int = 900, dark: bool = False) -> None:
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        # Chromium reads commands from its descriptor 3 and answers on 4.
        command_read, self._to = os.pipe()
        self._from, answer_write = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (command_read, answer_write)]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", MOVE_AND_START, *map(str, ends)),
                *(program, *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"),
            ],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for end in (command_read, answer_write, *ends):
            os.close(end)
        self._buffer, self._number, self._session = b"", 0, ""
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._begun: list[str] = []
        self._states: dict[str, str] = {}
        try:
            self._attach(width, height, dark)
        except BaseException:
            self.close()
            raise

    def _attach(self, width: int, height: int, dark: bool) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.resize(width, height)
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )

    def resize(self, width: int, height: int) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self._receive(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not respond")
            block = os.read(self._from, 1 << 16)
            if not block:
                raise RuntimeError("Chromium has ended")
            self._buffer += block
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.problems.append(str([argument.get("value") for argument in said["args"]]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.problems.append(said["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method == "Page.downloadWillBegin":
            self._begun.append(said["guid"])
        elif method == "Page.downloadProgress":
            self._states[said["guid"]] = said["state"]

    def open(self, path: Path) -> None:
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait('document.documentElement?.dataset.ready === "true"')

    def run(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str, *, seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while not self.run(expression):
            if time.monotonic() > until:
                raise TimeoutError(f"not within {seconds} s: {expression}; {self.problems}")
            time.sleep(0.02)

    def click(self, x: float, y: float) -> None:
        """A click at a position in the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def save_to(self, folder: Path) -> None:
        """Downloads go to a folder, under their own names."""
        self.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def saved(self, selector: str, path: Path) -> bytes:
        """The file that a click on an element downloads, whole: Chromium makes it empty first, and fills it later."""
        time.sleep(BETWEEN_DOWNLOADS_S)
        n_before = len(self._begun)
        box = self.box(selector)
        self.click(box["left"] + box["width"] / 2, box["top"] + box["height"] / 2)
        until = time.monotonic() + PATIENCE_S
        while len(self._begun) == n_before or self._states.get(self._begun[-1], "inProgress") == "inProgress":
            self._receive(until)
        assert self._states[self._begun[-1]] == "completed"
        return path.read_bytes()

    def saved_rows(self, selector: str, path: Path) -> list[dict[str, str]]:
        """The rows of the table that a click on an element downloads."""
        return list(csv.DictReader(io.StringIO(self.saved(selector, path).decode())))

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def box(self, selector: str) -> dict[str, float]:
        """An element's position in the window, scrolled to if need be: left, top, width, height."""
        return dict(
            self.run(
                f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
                "e.scrollIntoView({block: 'center', behavior: 'instant'}); const b = e.getBoundingClientRect();"
                "return {left: b.left, top: b.top, width: b.width, height: b.height}; })()"
            )
        )

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)}).textContent"))

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        taken = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    def close(self) -> None:
        os.close(self._to)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._from)
        self.profile.cleanup()

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
