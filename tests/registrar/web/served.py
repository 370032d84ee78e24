"""The website as a browser meets it: served on a port of its own, seen by Chromium."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from countersign.registrar.operations.office import Office
from countersign.registrar.web.app import make_app
from tests.registrar.web.visitors import with_config

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]


@contextlib.contextmanager
def serving(office: Office, **changes: Any) -> Iterator[Office]:
    """Serve the website of an office; gives the office with the address in its settings."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        served = with_config(office, url=f"http://localhost:{port}", **changes)
        config = uvicorn.Config(make_app(served), lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield served
        finally:
            server.should_exit = True
            thread.join(30)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser, or skip the test where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


def watch(page: Page) -> list[str]:
    """Return a list that fills with what the browser complains of: scripts, policy, requests."""
    complaints: list[str] = []
    page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints
