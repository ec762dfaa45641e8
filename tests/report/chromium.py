"""A headless Chromium, spoken to over two pipes in the DevTools protocol: as much of it as the report's tests need."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)

_SECONDS = 60.0  # that an answer may take, on a busy machine
_OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--mute-audio"),
    *("--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # what a page asks of the network fails
)


class ChromiumError(RuntimeError):
    """What the browser could not do."""


class Chromium:
    """The browser with one page; `heard` holds the events that the page has caused since it was last opened."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest, self._number, self._session = b"", 0, ""
        self.heard: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command; events that come before it are heard. Raises ChromiumError."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        _write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.heard.append(answer)
        if "error" in answer:
            raise ChromiumError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path, *, width: int = 1400, height: int = 900, scheme: str = "light") -> None:
        """Show a file in a window of this size, in a `light` or `dark` colour scheme, until all of it is loaded.

        Raises ChromiumError where there is none.
        """
        self.heard.clear()
        self.resize(width, height)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        if error := self.ask("Page.navigate", url=path.resolve().as_uri()).get("errorText"):
            raise ChromiumError(f"{path}: {error}")
        while not any(event.get("method") == "Page.loadEventFired" for event in self.heard):
            self.heard.append(self._next())

    def resize(self, width: int, height: int = 900) -> None:
        """Give the window another size, in CSS pixels. Not as a phone: it would zoom out until all of the page fits."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)

    def run(self, script: str) -> Any:
        """What a script of the page's gives, awaited where it is a promise. Raises ChromiumError where it throws."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise ChromiumError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def complaints(self) -> list[str]:
        """What has been written to the console or thrown since the page was opened, and what it asked of a network."""
        found = []
        for event in self.heard:
            method, parameters = event.get("method"), event.get("params", {})
            if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                found.append(json.dumps(parameters))
            elif method == "Log.entryAdded":
                found.append(json.dumps(parameters["entry"]))
            elif method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                found += [] if url.startswith(("file:", "data:")) else [f"asks for {url}"]
        return found

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.ask("Page.printToPDF", printBackground=True)["data"])

    def _next(self) -> dict[str, Any]:
        """The next message: an answer or an event."""
        deadline = time.monotonic() + _SECONDS
        while b"\0" not in self._rest:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self._from], [], [], left)[0]:
                raise ChromiumError(f"no answer within {_SECONDS:g} s")
            piece = os.read(self._from, 1 << 20)
            if not piece:
                raise ChromiumError("the browser has ended")
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def started(profile: Path) -> Iterator[Chromium]:
    """A browser with its files in the folder `profile`, ended with the block."""
    assert PROGRAM is not None, "there is no chromium"
    ours, theirs = _pipes()
    options = [*_OPTIONS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    hands = [(os.POSIX_SPAWN_DUP2, theirs[0], 3), (os.POSIX_SPAWN_DUP2, theirs[1], 4)]  # where the browser expects them
    process = os.posix_spawn(PROGRAM, [PROGRAM, *options], os.environ, file_actions=[*quiet, *hands], setsid=True)
    for handle in theirs:
        os.close(handle)
    try:
        yield Chromium(*ours)
    finally:
        for handle in ours:
            os.close(handle)  # upon which it ends
        _bury(process)


def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Handles to write to the browser and to read from it, and the browser's other ends; none is 3 or 4."""
    (down_read, down_write), (up_read, up_write) = os.pipe(), os.pipe()
    ends = [_high(handle) for handle in (down_write, up_read, down_read, up_write)]
    return (ends[0], ends[1]), (ends[2], ends[3])


def _high(handle: int) -> int:
    copy = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(handle)
    return copy


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _bury(process: int) -> None:
    """Wait for a process that should end, and kill its session where it does not."""
    for _ in range(100):
        if os.waitpid(process, os.WNOHANG)[0]:
            break
        time.sleep(0.05)
    else:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
